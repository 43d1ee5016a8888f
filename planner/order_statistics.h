/* Medians and percentiles with NumPy's rounding, on which the last bit of a plan depends. */
#ifndef PLANNER_ORDER_STATISTICS_H
#define PLANNER_ORDER_STATISTICS_H

#include <stdint.h>

/* Sorts ascending. */
void sort_doubles(double *values, int n);

/* numpy.median of n >= 1 sorted values: the middle one, or half the sum of the two middle ones. */
double sorted_median(const double *values, int n);

/* numpy.percentile (linear) of n >= 1 sorted values; percent 0 … 100. */
double sorted_percentile(const double *values, int n, double percent);

/* Where a percentile of n values lies: between the values of rank `low` and `high` (from 0), `part` of the
 * way. */
typedef struct PercentileRank {
    int64_t low, high;
    double part;
} PercentileRank;

PercentileRank percentile_rank(int64_t n, double percent);

/* The value `part` of the way from a to b, whose difference is given (NumPy takes it in the values' type). */
double percentile_between(double a, double b, double difference, double part);

#endif
