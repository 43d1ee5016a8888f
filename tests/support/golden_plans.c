/* plans: the fingerprint of the raw data, the plan computed from a fingerprint, and synthetic inputs. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "planner/experiment_planner.h"
#include "planner/fingerprint_extract.h"
#include "tests/support/golden_nnunet.h"

enum { MOST_NUMBERS = 256 };
static const double mean_tolerance = 2e-6;

/* ---- comparing plans ---- */

static int ints(double *v, const int *values, int count)
{
    for (int i = 0; i < count; i++) v[i] = values[i];
    return count;
}

static int pairs(double *v, int (*values)[2], int count) { return ints(v, &values[0][0], 2 * count); }

static int doubles(double *v, const double *values, int count)
{
    for (int i = 0; i < count; i++) v[i] = values[i];
    return count;
}

/* The numbers of a plan under nnU-Net's key; -1 for a key without numbers. */
static int plan_numbers(Plan *p, const char *key, double *v)
{
    PlanConfiguration *c = &p->configuration;
    Architecture *a = &c->architecture;
    const bool is_mask = !strcmp(key, "use_mask_for_norm");
    for (int i = 0; is_mask && i < c->mask_count; i++) v[i] = c->use_mask_for_norm[i];
    if (is_mask) return c->mask_count;
    if (!strcmp(key, "transpose_forward")) return ints(v, p->transpose_forward, 3);
    if (!strcmp(key, "transpose_backward")) return ints(v, p->transpose_backward, 3);
    if (!strcmp(key, "original_median_spacing_after_transp")) return doubles(v, p->original_median_spacing_mm, 3);
    if (!strcmp(key, "original_median_shape_after_transp")) return ints(v, p->original_median_shape, 3);
    if (!strcmp(key, "batch_size")) return ints(v, &c->batch_size, 1);
    if (!strcmp(key, "patch_size")) return ints(v, c->patch_size, 2);
    if (!strcmp(key, "median_image_size_in_voxels")) return doubles(v, c->median_image_size_in_voxels, 2);
    if (!strcmp(key, "spacing")) return doubles(v, c->spacing_mm, 2);
    if (!strcmp(key, "batch_dice")) return *v = c->batch_dice, 1;
    if (!strcmp(key, "n_stages")) return ints(v, &a->n_stages, 1);
    if (!strcmp(key, "features_per_stage")) return ints(v, a->features_per_stage, a->features_count);
    if (!strcmp(key, "kernel_sizes")) return pairs(v, a->kernel_sizes, a->kernels_count);
    if (!strcmp(key, "strides")) return pairs(v, a->strides, a->strides_count);
    if (!strcmp(key, "n_conv_per_stage")) return ints(v, a->n_conv_per_stage, a->convs_count);
    if (!strcmp(key, "n_blocks_per_stage")) return ints(v, a->n_blocks_per_stage, a->blocks_count);
    if (!strcmp(key, "n_conv_per_stage_decoder")) return ints(v, a->n_conv_per_stage_decoder, a->decoder_convs_count);
    if (!strcmp(key, "conv_bias")) return *v = a->conv_bias, 1;
    if (strcmp(key, "num_pool_per_axis")) return -1;
    v[0] = v[1] = 0;
    for (int s = 0; s < a->strides_count; s++)
        for (int i = 0; i < 2; i++) v[i] += a->strides[s][i] == 2;
    return 2;
}

static const char *plan_string(const Plan *p, const char *key)
{
    const PlanConfiguration *c = &p->configuration;
    const Architecture *a = &c->architecture;
    const struct {
        const char *key, *value;
    } strings[] = {
        {"dataset_name", p->dataset_name},
        {"plans_name", p->plans_name},
        {"label_manager", p->label_manager},
        {"experiment_planner_used", p->experiment_planner_used},
        {"data_identifier", c->data_identifier},
        {"image_reader_writer", p->image_reader_writer},
        {"preprocessor_name", c->preprocessor_name},
        {"network_class_name", a->network_class_name},
        {"resampling_fn_data", c->resampling_data.function},
        {"resampling_fn_seg", c->resampling_seg.function},
        {"resampling_fn_probabilities", c->resampling_probabilities.function},
        {"conv_op", a->conv_op},
        {"norm_op", a->norm_op},
        {"nonlin", a->nonlin},
    };
    for (size_t i = 0; i < sizeof strings / sizeof *strings; i++)
        if (!strcmp(strings[i].key, key)) return strings[i].value;
    return NULL;
}

static void compare_schemes(Golden *g, const PlanConfiguration *c, const DocNode *list)
{
    static const char *const names[] = {"ZScoreNormalization", "CTNormalization", "NoNormalization",
                                        "RescaleTo01Normalization", "RGBTo01Normalization"};
    int i = 0;
    for (const DocNode *n = list->first; n; n = n->next, i++)
        if (i >= c->channel_count || strcmp(n->text, names[c->normalization_schemes[i]]))
            golden_fail(g, "normalization_schemes: channel %d is not %s", i, n->text);
    if (i != c->channel_count) golden_fail(g, "normalization_schemes: %d, expected %d", c->channel_count, i);
}

static void compare_resampling(Golden *g, const char *key, const PlanResampling *r, const DocNode *kwargs)
{
    const double found[] = {r->is_seg, r->order, r->order_z};
    static const char *const names[] = {"is_seg", "order", "order_z"};
    for (int i = 0; i < 3; i++) golden_expect_numbers(g, names[i], doc_find(kwargs, names[i]), &found[i], 1, 0);
    const DocNode *force = doc_find(kwargs, "force_separate_z");
    if (!force || !doc_is_null(force) || r->force_separate_z != SWITCH_AUTO)
        golden_fail(g, "%s: force_separate_z", key);
}

static void compare_intensities(Golden *g, const IntensityProperties *p, int count, const DocNode *channels)
{
    int c = 0;
    for (const DocNode *n = channels->first; n; n = n->next, c++) {
        if (c >= count) break;
        golden_expect_numbers(g, "mean", doc_find(n, "mean"), &p[c].mean, 1, mean_tolerance);
        golden_expect_numbers(g, "std", doc_find(n, "std"), &p[c].std, 1, mean_tolerance);
        golden_expect_numbers(g, "min", doc_find(n, "min"), &p[c].min, 1, 0);
        golden_expect_numbers(g, "max", doc_find(n, "max"), &p[c].max, 1, 0);
        golden_expect_numbers(g, "median", doc_find(n, "median"), &p[c].median, 1, 0);
        golden_expect_numbers(g, "percentile_00_5", doc_find(n, "percentile_00_5"), &p[c].percentile_00_5, 1, 0);
        golden_expect_numbers(g, "percentile_99_5", doc_find(n, "percentile_99_5"), &p[c].percentile_99_5, 1, 0);
    }
    if (c != count) golden_fail(g, "intensities of %d channels", count);
}

/* One key of a plan; a key that the comparison does not know is a failure. */
static void compare_key(Golden *g, Plan *p, const DocNode *node)
{
    static const char *const elsewhere[] = {"norm_op_kwargs", "dropout_op",          "dropout_op_kwargs",
                                            "nonlin_kwargs",  "_kw_requires_import", NULL};
    PlanConfiguration *c = &p->configuration;
    const char *key = node->key, *text = plan_string(p, key);
    double v[MOST_NUMBERS];
    const int count = plan_numbers(p, key, v);
    bool constant = false;
    for (const char *const *k = elsewhere; *k; k++) constant = constant || !strcmp(*k, key);
    if (constant) return;
    if (count >= 0) golden_expect_numbers(g, key, node, v, count, 0);
    else if (text && strcmp(text, node->text)) golden_fail(g, "%s: \"%s\", expected \"%s\"", key, text, node->text);
    else if (text) return;
    else if (!strcmp(key, "normalization_schemes")) compare_schemes(g, c, node);
    else if (!strcmp(key, "resampling_fn_data_kwargs")) compare_resampling(g, key, &c->resampling_data, node);
    else if (!strcmp(key, "resampling_fn_seg_kwargs")) compare_resampling(g, key, &c->resampling_seg, node);
    else if (!strcmp(key, "resampling_fn_probabilities_kwargs"))
        compare_resampling(g, key, &c->resampling_probabilities, node);
    else if (!strcmp(key, "foreground_intensity_properties_per_channel"))
        compare_intensities(g, p->intensities, p->intensity_count, node);
    else golden_fail(g, "%s: a key that is not compared", key);
}

static void compare_keys(Golden *g, Plan *p, const DocNode *map)
{
    for (const DocNode *n = map ? map->first : NULL; n; n = n->next) {
        if (!strcmp(n->key, "configurations")) compare_keys(g, p, doc_find(n, "2d"));
        else if (!strcmp(n->key, "architecture") || !strcmp(n->key, "arch_kwargs")) compare_keys(g, p, n);
        else compare_key(g, p, n);
    }
}

/* ---- real sets ---- */

static int plan_from_files(Plan *plan, const Golden *g, const char *set, const char *dataset_name, Err *e)
{
    DatasetInfo info;
    Fingerprint f;
    char *path = path_format(e, "%s/plans/%s_dataset.json", g->folder, set);
    int code = path ? dataset_info_read(&info, path, e) : ERR_NOMEM;
    mem_free(path);
    if (code) return code;
    path = path_format(e, "%s/plans/%s_dataset_fingerprint.json", g->folder, set);
    code = path ? fingerprint_read(&f, path, e) : ERR_NOMEM;
    mem_free(path);
    if (!code) {
        plan_defaults(plan);
        plan_set_network(plan, "nnunet"); /* no network of this build: nnU-Net's own plan */
        code = plan_experiment(plan, &(PlannerInput){&info, &f, dataset_name, 8, NULL, NULL}, NULL, e);
        fingerprint_free(&f);
    }
    dataset_info_free(&info);
    return code;
}

static void run_plan(Golden *g, const char *file, const char *set)
{
    Doc doc;
    Plan plan;
    Err e = {0};
    const DocNode *root = golden_document(g, &doc, "plans", file);
    if (root && golden_begin(g, "plans/%s", file)) {
        if (plan_from_files(&plan, g, set, golden_string(root, "dataset_name"), &e)) golden_fail(g, "%s", e.text);
        else compare_keys(g, &plan, root);
        golden_end(g);
    }
    doc_free(&doc);
}

static void compare_fingerprint(Golden *g, const Fingerprint *f, const DocNode *root)
{
    const int numbers = 3 * f->case_count;
    double *shapes = mem_alloc((size_t)numbers * sizeof *shapes, NULL);
    if (!shapes) return;
    ints(shapes, &f->shapes_after_crop[0][0], numbers);
    golden_expect_numbers(g, "shapes", doc_find(root, "shapes_after_crop"), shapes, numbers, 0);
    golden_expect_numbers(g, "spacings", doc_find(root, "spacings"), &f->spacings_mm[0][0], numbers, 0);
    golden_expect_numbers(g, "relative size", doc_find(root, "median_relative_size_after_cropping"),
                          &f->median_relative_size_after_cropping, 1, 0);
    const DocNode *channels = doc_find(root, "foreground_intensity_properties_per_channel");
    if (channels) compare_intensities(g, f->intensities, f->channel_count, channels);
    mem_free(shapes);
}

/* Without the raw data of a set, its fingerprint is only an input: no entry. */
static void run_fingerprint(Golden *g, const char *file, const char *set)
{
    Doc doc;
    Err e = {0};
    GoldenSet s;
    FaultList faults = {0};
    Fingerprint f = {0};
    const DocNode *root = golden_document(g, &doc, "plans", file);
    if (root && !golden_set_open(&s, g, set, &e)) {
        if (golden_begin(g, "plans/%s", file)) {
            if (fingerprint_extract(&f, &s.dataset, READER_STORED, 1, NULL, NULL, &faults, &e))
                golden_fail(g, "%s", e.text);
            else if (faults.errors) golden_fail(g, "%s", faults.faults[0].text);
            else compare_fingerprint(g, &f, root);
            golden_end(g);
        }
        fingerprint_free(&f);
        faults_free(&faults);
        golden_set_close(&s);
    }
    doc_free(&doc);
}

/* ---- synthetic inputs ---- */

typedef struct Vector {
    DatasetInfo info;
    Fingerprint fingerprint;
    const char *names[PLAN_MAX_CHANNELS];
    DatasetLabel labels[256];
} Vector;

static int vector_read(Vector *v, const DocNode *in, Err *e)
{
    const DocNode *spacings = doc_find(in, "spacings"), *shapes = doc_find(in, "shapes_after_crop");
    const DocNode *names = doc_find(in, "channel_names");
    if (!spacings || !shapes || !names || spacings->count != shapes->count || names->count > PLAN_MAX_CHANNELS)
        return err_set(e, ERR_FORMAT, "unknown kind of input");
    TRY(fingerprint_new(&v->fingerprint, spacings->count, 0, e));
    const DocNode *mm = spacings->first, *shape = shapes->first;
    for (int i = 0; i < spacings->count; i++, mm = mm->next, shape = shape->next) {
        const DocNode *a = mm->first, *b = shape->first;
        for (int axis = 0; axis < 3; axis++, a = a->next, b = b->next) {
            doc_get_double(a, &v->fingerprint.spacings_mm[i][axis], NULL);
            v->fingerprint.shapes_after_crop[i][axis] = atoi(b->text);
        }
    }
    v->fingerprint.median_relative_size_after_cropping = golden_number(in, "rel", NAN);
    for (const DocNode *n = names->first; n; n = n->next) v->names[v->info.channel_count++] = n->text;
    static const int zero[] = {0};
    for (int i = 0; i < 256; i++) v->labels[i] = (DatasetLabel){"label", zero, 1, false};
    v->info.channel_names = v->names;
    v->info.labels = v->labels;
    v->info.label_count = (int)golden_number(in, "n_labels", 0);
    v->info.ignore_value = -1;
    v->info.num_training = (int64_t)golden_number(in, "numTraining", 0);
    return 0;
}

static void run_vector(Golden *g, const DocNode *item, PlanCompatibility compatibility)
{
    Vector v = {0};
    Plan plan;
    Err e = {0};
    const DocNode *in = doc_find(item, "input");
    plan_defaults(&plan);
    plan_set_network(&plan, "nnunet");
    plan.compatibility = compatibility;
    if (in && doc_find(in, "planner"))
        snprintf(plan.experiment_planner_used, PLAN_NAME_BYTES, "%s", golden_string(in, "planner"));
    int code = in ? vector_read(&v, in, &e) : err_set(&e, ERR_FORMAT, "no input");
    if (!code) {
        const PlannerInput input = {&v.info, &v.fingerprint, "synthetic", golden_number(in, "gpu_gb", 8), NULL, NULL};
        code = plan_experiment(&plan, &input, NULL, &e);
    }
    if (code) golden_fail(g, "%s", e.text);
    else compare_keys(g, &plan, doc_find(item, "plan_2d"));
    fingerprint_free(&v.fingerprint);
}

static void run_vectors(Golden *g, const char *file, PlanCompatibility compatibility)
{
    Doc doc;
    const DocNode *root = golden_document(g, &doc, "plans", file);
    for (const DocNode *n = root ? root->first : NULL; n; n = n->next) {
        if (!golden_begin(g, "plans/%s/%s", file, golden_string(n, "id"))) continue;
        run_vector(g, n, compatibility);
        golden_end(g);
    }
    doc_free(&doc);
}

void golden_plans(Golden *g)
{
    FileList list;
    golden_files(g, "plans", &list);
    for (int i = 0; i < list.count; i++) {
        const char *file = list.names[i], *rest = strchr(file, '_');
        char set[64];
        snprintf(set, sizeof set, "%.*s", rest ? (int)(rest - file) : 0, file);
        if (!strcmp(file, "planner_vectors.json")) run_vectors(g, file, COMPATIBILITY_NONE);
        else if (!strcmp(file, "planner_vectors_old.json")) run_vectors(g, file, COMPATIBILITY_NNUNET_2_1);
        else if (rest && !strcmp(rest, "_nnUNetPlans.json")) run_plan(g, file, set);
        else if (rest && !strcmp(rest, "_dataset_fingerprint.json")) run_fingerprint(g, file, set);
        else if (rest && (!strcmp(rest, "_dataset.json") || !strcmp(rest, "_cases.json"))) continue; /* inputs */
        else if (golden_begin(g, "plans/%s", file)) {
            golden_fail(g, "unknown kind of file");
            golden_end(g);
        }
    }
    file_list_free(&list);
}
