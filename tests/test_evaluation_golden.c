/* evaluation/ against the references under ../shared/golden/nnunet/metrics: nnU-Net's compute_metrics,
 * DeepMind's surface-distance, U-Mamba's cell script. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/file.h"
#include "base/memory.h"
#include "data/npy.h"
#include "evaluation/instances.h"
#include "evaluation/overlap.h"
#include "evaluation/paper.h"
#include "evaluation/summary.h"
#include "evaluation/surface.h"
#include "plans/yaml.h"

#define METRICS "../shared/golden/nnunet/metrics/"

/* ---- reading ---- */

static const DocNode *open_golden(Doc *doc, const char *path)
{
    Err e = {0};
    if (!file_exists(path)) skip();
    if (doc_read(doc, path, &e)) fail_msg("%s", e.text);
    return doc->root;
}

/* Any integer array as int16. */
static Array read_int16(const char *format, ...)
{
    char path[256];
    va_list args;
    va_start(args, format);
    vsnprintf(path, sizeof path, format, args);
    va_end(args);
    Err e = {0};
    Array stored, a;
    if (npy_read(&stored, path, &e)) fail_msg("%s", e.text);
    assert_int_equal(array_new(&a, DTYPE_I16, stored.rank, stored.shape, &e), 0);
    for (int64_t i = 0; i < array_count(&a); i++) {
        int16_t *out = (int16_t *)a.data + i;
        switch (stored.dtype) {
        case DTYPE_BOOL:
        case DTYPE_U8: *out = ((uint8_t *)stored.data)[i]; break;
        case DTYPE_I8: *out = ((int8_t *)stored.data)[i]; break;
        case DTYPE_I16: *out = ((int16_t *)stored.data)[i]; break;
        case DTYPE_I32: *out = (int16_t)((int32_t *)stored.data)[i]; break;
        case DTYPE_I64: *out = (int16_t)((int64_t *)stored.data)[i]; break;
        default: fail_msg("%s: %s", path, dtype_name(stored.dtype));
        }
    }
    array_free(&stored);
    return a;
}

static double number(const DocNode *node)
{
    double value;
    assert_true(node && doc_text_to_double(node->text, &value));
    return value;
}

static void assert_close(double found, const DocNode *node, double tolerance, const char *what)
{
    const double wanted = number(node);
    const bool same = (isnan(found) && isnan(wanted)) || found == wanted || fabs(found - wanted) <= tolerance;
    if (!same) fail_msg("%s: %.17g, expected %.17g", what, found, wanted);
}

static const DocNode *item(const DocNode *sequence, int index)
{
    const DocNode *node = sequence->first;
    while (node && index-- > 0) node = node->next;
    assert_non_null(node);
    return node;
}

/* ---- nnU-Net's evaluation ---- */

static void add_structures(Structures *s, const DocNode *set)
{
    Err e = {0};
    for (const DocNode *one = doc_find(set, "labels_or_regions")->first; one; one = one->next) {
        int16_t labels[8];
        int count = 0;
        if (one->kind == DOC_SCALAR) labels[count++] = (int16_t)number(one);
        for (const DocNode *label = one->first; label; label = label->next)
            labels[count++] = (int16_t)number(label);
        assert_int_equal(structures_add(s, NULL, labels, count, one->kind == DOC_SEQUENCE, &e), 0);
    }
    const DocNode *ignore = doc_find(set, "ignore_label");
    s->has_ignore = !doc_is_null(ignore);
    if (s->has_ignore) s->ignore = (int16_t)number(ignore);
}

static void assert_row(const double *row, const DocNode *wanted)
{
    assert_non_null(wanted);
    for (const DocNode *entry = wanted->first; entry; entry = entry->next) {
        int m = 0;
        while (m < METRIC_COUNT && strcmp(metric_info[m].key, entry->key)) m++;
        assert_in_range(m, 0, METRIC_COUNT - 1);
        assert_close(row[m], entry, 0, entry->key);
    }
}

static void assert_means(const Mean *means, const DocNode *wanted)
{
    MetricRow row;
    for (int m = 0; m < METRIC_COUNT; m++) row[m] = means[m].value;
    assert_row(row, wanted);
}

static void metrics_equal_nnunets(void **state)
{
    (void)state;
    Doc doc;
    Err e = {0};
    const DocNode *set = open_golden(&doc, METRICS "evaluate/evaluate.json")->first;
    for (; set; set = set->next) {
        Structures structures = {0};
        add_structures(&structures, set);
        Summary s;
        const DocNode *cases = doc_find(set, "per_case");
        Pair items[8] = {{0}};
        const Pairs pairs = {.items = items, .count = cases->count};
        assert_int_equal(summary_new(&s, &structures, &pairs, &e), 0);
        for (int c = 0; c < cases->count; c++) {
            Overlap o[8];
            Array ref = read_int16(METRICS "evaluate/ref_%d.npy", c);
            Array pred = read_int16(METRICS "evaluate/pred_%d.npy", c);
            const int code = overlap_count(o, NULL, NULL, &structures, ref.data, pred.data, ref.shape, &e);
            assert_int_equal(code, 0);
            array_free(&ref);
            array_free(&pred);
            for (int i = 0; i < structures.count; i++) {
                overlap_metrics(s.cases[c].metrics[i], &o[i]);
                assert_row(s.cases[c].metrics[i], doc_find(item(cases, c), structures.items[i].key));
            }
            s.cases[c].done = true;
        }
        assert_int_equal(summary_means(&s, 1, &e), 0);
        for (int i = 0; i < structures.count; i++)
            assert_means(s.mean[i], doc_find(doc_find(set, "mean"), structures.items[i].key));
        assert_means(s.foreground_mean, doc_find(set, "foreground_mean"));
        summary_free(&s);
        structures_free(&structures);
    }
    doc_free(&doc);
}

/* ---- surface distances ---- */

static void areas_equal_the_packages(void **state)
{
    (void)state;
    Doc doc;
    const DocNode *root = open_golden(&doc, METRICS "surface/surface.json");
    for (int flat = 0; flat < 2; flat++) {
        const DocNode *tables = doc_find(root, flat ? "length2d_by_code" : "area3d_by_code");
        for (const DocNode *table = tables->first; table; table = table->next) {
            double spacing[3] = {1, 1, 1}, area[256];
            double *at = spacing + flat;
            if (flat) assert_int_equal(sscanf(table->key, "(%lf, %lf)", &at[0], &at[1]), 2);
            else assert_int_equal(sscanf(table->key, "(%lf, %lf, %lf)", &at[0], &at[1], &at[2]), 3);
            surface_area_table(area, spacing, flat);
            assert_int_equal(table->count, flat ? 16 : 256);
            int code = 0;
            for (const DocNode *wanted = table->first; wanted; wanted = wanted->next)
                assert_close(area[code++], wanted, 1e-12, table->key);
        }
    }
    doc_free(&doc);
}

/* A mask as (Z,Y,X) bytes. */
static uint8_t *read_mask(int64_t shape_zyx[3], bool *flat, const char *name, const char *which)
{
    Err e = {0};
    Array a = read_int16(METRICS "surface/%s_%s.npy", name, which);
    *flat = a.rank == 2;
    shape_zyx[0] = *flat ? 1 : a.shape[0];
    shape_zyx[1] = a.shape[a.rank - 2];
    shape_zyx[2] = a.shape[a.rank - 1];
    uint8_t *mask = mem_alloc((size_t)array_count(&a), &e);
    for (int64_t i = 0; i < array_count(&a); i++) mask[i] = ((int16_t *)a.data)[i] != 0;
    array_free(&a);
    return mask;
}

static void check_surface_pair(const DocNode *golden)
{
    const char *name = doc_find(golden, "name")->text;
    int64_t shape[3];
    bool flat;
    uint8_t *ref = read_mask(shape, &flat, name, "gt"), *pred = read_mask(shape, &flat, name, "pred");
    double spacing[3] = {1, 1, 1};
    for (int i = flat; i < 3; i++) spacing[i] = number(item(doc_find(golden, "spacing"), i - flat));
    SurfacePair pair;
    Err e = {0};
    assert_int_equal(surface_measure(&pair, ref, pred, shape, spacing, flat, &e), 0);
    const Surface *both[] = {&pair.reference, &pair.prediction};
    for (int i = 0; i < 2; i++) {
        assert_close((double)both[i]->count, item(doc_find(golden, "n_surfels"), i), 0, name);
        assert_close(both[i]->area_sum, item(doc_find(golden, "area"), i), 1e-9, name);
        assert_close(surface_mean_distance(both[i]), item(doc_find(golden, "asd"), i), 1e-9, name);
    }
    for (const DocNode *nsd = doc_find(golden, "nsd")->first; nsd; nsd = nsd->next)
        assert_close(surface_dice(&pair, atof(nsd->key)), nsd, 1e-9, name);
    for (const DocNode *hd = doc_find(golden, "hd")->first; hd; hd = hd->next)
        assert_close(surface_hausdorff(&pair, atof(hd->key)), hd, 1e-9, name);
    surface_free(&pair);
    mem_free(ref);
    mem_free(pred);
}

static void distances_equal_the_packages(void **state)
{
    (void)state;
    Doc doc;
    const DocNode *pairs = doc_find(open_golden(&doc, METRICS "surface/surface.json"), "pairs");
    assert_int_equal(pairs->count, 15);
    for (const DocNode *pair = pairs->first; pair; pair = pair->next) check_surface_pair(pair);
    doc_free(&doc);
}

/* ---- cells ---- */

typedef struct CellMap {
    int32_t *map, count;
    int64_t shape_zyx[3], pixels;
} CellMap;

static CellMap read_cells(int index, bool prediction, bool count_border)
{
    Err e = {0};
    Array a = read_int16(METRICS "umamba/cell_%s_%d.npy", prediction ? "seg" : "gt", index);
    CellMap c = {.shape_zyx = {1, a.shape[0], a.shape[1]}, .pixels = array_count(&a)};
    c.map = mem_alloc((size_t)c.pixels * sizeof *c.map, &e);
    if (prediction) {
        assert_int_equal(instances_from_labels(c.map, &c.count, a.data, c.shape_zyx, false, &e), 0);
    } else {
        for (int64_t i = 0; i < c.pixels; i++) c.map[i] = ((int16_t *)a.data)[i];
        assert_int_equal(instances_renumber(c.map, &c.count, c.pixels, &e), 0);
    }
    if (!count_border)
        assert_int_equal(instances_drop_at_frame(c.map, &c.count, c.shape_zyx, INSTANCE_FRAME, &e), 0);
    array_free(&a);
    return c;
}

static void check_cells(const DocNode *sets, bool count_border)
{
    static const double thresholds[] = {0.5, 0.7};
    static const char *const keys[] = {"0.5", "0.7"};
    for (int c = 0; c < 4; c++) {
        CellMap ref = read_cells(c, false, count_border), pred = read_cells(c, true, count_border);
        InstanceScore score[2];
        Err e = {0};
        assert_int_equal(instances_match(score, thresholds, 2, ref.map, ref.count, pred.map, pred.count,
                                         ref.pixels, &e), 0);
        for (int t = 0; t < 2; t++) {
            /* names, true, predicted, TP, FN, FP, precision, recall, dice, F1; with nothing predicted the
             * script leaves all counts 0. */
            const DocNode *row = item(doc_find(doc_find(sets, keys[t]), "rows"), c);
            assert_close(ref.count, item(row, 1), 0, "true_num");
            assert_close(pred.count, item(row, 2), 0, "pred_num");
            assert_close((double)score[t].tp, item(row, 3), 0, "TP");
            assert_close(pred.count ? (double)score[t].fn : 0, item(row, 4), 0, "FN");
            assert_close((double)score[t].fp, item(row, 5), 0, "FP");
            assert_close(instance_precision(&score[t]), item(row, 6), 5e-5, "precision");
            assert_close(instance_recall(&score[t]), item(row, 7), 5e-5, "recall");
            assert_close(instance_f1(&score[t]), item(row, 9), 5e-5, "F1");
        }
        mem_free(ref.map);
        mem_free(pred.map);
    }
}

static void cells_equal_umambas(void **state)
{
    (void)state;
    Doc doc;
    const DocNode *root = open_golden(&doc, METRICS "umamba/umamba_eval.json");
    check_cells(doc_find(root, "cell"), false);
    check_cells(doc_find(root, "cell_count_bd"), true);
    doc_free(&doc);
}

/* ---- the paper's organs and endoscopy ---- */

static LabelPair read_label_pair(Array *ref, Array *pred, Paper paper, int index)
{
    const char *name = paper == PAPER_ABDOMEN_MRI ? "abdomen" : "endoscopy";
    *ref = read_int16(METRICS "umamba/%s_gt_%d.npy", name, index);
    *pred = read_int16(METRICS "umamba/%s_seg_%d.npy", name, index);
    LabelPair pair = {.reference = ref->data, .prediction = pred->data};
    for (int d = 0; d < 2; d++) pair.shape_zyx[d + 1] = ref->shape[d];
    pair.shape_zyx[0] = 1;
    return pair;
}

/* nibabel's arrays are (x,y,z): to ours. */
static void reverse_axes(Array *a)
{
    Err e = {0};
    Array reversed;
    const int64_t shape[3] = {a->shape[2], a->shape[1], a->shape[0]};
    assert_int_equal(array_new(&reversed, DTYPE_I16, 3, shape, &e), 0);
    for (int64_t i = 0; i < array_count(a); i++) {
        const int64_t z = i / (shape[1] * shape[2]), y = i / shape[2] % shape[1], x = i % shape[2];
        ((int16_t *)reversed.data)[i] = ((int16_t *)a->data)[(x * shape[1] + y) * shape[0] + z];
    }
    array_free(a);
    *a = reversed;
}

static void check_paper(const DocNode *root, Paper paper)
{
    const bool abdomen = paper == PAPER_ABDOMEN_MRI;
    const DocNode *dsc = doc_find(doc_find(root, abdomen ? "abdomen_DSC" : "endoscopy_DSC"), "rows");
    const DocNode *nsd = doc_find(doc_find(root, abdomen ? "abdomen_NSD" : "endoscopy_NSD"), "rows");
    for (int c = 0; c < dsc->count; c++) {
        Array ref, pred;
        LabelPair pair = read_label_pair(&ref, &pred, paper, c);
        if (abdomen) {
            reverse_axes(&ref);
            reverse_axes(&pred);
            pair.reference = ref.data;
            pair.prediction = pred.data;
            for (int d = 0; d < 3; d++) {
                pair.shape_zyx[d] = ref.shape[d];
                pair.spacing_zyx_mm[d] = number(item(item(doc_find(root, "spacings_abdomen"), c), 2 - d));
            }
        }
        PaperScores scores;
        Err e = {0};
        assert_int_equal(paper_score(&scores, paper, &pair, &e), 0);
        for (int k = 0; k < paper_columns(paper); k++) {
            assert_close(scores.dsc[k], item(item(dsc, c), k + 1), 1e-12, paper_column(paper, k));
            assert_close(scores.nsd[k], item(item(nsd, c), k + 1), 1e-12, paper_column(paper, k));
        }
        array_free(&ref);
        array_free(&pred);
    }
}

static void scores_equal_the_papers(void **state)
{
    (void)state;
    Doc doc;
    const DocNode *root = open_golden(&doc, METRICS "umamba/umamba_eval.json");
    check_paper(root, PAPER_ABDOMEN_MRI);
    check_paper(root, PAPER_ENDOSCOPY);
    doc_free(&doc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(metrics_equal_nnunets),
        cmocka_unit_test(areas_equal_the_packages),
        cmocka_unit_test(distances_equal_the_packages),
        cmocka_unit_test(cells_equal_umambas),
        cmocka_unit_test(scores_equal_the_papers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
