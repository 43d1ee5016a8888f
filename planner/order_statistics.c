#include "planner/order_statistics.h"

#include <math.h>
#include <stdlib.h>

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void sort_doubles(double *values, int n) { qsort(values, (size_t)n, sizeof *values, compare); }

double sorted_median(const double *values, int n)
{
    return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

PercentileRank percentile_rank(int64_t n, double percent)
{
    const double position = (double)(n - 1) * (percent / 100), whole = floor(position);
    const int64_t low = (int64_t)whole;
    return (PercentileRank){low, low + 1 < n ? low + 1 : n - 1, position - whole};
}

double percentile_between(double a, double b, double difference, double part)
{
    return part < 0.5 ? a + difference * part : b - difference * (1 - part);
}

double sorted_percentile(const double *values, int n, double percent)
{
    const PercentileRank rank = percentile_rank(n, percent);
    const double a = values[rank.low], b = values[rank.high];
    return percentile_between(a, b, b - a, rank.part);
}
