/* Medians and percentiles with NumPy's rounding, so that plans have the same numbers as nnU-Net's. */
#ifndef PLANNER_ORDER_STATISTICS_H
#define PLANNER_ORDER_STATISTICS_H

#include <stdint.h>

/* Sorts ascending. */
void sort_doubles(double *values, int n);

/* numpy.median of n >= 1 sorted values: the middle one, or half the sum of the two middle ones. */
double sorted_median(const double *values, int n);

/* numpy.percentile (linear) of n >= 1 sorted values; percent 0 … 100. */
double sorted_percentile(const double *values, int n, double percent);

/* The position of a percentile among n sorted values: between those at index `low` and `high`; `part` (0 … 1) is the
 * weight of the latter. */
typedef struct PercentileRank {
    int64_t low, high;
    double part;
} PercentileRank;

PercentileRank percentile_rank(int64_t n, double percent);

/* Interpolates from a (part 0) to b (part 1). difference: b - a, rounded as NumPy does, in the type of the values. */
double percentile_between(double a, double b, double difference, double part);

#endif
