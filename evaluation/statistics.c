#include "evaluation/statistics.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/random.h"

static double value_or_zero(double value, bool skip_nan) { return skip_nan && isnan(value) ? 0 : value; }

static double sum_of(const double *values, int64_t count, bool skip_nan)
{
    if (count > 128) {
        const int64_t half = count / 2 - count / 2 % 8;
        return sum_of(values, half, skip_nan) + sum_of(values + half, count - half, skip_nan);
    }
    double lane[8] = {0};
    int64_t i = 0;
    for (; i + 8 <= count; i += 8)
        for (int j = 0; j < 8; j++) lane[j] += value_or_zero(values[i + j], skip_nan);
    double sum = ((lane[0] + lane[1]) + (lane[2] + lane[3])) + ((lane[4] + lane[5]) + (lane[6] + lane[7]));
    for (; i < count; i++) sum += value_or_zero(values[i], skip_nan);
    return sum;
}

double pairwise_sum(const double *values, int64_t count) { return sum_of(values, count, false); }

double mean_without_nan(const double *values, int64_t count)
{
    int64_t valid = 0;
    for (int64_t i = 0; i < count; i++) valid += !isnan(values[i]);
    return valid ? sum_of(values, count, true) / (double)valid : NAN;
}

/* ---- order ---- */

static int ascending(const void *a, const void *b)
{
    const double p = *(const double *)a, q = *(const double *)b;
    if (isnan(p) || isnan(q)) return isnan(p) - isnan(q);
    return (p > q) - (p < q);
}

int64_t sort_values(double *values, int64_t count)
{
    qsort(values, (size_t)count, sizeof *values, ascending);
    while (count > 0 && isnan(values[count - 1])) count--;
    return count;
}

double quantile(const double *sorted, int64_t count, double q)
{
    if (!count) return NAN;
    const double at = q * (double)(count - 1);
    const int64_t below = (int64_t)at;
    if (below + 1 >= count || sorted[below] == sorted[below + 1]) return sorted[below];
    return sorted[below] + (at - (double)below) * (sorted[below + 1] - sorted[below]);
}

/* ---- bootstrap ---- */

/* Counts of each case in one resample. */
static void resample(int *weights, int cases, uint64_t seed, int number)
{
    Rng rng = rng_make(seed, 0, (uint32_t)number, 0, RNG_BOOTSTRAP);
    for (int c = 0; c < cases; c++) weights[c] = 0;
    for (int c = 0; c < cases; c++) weights[rng_below(&rng, (uint32_t)cases)]++;
}

/* The mean over the cases `valid` (count of them), weighted by their counts in the resample. */
static double weighted_mean(const double *values, const int *valid, int count, const int *weights)
{
    double sum = 0;
    int all = 0;
    for (int i = 0; i < count; i++) {
        sum += weights[valid[i]] * values[valid[i]];
        all += weights[valid[i]];
    }
    return all ? sum / all : NAN;
}

/* means (resamples) of one column; valid (cases) is scratch. */
static void resampled_means(double *means, const double *values, int cases, const int *weights, int *valid)
{
    int count = 0;
    for (int c = 0; c < cases; c++)
        if (!isnan(values[c])) valid[count++] = c;
    for (int b = 0; b < BOOTSTRAP_RESAMPLES; b++)
        means[b] = weighted_mean(values, valid, count, weights + (int64_t)b * cases);
}

static Interval middle_95(double *means)
{
    const int64_t count = sort_values(means, BOOTSTRAP_RESAMPLES);
    return (Interval){quantile(means, count, 0.025), quantile(means, count, 0.975)};
}

int bootstrap_means(Interval *intervals, Interval *joint, const double *values, int columns, int cases, uint64_t seed,
                    Err *e)
{
    for (int k = 0; k < columns; k++) intervals[k] = (Interval){NAN, NAN};
    *joint = (Interval){NAN, NAN};
    if (cases < 2) return 0;
    int code = ERR_NOMEM;
    /* (resamples + 1, cases); the last row is scratch. */
    int *weights = mem_alloc(mem_product(BOOTSTRAP_RESAMPLES + 1, (size_t)cases * sizeof *weights), e);
    /* (3, resamples): means of one column; sums over columns; numbers of columns in the sums. */
    double *means = mem_zalloc(3 * (size_t)BOOTSTRAP_RESAMPLES, sizeof *means, e);
    if (!weights || !means) goto done;
    double *sums = means + BOOTSTRAP_RESAMPLES, *counts = sums + BOOTSTRAP_RESAMPLES;
    for (int b = 0; b < BOOTSTRAP_RESAMPLES; b++) resample(weights + (int64_t)b * cases, cases, seed, b);
    for (int k = 0; k < columns; k++) {
        resampled_means(means, values + (int64_t)k * cases, cases, weights,
                        weights + (int64_t)BOOTSTRAP_RESAMPLES * cases);
        for (int b = 0; b < BOOTSTRAP_RESAMPLES; b++) {
            if (isnan(means[b])) continue;
            sums[b] += means[b];
            counts[b]++;
        }
        intervals[k] = middle_95(means);
    }
    for (int b = 0; b < BOOTSTRAP_RESAMPLES; b++) sums[b] = counts[b] > 0 ? sums[b] / counts[b] : NAN;
    *joint = middle_95(sums);
    code = 0;
done:
    mem_free(weights);
    mem_free(means);
    return code;
}

/* ---- Wilcoxon ---- */

enum { EXACT_PAIRS = 50 };

typedef struct Difference {
    double size;
    bool positive;
    int rank2; /* twice the rank: a whole number even for ties, which share the mean rank */
} Difference;

static int by_size(const void *a, const void *b)
{
    const Difference *p = a, *q = b;
    return (p->size > q->size) - (p->size < q->size);
}

/* Sets the ranks; returns the sum of t^3 - t over groups of t ties. */
static double rank_differences(Difference *d, int n)
{
    double ties = 0;
    for (int i = 0; i < n;) {
        int end = i;
        while (end < n && d[end].size == d[i].size) end++;
        const double group = end - i;
        ties += group * group * group - group;
        for (int j = i; j < end; j++) d[j].rank2 = i + 1 + end;
        i = end;
    }
    return ties;
}

/* P(sum of the ranks with a positive sign <= lower), doubled; all 2^n choices of signs are equally likely. */
static double exact_p(const Difference *d, int n, int lower2)
{
    double ways[EXACT_PAIRS * (EXACT_PAIRS + 1) + 1] = {1};
    int most = 0;
    for (int i = 0; i < n; i++) {
        most += d[i].rank2;
        for (int sum = most; sum >= d[i].rank2; sum--) ways[sum] += ways[sum - d[i].rank2];
    }
    double count = 0;
    for (int sum = 0; sum <= lower2; sum++) count += ways[sum];
    return fmin(1, 2 * count / ldexp(1, n));
}

int wilcoxon_signed_rank(double *p, int *pairs, const double *a, const double *b, int count, Err *e)
{
    Difference *d = mem_alloc((size_t)count * sizeof *d, e);
    if (!d) return ERR_NOMEM;
    int n = 0;
    for (int i = 0; i < count; i++)
        if (a[i] != b[i] && !isnan(a[i] - b[i])) d[n++] = (Difference){fabs(a[i] - b[i]), a[i] > b[i], 0};
    qsort(d, (size_t)n, sizeof *d, by_size);
    const double ties = rank_differences(d, n), pair_count = n;
    double positive2 = 0, all2 = pair_count * (pair_count + 1);
    for (int i = 0; i < n; i++)
        if (d[i].positive) positive2 += d[i].rank2;
    const double lower2 = fmin(positive2, all2 - positive2);
    if (n == 0) {
        *p = NAN;
    } else if (n <= EXACT_PAIRS) {
        *p = exact_p(d, n, (int)lower2);
    } else {
        const double variance = pair_count * (pair_count + 1) * (2 * pair_count + 1) / 24 - ties / 48;
        *p = erfc(fabs(positive2 - all2 / 2) / 2 / sqrt(2 * variance));
    }
    *pairs = n;
    mem_free(d);
    return 0;
}
