/* evaluation/joint_histogram, overlap, plans/meaning: many labels and regions, and their meaning. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

#include "base/random.h"
#include "evaluation/joint_histogram.h"
#include "evaluation/overlap.h"
#include "plans/meaning.h"
#include "tests/support/says.h"

enum { LABELS = 700, REGIONS = 5, NZ = 6, NY = 20, NX = 41, N = NZ * NY * NX };

static bool has(const Structure *s, int16_t label)
{
    for (int i = 0; i < s->label_count; i++)
        if (s->labels[i] == label) return true;
    return false;
}

static Overlap by_definition(const Structure *s, int16_t ignore, const int16_t *reference, const int16_t *prediction)
{
    Overlap o = {0};
    for (int i = 0; i < N; i++) {
        if (reference[i] == ignore) continue;
        const bool r = has(s, reference[i]), p = has(s, prediction[i]);
        o.tp += r && p;
        o.fp += !r && p;
        o.fn += r && !p;
        o.tn += !r && !p;
    }
    return o;
}

/* More labels than the square table supports, regions that overlap or contain a label twice, and unknown labels. */
static void counts_of_many_labels_equal_their_definition(void **state)
{
    (void)state;
    static int16_t reference[N], prediction[N], labels[LABELS];
    static Overlap overlaps[LABELS + REGIONS];
    static Box boxes[LABELS + REGIONS];
    const int64_t shape[] = {NZ, NY, NX};
    Rng rng = rng_make(5, 0, 0, 0, RNG_TEST);
    for (int i = 0; i < N; i++) {
        reference[i] = i && rng_below(&rng, 3) ? reference[i - 1] : (int16_t)rng_below(&rng, LABELS + 20);
        prediction[i] = rng_below(&rng, 2) ? reference[i] : (int16_t)rng_below(&rng, LABELS + 20);
    }
    Structures s = {.has_ignore = true, .ignore = LABELS + 3};
    UnknownLabels unknown;
    Err e = {0};
    for (int i = 0; i < LABELS; i++) {
        labels[i] = (int16_t)(i + 1);
        assert_int_equal(structures_add(&s, NULL, &labels[i], 1, false, &e), 0);
    }
    for (int k = 0; k < REGIONS; k++) assert_int_equal(structures_add(&s, NULL, labels + 50 * k, 300, true, &e), 0);
    s.items[LABELS].labels[1] = s.items[LABELS].labels[0];
    assert_int_equal(overlap_count(overlaps, boxes, &unknown, &s, reference, prediction, shape, &e), 0);
    int64_t others = 0;
    for (int i = 0; i < N; i++) others += reference[i] > LABELS && reference[i] != s.ignore;
    assert_int_equal(unknown.in_reference, others);
    for (int k = 0; k < s.count; k++) {
        const Overlap want = by_definition(&s.items[k], s.ignore, reference, prediction);
        assert_memory_equal(&overlaps[k], &want, sizeof want);
        for (int i = 0; i < N; i++) {
            if (!has(&s.items[k], reference[i]) && !has(&s.items[k], prediction[i])) continue;
            const int64_t at[] = {i / (NY * NX), i / NX % NY, i % NX};
            for (int d = 0; d < 3; d++) assert_true(at[d] >= boxes[k].first[d] && at[d] < boxes[k].past[d]);
        }
    }
    structures_free(&s);
}

static void only_pairs_that_occur_take_memory(void **state)
{
    (void)state;
    enum { MANY = INT16_MAX };
    static int16_t line[MANY];
    const int64_t shape[] = {1, 1, MANY};
    JointHistogram h;
    HistogramCell cell;
    Err e = {0};
    assert_int_equal(histogram_new(&h, &e), 0);
    for (int i = 0; i < MANY; i++) histogram_name(&h, line[i] = (int16_t)(i + 1));
    assert_int_equal(histogram_fill(&h, line, line, shape, &e), 0);
    assert_null(h.dense);
    assert_true(h.capacity <= 4 * MANY);
    int64_t at = 0, pairs = 0;
    for (; histogram_next(&h, &at, &cell); pairs++) assert_true(cell.count == 1 && cell.reference == cell.prediction);
    assert_int_equal(pairs, MANY);
    histogram_free(&h);
}

/* ---- meaning ---- */

static const int none[] = {0}, one[] = {1}, two[] = {2}, both[] = {1, 2};
static const int order[] = {1, 2}, reverse[] = {2, 1};

static DatasetInfo info_of(const DatasetLabel *labels, int count, const int *class_order)
{
    return (DatasetInfo){.label_count = count,
                         .labels = labels,
                         .max_value = 2,
                         .ignore_value = -1,
                         .has_regions = class_order != NULL,
                         .regions_class_order = class_order,
                         .regions_class_count = class_order ? 2 : 0};
}

static void expect_meaning(const DatasetInfo *a, const DatasetInfo *b, const char *says)
{
    Err e = {0};
    const int code = meaning_expect_same(a, "a.json", b, "b.json", &e);
    assert_int_equal(code, says ? ERR_VALUE : 0);
    if (says) assert_says(&e, says);
}

static void the_first_difference_is_named(void **state)
{
    (void)state;
    const DatasetLabel plain[] = {{"background", none, 1, false}, {"a", one, 1, false}, {"b", two, 1, false}};
    const DatasetLabel turned[] = {{"b", two, 1, false}, {"background", none, 1, false}, {"a", one, 1, false}};
    const DatasetLabel other[] = {{"background", none, 1, false}, {"a", one, 1, false}, {"c", two, 1, false}};
    const DatasetLabel regions[] = {{"background", none, 1, false}, {"a", both, 2, true}, {"b", two, 1, true}};
    const DatasetLabel swapped[] = {{"background", none, 1, false}, {"b", two, 1, true}, {"a", both, 2, true}};
    const DatasetInfo first = info_of(plain, 3, NULL), second = info_of(turned, 3, NULL);
    const DatasetInfo third = info_of(other, 3, NULL), fewer = info_of(plain, 2, NULL);
    const DatasetInfo region = info_of(regions, 3, order), region2 = info_of(swapped, 3, order);
    const DatasetInfo region3 = info_of(regions, 3, reverse);
    expect_meaning(&first, &first, NULL);
    expect_meaning(&first, &second, NULL); /* the order of labels without regions does not matter */
    expect_meaning(&first, &third, "label 'b' is 2 in a.json, and is not in b.json");
    expect_meaning(&fewer, &first, "label 'b' is 2 in b.json, and is not in a.json");
    expect_meaning(&first, &region, "label 'a' is 1 in a.json, [1, 2] in b.json");
    expect_meaning(&region, &region, NULL);
    expect_meaning(&region, &region2, "label 'a' is [1, 2] in a.json, there number 1 of the regions, but number 2");
    expect_meaning(&region, &region3, "regions_class_order");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_of_many_labels_equal_their_definition),
        cmocka_unit_test(only_pairs_that_occur_take_memory),
        cmocka_unit_test(the_first_difference_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
