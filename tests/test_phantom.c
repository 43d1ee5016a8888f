/* data/phantom.h: a network can segment it, a threshold cannot. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "data/phantom.h"

enum { BINS = 256, LEVELS = 2048 };

/* Counts of voxels of one channel by intensity, all and those with the label. */
static void histogram(int64_t *all, int64_t *with, const int16_t *voxels, const uint8_t *labels, int64_t count,
                      int label)
{
    for (int64_t i = 0; i < count; i++) {
        const int bin = voxels[i] >= LEVELS ? BINS - 1 : voxels[i] * BINS / LEVELS;
        all[bin]++;
        with[bin] += labels[i] == label;
    }
}

/* The best Dice of any window low <= intensity < high: single thresholds in both directions included. */
static double best_window(const int64_t *all, const int64_t *with)
{
    int64_t wanted = 0;
    double best = 0;
    for (int i = 0; i < BINS; i++) wanted += with[i];
    for (int low = 0; low < BINS; low++) {
        int64_t found = 0, right = 0;
        for (int high = low; high < BINS; high++) {
            found += all[high];
            right += with[high];
            const double dice = 2.0 * (double)right / (double)(found + wanted);
            best = dice > best ? dice : best;
        }
    }
    return best;
}

static void no_threshold_finds_an_organ(void **state)
{
    (void)state;
    const PhantomOptions options = {.shape_zyx = {16, 96, 96}, .channels = 2, .seed = 1};
    for (int index = 0; index < 6; index++) {
        Phantom p;
        assert_int_equal(phantom_make(&p, &options, index, NULL), 0);
        const int64_t count = array_count(&p.labels);
        for (int label = 1; label <= 2; label++) {
            for (int channel = 0; channel < 2; channel++) {
                int64_t all[BINS] = {0}, with[BINS] = {0};
                histogram(all, with, (int16_t *)p.voxels.data + channel * count, p.labels.data, count, label);
                assert_true(best_window(all, with) < 0.6);
            }
        }
        phantom_free(&p);
    }
}

static void organs_are_there_and_differ(void **state)
{
    (void)state;
    const PhantomOptions options = {.shape_zyx = {16, 96, 96}, .channels = 1, .seed = 7};
    double last = 0;
    for (int index = 0; index < 4; index++) {
        Phantom p;
        int64_t voxels[3] = {0};
        double sum[3] = {0};
        assert_int_equal(phantom_make(&p, &options, index, NULL), 0);
        for (int64_t i = 0; i < array_count(&p.labels); i++) {
            const int label = ((uint8_t *)p.labels.data)[i];
            assert_true(label <= 2);
            voxels[label]++;
            sum[label] += ((int16_t *)p.voxels.data)[i];
        }
        assert_true(voxels[1] > 1000 && voxels[2] > 700);
        assert_true(p.geometry.spacing_zyx_mm[0] > 2 * p.geometry.spacing_zyx_mm[1]);
        const double bright = sum[1] / (double)voxels[1], dark = sum[2] / (double)voxels[2];
        assert_true(bright > dark + 150 && bright != last);
        last = bright;
        phantom_free(&p);
    }
}

static void same_seed_same_phantom(void **state)
{
    (void)state;
    PhantomOptions options = {.shape_zyx = {3, 40, 17}, .channels = 1, .seed = 5};
    Phantom a, b, other;
    assert_int_equal(phantom_make(&a, &options, 2, NULL), 0);
    assert_int_equal(phantom_make(&b, &options, 2, NULL), 0);
    options.seed = 6;
    assert_int_equal(phantom_make(&other, &options, 2, NULL), 0);
    assert_memory_equal(a.voxels.data, b.voxels.data, array_bytes(&a.voxels));
    assert_memory_equal(a.labels.data, b.labels.data, array_bytes(&a.labels));
    assert_memory_equal(&a.geometry, &b.geometry, sizeof a.geometry);
    assert_memory_not_equal(a.voxels.data, other.voxels.data, array_bytes(&a.voxels));
    phantom_free(&a);
    phantom_free(&b);
    phantom_free(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_threshold_finds_an_organ),
        cmocka_unit_test(organs_are_there_and_differ),
        cmocka_unit_test(same_seed_same_phantom),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
