/* metrics: nnU-Net's compute_metrics, DeepMind's surface-distance, U-Mamba's evaluation scripts. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "evaluation/instances.h"
#include "evaluation/paper.h"
#include "evaluation/surface.h"
#include "tests/support/golden_nnunet.h"
#include "tests/support/golden_scores.h"

static const double surface_bound = 1e-9, printed_bound = 5.0001e-5; /* four digits */

static const DocNode *child(const DocNode *node, int index)
{
    const DocNode *n = node ? node->first : NULL;
    while (n && index-- > 0) n = n->next;
    return n;
}

static double number(const DocNode *node)
{
    double value = NAN;
    if (node) doc_text_to_double(node->text, &value);
    return value;
}

/* Equal where both are infinite or NaN. */
static void expect(Golden *g, const char *what, double found, const DocNode *node, double bound)
{
    const double wanted = number(node);
    if (!node) golden_fail(g, "%s: missing in the reference", what);
    golden_expect(g, what, found == wanted || (isnan(found) && isnan(wanted)) ? 0 : fabs(found - wanted), bound);
}

/* ---- evaluate ---- */

static int load_pair(void *context, int index, Array *reference, Array *prediction, Err *e)
{
    *prediction = (Array){0};
    TRY(golden_labels(reference, context, e, "metrics/evaluate/ref_%d.npy", index));
    const int code = golden_labels(prediction, context, e, "metrics/evaluate/pred_%d.npy", index);
    if (code) array_free(reference);
    return code;
}

static void run_set(Golden *g, const DocNode *set)
{
    Structures s;
    Err e = {0};
    const DocNode *per_case = doc_find(set, "per_case"), *ignore = doc_find(set, "ignore_label");
    const LabelledCases cases = {per_case ? per_case->count : 0, load_pair, g};
    if (golden_structures(&s, doc_find(set, "labels_or_regions"), &e)) {
        golden_fail(g, "%s", e.text);
    } else {
        s.has_ignore = ignore && !doc_is_null(ignore);
        if (s.has_ignore) s.ignore = (int16_t)number(ignore);
        golden_expect_scores(g, &s, &cases, set);
    }
    structures_free(&s);
}

/* ---- surface ---- */

static void run_area_table(Golden *g, const DocNode *table, bool flat)
{
    double spacing_mm[3] = {1, 1, 1}, area[256], *at = spacing_mm + flat;
    const int axes = flat ? sscanf(table->key, "(%lf, %lf)", &at[0], &at[1])
                          : sscanf(table->key, "(%lf, %lf, %lf)", &at[0], &at[1], &at[2]);
    surface_area_table(area, spacing_mm, flat);
    if (axes != 3 - flat) golden_fail(g, "%s is no spacing", table->key);
    else golden_expect_numbers(g, "areas", table, area, flat ? 16 : 256, 1e-12);
}

static void run_lengths(Golden *g, const DocNode *table) { run_area_table(g, table, true); }
static void run_areas(Golden *g, const DocNode *table) { run_area_table(g, table, false); }

/* A patch's area is the sum of its triangles' normals (eighths of a voxel's faces), whatever the spacing. */
static void run_normals(Golden *g, const DocNode *list)
{
    static const double s[3] = {1.7, 0.6, 2.9};
    double area[256];
    int code = 0;
    surface_area_table(area, s, false);
    for (const DocNode *patch = list->first; patch && code < 256; patch = patch->next, code++) {
        double sum = 0;
        for (const DocNode *n = patch->first; n; n = n->next)
            sum += sqrt(pow(number(child(n, 0)) * s[1] * s[2], 2) + pow(number(child(n, 1)) * s[0] * s[2], 2) +
                        pow(number(child(n, 2)) * s[0] * s[1], 2)) /
                   8;
        golden_expect(g, "area by normals", fabs(area[code] - sum), 1e-12 * fmax(1, sum));
    }
    golden_expect(g, "codes", 256 - code, 0);
}

/* A mask as (Z,Y,X) bytes, the caller's; NULL with e filled. */
static uint8_t *read_mask(int64_t shape_zyx[3], bool *flat, const Golden *g, const char *name, const char *which,
                          Err *e)
{
    Array a;
    if (golden_labels(&a, g, e, "metrics/surface/%s_%s.npy", name, which)) return NULL;
    *flat = a.rank == 2;
    shape_zyx[0] = *flat ? 1 : a.shape[0];
    shape_zyx[1] = a.shape[a.rank - 2];
    shape_zyx[2] = a.shape[a.rank - 1];
    uint8_t *mask = mem_alloc((size_t)array_count(&a), e);
    for (int64_t i = 0; mask && i < array_count(&a); i++) mask[i] = ((int16_t *)a.data)[i] != 0;
    array_free(&a);
    return mask;
}

static void compare_surfaces(Golden *g, const SurfacePair *pair, const DocNode *item)
{
    const Surface *both[] = {&pair->reference, &pair->prediction};
    const DocNode *nsd = doc_find(item, "nsd"), *hd = doc_find(item, "hd");
    for (int i = 0; i < 2; i++) {
        expect(g, "n_surfels", (double)both[i]->count, child(doc_find(item, "n_surfels"), i), 0);
        expect(g, "area", both[i]->area_sum, child(doc_find(item, "area"), i), surface_bound);
        expect(g, "asd", surface_mean_distance(both[i]), child(doc_find(item, "asd"), i), surface_bound);
    }
    for (const DocNode *n = nsd ? nsd->first : NULL; n; n = n->next)
        expect(g, "nsd", surface_dice(pair, atof(n->key)), n, surface_bound);
    for (const DocNode *n = hd ? hd->first : NULL; n; n = n->next)
        expect(g, "hd", surface_hausdorff(pair, atof(n->key)), n, surface_bound);
}

static void run_surface_pair(Golden *g, const DocNode *item)
{
    int64_t shape[3];
    double spacing_mm[3] = {1, 1, 1};
    bool flat;
    SurfacePair pair;
    Err e = {0};
    const char *name = golden_string(item, "name");
    uint8_t *reference = read_mask(shape, &flat, g, name, "gt", &e);
    uint8_t *prediction = reference ? read_mask(shape, &flat, g, name, "pred", &e) : NULL;
    for (int i = flat; prediction && i < 3; i++) spacing_mm[i] = number(child(doc_find(item, "spacing"), i - flat));
    if (!prediction || surface_measure(&pair, reference, prediction, shape, spacing_mm, flat, &e)) {
        golden_fail(g, "%s", e.text);
    } else {
        compare_surfaces(g, &pair, item);
        surface_free(&pair);
    }
    mem_free(reference);
    mem_free(prediction);
}

/* ---- umamba: cells ---- */

typedef struct CellMap {
    int32_t *map, count;
    int64_t shape_zyx[3], pixels;
} CellMap;

static int read_cells(CellMap *c, const Golden *g, int index, bool prediction, bool count_border, Err *e)
{
    Array a;
    *c = (CellMap){0};
    TRY(golden_labels(&a, g, e, "metrics/umamba/cell_%s_%d.npy", prediction ? "seg" : "gt", index));
    *c = (CellMap){.shape_zyx = {1, a.shape[0], a.shape[1]}, .pixels = array_count(&a)};
    c->map = mem_alloc((size_t)c->pixels * sizeof *c->map, e);
    int code = c->map ? 0 : ERR_NOMEM;
    if (!code && prediction) {
        code = instances_from_labels(c->map, &c->count, a.data, c->shape_zyx, false, e);
    } else if (!code) {
        for (int64_t i = 0; i < c->pixels; i++) c->map[i] = ((int16_t *)a.data)[i];
        code = instances_renumber(c->map, &c->count, c->pixels, e);
    }
    if (!code && !count_border) code = instances_drop_at_frame(c->map, &c->count, c->shape_zyx, INSTANCE_FRAME, e);
    array_free(&a);
    return code;
}

/* row: name, true, predicted, TP, FN, FP, precision, recall, dice, F1; without predicted cells the script sets all
 * counts to 0. Dice belongs to another metric. */
static void compare_cells(Golden *g, const CellMap *reference, const CellMap *prediction, const InstanceScore *s,
                          const DocNode *row)
{
    const double counts[] = {reference->count, prediction->count, (double)s->tp, prediction->count ? (double)s->fn : 0,
                             (double)s->fp};
    static const char *const names[] = {"true_num", "pred_num", "TP", "FN", "FP"};
    for (int i = 0; i < 5; i++) expect(g, names[i], counts[i], child(row, i + 1), 0);
    expect(g, "precision", instance_precision(s), child(row, 6), printed_bound);
    expect(g, "recall", instance_recall(s), child(row, 7), printed_bound);
    expect(g, "F1", instance_f1(s), child(row, 9), printed_bound);
}

static void run_cells(Golden *g, const DocNode *sets, bool count_border)
{
    for (const DocNode *set = sets->first; set; set = set->next) {
        double threshold;
        const DocNode *rows = doc_find(set, "rows");
        if (!doc_text_to_double(set->key, &threshold)) continue; /* printed by the scripts */
        for (int c = 0; rows && c < rows->count; c++) {
            CellMap reference, prediction = {0};
            InstanceScore score;
            Err e = {0};
            if (read_cells(&reference, g, c, false, count_border, &e) ||
                read_cells(&prediction, g, c, true, count_border, &e) ||
                instances_match(&score, &threshold, 1, reference.map, reference.count, prediction.map, prediction.count,
                                reference.pixels, &e))
                golden_fail(g, "%s", e.text);
            else compare_cells(g, &reference, &prediction, &score, child(rows, c));
            mem_free(reference.map);
            mem_free(prediction.map);
        }
    }
}

/* ---- umamba: organs and endoscopy ---- */

/* nibabel's arrays are (x,y,z): to ours. */
static int reverse_axes(Array *a, Err *e)
{
    Array reversed;
    const int64_t shape[3] = {a->shape[2], a->shape[1], a->shape[0]};
    TRY(array_new(&reversed, DTYPE_I16, 3, shape, e));
    for (int64_t i = 0; i < array_count(a); i++) {
        const int64_t z = i / (shape[1] * shape[2]), y = i / shape[2] % shape[1], x = i % shape[2];
        ((int16_t *)reversed.data)[i] = ((int16_t *)a->data)[(x * shape[1] + y) * shape[0] + z];
    }
    array_free(a);
    *a = reversed;
    return 0;
}

static int read_scan(Array *a, const Golden *g, Paper paper, const char *which, int index, Err *e)
{
    const char *name = paper == PAPER_ABDOMEN_MRI ? "abdomen" : "endoscopy";
    TRY(golden_labels(a, g, e, "metrics/umamba/%s_%s_%d.npy", name, which, index));
    return paper == PAPER_ABDOMEN_MRI ? reverse_axes(a, e) : 0;
}

static int score_scan(PaperScores *scores, const Golden *g, Paper paper, int index, const DocNode *spacing, Err *e)
{
    Array reference = {0}, prediction = {0};
    LabelPair pair = {.shape_zyx = {1}};
    int code = read_scan(&reference, g, paper, "gt", index, e);
    if (!code) code = read_scan(&prediction, g, paper, "seg", index, e);
    if (!code) {
        const int first = 3 - reference.rank;
        for (int d = 0; d < reference.rank; d++) pair.shape_zyx[first + d] = reference.shape[d];
        for (int d = 0; d < 3; d++) pair.spacing_zyx_mm[d] = spacing ? number(child(spacing, 2 - d)) : 1;
        pair.reference = reference.data;
        pair.prediction = prediction.data;
        code = paper_score(scores, paper, &pair, e);
    }
    array_free(&reference);
    array_free(&prediction);
    return code;
}

static void run_paper(Golden *g, const DocNode *root, const DocNode *table, Paper paper, bool nsd)
{
    const DocNode *rows = doc_find(table, "rows"), *spacings = doc_find(root, "spacings_abdomen");
    for (int c = 0; rows && c < rows->count; c++) {
        PaperScores scores;
        Err e = {0};
        if (score_scan(&scores, g, paper, c, paper == PAPER_ABDOMEN_MRI ? child(spacings, c) : NULL, &e)) {
            golden_fail(g, "%s", e.text);
            return;
        }
        for (int k = 0; k < paper_columns(paper); k++)
            expect(g, paper_column(paper, k), nsd ? scores.nsd[k] : scores.dsc[k], child(child(rows, c), k + 1), 1e-12);
    }
}

static void run_umamba(Golden *g, const DocNode *root, const DocNode *item)
{
    const char *key = item->key;
    if (!strcmp(key, "cell") || !strcmp(key, "cell_count_bd")) run_cells(g, item, strcmp(key, "cell") != 0);
    else if (!strncmp(key, "abdomen_", 8)) run_paper(g, root, item, PAPER_ABDOMEN_MRI, !strcmp(key + 8, "NSD"));
    else if (!strncmp(key, "endoscopy_", 10)) run_paper(g, root, item, PAPER_ENDOSCOPY, !strcmp(key + 10, "NSD"));
    else golden_fail(g, "unknown kind of entry");
}

/* ---- the part ---- */

static const struct {
    const char *key;
    void (*run)(Golden *g, const DocNode *item);
} surface_kinds[] = {{"pairs", run_surface_pair}, {"area3d_by_code", run_areas}, {"length2d_by_code", run_lengths}};

static void run_surfaces(Golden *g, const char *path, const DocNode *kind)
{
    size_t k = 0;
    while (k < sizeof surface_kinds / sizeof *surface_kinds && strcmp(surface_kinds[k].key, kind->key)) k++;
    const bool known = k < sizeof surface_kinds / sizeof *surface_kinds;
    for (const DocNode *n = known ? kind->first : kind; n; n = known ? n->next : NULL) {
        const char *name = known ? (n->key ? n->key : golden_string(n, "name")) : "";
        if (!golden_begin(g, "%s/%s%s%s", path, kind->key, *name ? "/" : "", name)) continue;
        if (known) surface_kinds[k].run(g, n);
        else if (!strcmp(kind->key, "abs_normals_in_eighths_by_code")) run_normals(g, kind);
        else golden_fail(g, "unknown kind of entry");
        golden_end(g);
    }
}

static void run_evaluations(Golden *g, const char *folder, const char *path, const DocNode *root)
{
    for (const DocNode *item = root->first; item; item = item->next) {
        if (!strcmp(folder, "surface")) {
            run_surfaces(g, path, item);
            continue;
        }
        if (!strncmp(item->key, "spacings_", 9) || !golden_begin(g, "%s/%s", path, item->key)) continue; /* an input */
        if (!strcmp(folder, "evaluate")) run_set(g, item);
        else run_umamba(g, root, item);
        golden_end(g);
    }
}

static void run_folder(Golden *g, const char *folder)
{
    char part[160];
    FileList list;
    snprintf(part, sizeof part, "metrics/%s", folder);
    golden_files(g, part, &list);
    for (int i = 0; i < list.count; i++) {
        Doc doc;
        char path[320];
        if (!path_ends_with(list.names[i], ".json")) continue;
        snprintf(path, sizeof path, "%s/%s", part, list.names[i]);
        const DocNode *root = golden_document(g, &doc, part, list.names[i]);
        if (root && !strcmp(folder, "losses")) golden_losses(g, path, root);
        else if (root) run_evaluations(g, folder, path, root);
        doc_free(&doc);
    }
    file_list_free(&list);
}

void golden_metrics(Golden *g)
{
    static const char *const known[] = {"evaluate", "surface", "umamba", "losses"};
    FileList list;
    golden_files(g, "metrics", &list);
    for (int i = 0; i < list.count; i++) {
        int k = 0;
        while (k < 4 && strcmp(known[k], list.names[i])) k++;
        if (k < 4) run_folder(g, list.names[i]);
        else if (golden_begin(g, "metrics/%s", list.names[i])) golden_skip(g, "unknown part");
    }
    file_list_free(&list);
}
