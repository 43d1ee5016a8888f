/* Statistics over cases. Pure functions of borrowed arrays; NaN stands for a case without a value. */
#ifndef EVALUATION_STATISTICS_H
#define EVALUATION_STATISTICS_H

#include <stdint.h>

#include "base/error.h"

/* The sum in NumPy's order (blocks of 128 values on eight lanes, then pairwise), so that sums are equal to NumPy's
 * to the last digit. */
double pairwise_sum(const double *values, int64_t count);

/* Mean of the values that are not NaN, NaN without one: numpy.nanmean. */
double mean_without_nan(const double *values, int64_t count);

/* The q-quantile (0 … 1) of ascending values, linear between neighbours: numpy.percentile. NaN for an empty list. */
double quantile(const double *ascending, int64_t count, double q);

/* Sorts values in place, ascending, NaN last; returns the number of values that are not NaN. */
int64_t sort_values(double *values, int64_t count);

typedef struct Interval {
    double low, high;
} Interval;

/* 95 % intervals of means over cases by resampling cases with replacement (percentile bootstrap, Efron
 * 1979). values (columns, cases) borrowed; intervals (columns) of each column's mean, and `joint`, of the
 * mean over the means of the columns that have one in the resample, are written. All columns see the same
 * resamples, which are a function of
 * the seed. NaN below two cases. Fails: ERR_NOMEM. */
enum { BOOTSTRAP_RESAMPLES = 2000 };
int bootstrap_means(Interval *intervals, Interval *joint, const double *values, int columns, int cases, uint64_t seed,
                    Err *e);

/* Wilcoxon's signed-rank test of paired values (Wilcoxon 1945): the two-sided probability of differences
 * at least this uneven if neither side is better. Pairs that are equal or have a NaN are left out; ties
 * share their ranks. Exact up to 50 pairs, else by the normal approximation with the correction for ties.
 * *p is NaN without a pair that differs. Fails: ERR_NOMEM. */
int wilcoxon_signed_rank(double *p, int *pairs, const double *a, const double *b, int count, Err *e);

#endif
