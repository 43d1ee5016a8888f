/* evaluation/ and data/components: distances, components, instances and statistics against simple implementations. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "data/components.h"
#include "evaluation/distance.h"
#include "evaluation/instances.h"
#include "evaluation/statistics.h"

enum { MOST = 12 * 13 * 14 };

/* A random grid of up to 11x12x13 voxels with a random share of ones; returns its size. */
static int64_t random_grid(uint8_t *grid, int64_t shape_zyx[3], Rng *rng)
{
    for (int d = 0; d < 3; d++) shape_zyx[d] = 1 + rng_below(rng, 11 + (uint32_t)d);
    const int64_t count = shape_zyx[0] * shape_zyx[1] * shape_zyx[2];
    const double share = rng_uniform(rng) * 0.6;
    for (int64_t i = 0; i < count; i++) grid[i] = rng_uniform(rng) < share;
    return count;
}

static void at(int64_t zyx[3], int64_t index, const int64_t shape[3])
{
    zyx[0] = index / (shape[1] * shape[2]);
    zyx[1] = index / shape[2] % shape[1];
    zyx[2] = index % shape[2];
}

static double nearest(int64_t index, const uint8_t *sites, const int64_t shape[3], const double spacing[3])
{
    double best = INFINITY;
    int64_t here[3], there[3];
    at(here, index, shape);
    for (int64_t i = 0; i < shape[0] * shape[1] * shape[2]; i++) {
        if (!sites[i]) continue;
        double sum = 0;
        at(there, i, shape);
        for (int d = 0; d < 3; d++) sum += pow(spacing[d] * (double)(here[d] - there[d]), 2);
        best = fmin(best, sqrt(sum));
    }
    return best;
}

static void distances_equal_the_nearest_site(void **state)
{
    (void)state;
    static uint8_t sites[MOST], wanted[MOST];
    static double out[MOST];
    Rng rng = rng_make(2, 0, 0, 0, RNG_TEST);
    for (int round = 0; round < 60; round++) {
        int64_t shape[3];
        Err e = {0};
        const int64_t count = random_grid(sites, shape, &rng);
        const double spacing[3] = {rng_range(&rng, 0.2, 5), rng_range(&rng, 0.2, 5), rng_range(&rng, 0.2, 5)};
        for (int64_t i = 0; i < count; i++) wanted[i] = rng_uniform(&rng) < 0.3;
        if (round == 0) memset(sites, 0, sizeof sites);
        assert_int_equal(distance_to_sites(out, sites, wanted, shape, spacing, &e), 0);
        int64_t n = 0;
        for (int64_t i = 0; i < count; i++) {
            if (!wanted[i]) continue;
            const double want = nearest(i, sites, shape, spacing);
            assert_true(out[n] == want || fabs(out[n] - want) < 1e-12);
            n++;
        }
    }
}

/* Spreads the smallest index over touching voxels until nothing changes. */
static int32_t components_by_spreading(int32_t *ids, const uint8_t *mask, const int64_t shape[3])
{
    const int64_t count = shape[0] * shape[1] * shape[2];
    for (int64_t i = 0; i < count; i++) ids[i] = mask[i] ? (int32_t)i + 1 : 0;
    for (bool changed = true; changed;) {
        changed = false;
        for (int64_t i = 0; i < count; i++) {
            for (int64_t j = 0; j < count && ids[i]; j++) {
                int64_t a[3], b[3];
                at(a, i, shape);
                at(b, j, shape);
                bool touch = true;
                for (int d = 0; d < 3; d++) touch = touch && llabs(a[d] - b[d]) <= 1;
                if (!touch || !ids[j] || ids[j] >= ids[i]) continue;
                ids[i] = ids[j];
                changed = true;
            }
        }
    }
    Err e = {0};
    int32_t found;
    assert_int_equal(instances_renumber(ids, &found, count, &e), 0);
    return found;
}

static void components_equal_spreading(void **state)
{
    (void)state;
    static uint8_t mask[MOST];
    static int32_t ids[MOST], wanted[MOST];
    Rng rng = rng_make(3, 0, 0, 0, RNG_TEST);
    for (int round = 0; round < 40; round++) {
        int64_t shape[3];
        Err e = {0};
        int32_t count;
        const int64_t voxels = random_grid(mask, shape, &rng);
        if (voxels > 300) continue;
        assert_int_equal(components_label(ids, &count, mask, shape, &e), 0);
        assert_int_equal(count, components_by_spreading(wanted, mask, shape));
        assert_memory_equal(ids, wanted, (size_t)voxels * sizeof *ids);
    }
}

static void growth_gives_boundaries_to_the_nearest(void **state)
{
    (void)state;
    /* Two cells that share a boundary, and a boundary that no cell reaches. */
    static const int16_t labels[] = {2, 2, 2, 2, 2, 2, 2, 0, 2, 2, 1, 2, 2, 2, 1, 2, 0, 2, 2, 2, 2, 2, 2, 2, 2, 0, 2};
    static const int32_t wanted[] = {1, 1, 1, 1, 2, 2, 2, 0, 0, 1, 1, 1, 1, 2, 2, 2, 0, 0, 1, 1, 1, 1, 2, 2, 2, 0, 0};
    const int64_t shape[3] = {1, 3, 9};
    int32_t map[27], count;
    Err e = {0};
    assert_int_equal(instances_from_labels(map, &count, labels, shape, true, &e), 0);
    assert_int_equal(count, 2);
    assert_memory_equal(map, wanted, sizeof map);
    assert_int_equal(instances_from_labels(map, &count, labels, shape, false, &e), 0);
    assert_int_equal(map[0], 0);
    assert_int_equal(map[10], 1);
    assert_int_equal(map[14], 2);
}

static void matching_uses_each_instance_once(void **state)
{
    (void)state;
    /* A reference of four pixels in two exact halves: one match at 0.5. A whole one; a missed one. */
    const int32_t reference[] = {1, 1, 1, 1, 0, 2, 2, 0, 3, 3};
    const int32_t prediction[] = {1, 1, 2, 2, 0, 3, 3, 0, 0, 0};
    const double thresholds[] = {0.5, 0.51, 1.0};
    InstanceScore s[3];
    Err e = {0};
    assert_int_equal(instances_match(s, thresholds, 3, reference, 3, prediction, 3, 10, &e), 0);
    assert_true(s[0].tp == 2 && s[0].fp == 1 && s[0].fn == 1);
    assert_true(s[1].tp == 1 && s[2].tp == 1 && s[2].fp == 2 && s[2].fn == 2);
    assert_true(instance_f1(&s[0]) == 4.0 / 6 && instance_ap(&s[0]) == 0.5);
    const InstanceScore none = {0}, missed = {.fn = 2};
    assert_true(isnan(instance_f1(&none)) && instance_f1(&missed) == 0 && instance_precision(&missed) == 0);
}

static void quantiles_are_numpys(void **state)
{
    (void)state;
    double values[] = {3, NAN, 1, 10, 2};
    assert_int_equal(sort_values(values, 5), 4);
    assert_true(values[0] == 1 && values[3] == 10 && isnan(values[4]));
    assert_true(quantile(values, 4, 0) == 1 && quantile(values, 4, 1) == 10);
    assert_true(fabs(quantile(values, 4, 0.25) - 1.75) < 1e-15);
    assert_true(fabs(quantile(values, 4, 0.95) - 8.95) < 1e-14);
    assert_true(isnan(quantile(values, 0, 0.5)));
}

/* The fraction of all sign combinations whose smaller rank sum is at most the observed one. */
static double wilcoxon_by_all_signs(const double *d, int n)
{
    double rank[16], positive = 0, all = n * (n + 1) / 2.0;
    for (int i = 0; i < n; i++) {
        rank[i] = 0.5;
        for (int j = 0; j < n; j++) rank[i] += fabs(d[j]) < fabs(d[i]) ? 1 : fabs(d[j]) == fabs(d[i]) ? 0.5 : 0;
        if (d[i] > 0) positive += rank[i];
    }
    const double observed = fmin(positive, all - positive);
    int even = 0;
    for (int signs = 0; signs < 1 << n; signs++) {
        double sum = 0;
        for (int i = 0; i < n; i++) sum += signs >> i & 1 ? rank[i] : 0;
        even += sum <= observed;
    }
    return fmin(1, 2.0 * even / (1 << n));
}

static void wilcoxon_equals_all_choices_of_signs(void **state)
{
    (void)state;
    Rng rng = rng_make(4, 0, 0, 0, RNG_TEST);
    for (int round = 0; round < 50; round++) {
        double a[14], b[14], d[14], p;
        int n = 0, pairs;
        Err e = {0};
        for (int i = 0; i < 12; i++) {
            a[i] = rng_below(&rng, 6); /* small whole numbers: many ties, some equal pairs */
            b[i] = rng_below(&rng, 5);
            if (a[i] != b[i]) d[n++] = a[i] - b[i];
        }
        a[12] = NAN;
        b[12] = 1;
        assert_int_equal(wilcoxon_signed_rank(&p, &pairs, a, b, 13, &e), 0);
        assert_int_equal(pairs, n);
        assert_true(fabs(p - wilcoxon_by_all_signs(d, n)) < 1e-12);
    }
    /* Far above 50 pairs the approximation: 60 of 100 equal differences positive. */
    double a[100], zero[100] = {0}, p;
    int pairs;
    Err e = {0};
    for (int i = 0; i < 100; i++) a[i] = i < 60 ? 1 : -1;
    assert_int_equal(wilcoxon_signed_rank(&p, &pairs, a, zero, 100, &e), 0);
    assert_true(fabs(p - erfc(2 / sqrt(2))) < 1e-12); /* two standard deviations of a binomial */
    assert_int_equal(wilcoxon_signed_rank(&p, &pairs, a, a, 100, &e), 0);
    assert_true(isnan(p) && pairs == 0);
}

static void intervals_cover_the_mean(void **state)
{
    (void)state;
    enum { TRIALS = 200, CASES = 40 };
    int covered = 0;
    Rng rng = rng_make(5, 0, 0, 0, RNG_TEST);
    for (int t = 0; t < TRIALS; t++) {
        double values[2 * CASES];
        for (int i = 0; i < CASES; i++) {
            values[i] = 5 + rng_normal(&rng);
            values[CASES + i] = i % 2 ? NAN : 5;
        }
        Interval columns[2], joint;
        Err e = {0};
        assert_int_equal(bootstrap_means(columns, &joint, values, 2, CASES, (uint64_t)t, &e), 0);
        covered += columns[0].low <= 5 && 5 <= columns[0].high;
        assert_true(columns[1].low == 5 && columns[1].high == 5);
        assert_true(fabs(joint.low - (columns[0].low + 5) / 2) < 1e-12);
    }
    /* About 93 of 100 at this size; 3.5 standard deviations below. */
    assert_in_range(covered, TRIALS * 86 / 100, TRIALS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(distances_equal_the_nearest_site),
        cmocka_unit_test(components_equal_spreading),
        cmocka_unit_test(growth_gives_boundaries_to_the_nearest),
        cmocka_unit_test(matching_uses_each_instance_once),
        cmocka_unit_test(quantiles_are_numpys),
        cmocka_unit_test(wilcoxon_equals_all_choices_of_signs),
        cmocka_unit_test(intervals_cover_the_mean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
