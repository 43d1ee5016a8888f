/* resample: isolated calls. preprocessed: cases of the sets, from raw to preprocessed. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "preprocess/case.h"
#include "preprocess/class_locations.h"
#include "preprocess/resample.h"
#include "tests/support/golden_nnunet.h"

static const double resample_tolerance = 1e-12, channel_tolerance = 1e-5;

static double largest_difference(const Array *a, const Array *b)
{
    double worst = 0;
    if (array_count(a) != array_count(b)) return NAN;
    for (int64_t i = 0; i < array_count(a); i++) {
        const double difference = fabs(golden_value(a, i) - golden_value(b, i));
        if (!(difference <= worst)) worst = difference;
    }
    return worst;
}

/* ---- resample ---- */

typedef struct Call {
    PlanResampling how;
    double current_mm[3], new_mm[3];
} Call;

static int read_spacing(const DocNode *list, double mm[3])
{
    int i = 0;
    for (const DocNode *n = list ? list->first : NULL; n && i < 3; n = n->next, i++)
        if (doc_get_double(n, &mm[i], NULL)) return -1;
    return i == 3 ? 0 : -1;
}

static int read_call(Call *c, const DocNode *item)
{
    const DocNode *force = doc_find(item, "force_separate_z");
    *c = (Call){.how = {.order = (int)golden_number(item, "order", -1),
                        .order_z = (int)golden_number(item, "order_z", -1),
                        .is_seg = !strcmp(golden_string(item, "is_seg"), "true")}};
    if (!force) return -1;
    c->how.force_separate_z = doc_is_null(force) ? SWITCH_AUTO : !strcmp(force->text, "true") ? SWITCH_ON : SWITCH_OFF;
    return read_spacing(doc_find(item, "current_spacing"), c->current_mm) ||
           read_spacing(doc_find(item, "new_spacing"), c->new_mm);
}

/* in (C,Z,Y,X) to a new array of out's type and shape. */
static int resample_all(Array *found, const Array *in, const Array *like, const Call *c, Err *e)
{
    const int axis = resample_separate_axis(c->how.force_separate_z, c->current_mm, c->new_mm);
    int code = array_new(found, like->dtype, like->rank, like->shape, e);
    for (int64_t channel = 0; channel < like->shape[0] && !code; channel++) {
        const Volume from = volume_of_channel_first(in, channel), to = volume_of_channel_first(found, channel);
        code = c->how.is_seg ? resample_labels(&from, &to, &c->how, false, axis, e)
                             : resample_values(&from, &to, &c->how, axis, e);
    }
    return code;
}

static void compare_output(Golden *g, const char *suffix, double tolerance, const char *name, const Array *in,
                           const Call *c)
{
    Array out, found = {0};
    Err e = {0};
    if (golden_array(&out, g, &e, "resample/%s%s.npy", name, suffix) || resample_all(&found, in, &out, c, &e)) {
        golden_fail(g, "%s", e.text);
    } else {
        double largest = 0;
        for (int64_t i = 0; i < array_count(&out); i++) largest = fmax(largest, fabs(golden_value(&out, i)));
        golden_expect(g, *suffix == '_' ? suffix + 1 : suffix, largest_difference(&found, &out),
                      tolerance * fmax(1, largest));
    }
    array_free(&out);
    array_free(&found);
}

static void run_call(Golden *g, const DocNode *item)
{
    const char *name = golden_string(item, "name");
    Array in;
    Call c;
    Err e = {0};
    if (read_call(&c, item)) golden_fail(g, "unknown kind of call");
    else if (golden_array(&in, g, &e, "resample/%s_in.npy", name)) golden_fail(g, "%s", e.text);
    else {
        /* Labels and halves are equal; float32 outputs may differ where the last bit of a double decides. */
        compare_output(g, "_out", in.dtype == DTYPE_F32 ? 0x1p-23 : 0, name, &in, &c);
        if (!c.how.is_seg) compare_output(g, "_out64", resample_tolerance, name, &in, &c);
        array_free(&in);
    }
}

void golden_resample(Golden *g)
{
    Doc doc;
    FileList list;
    golden_files(g, "resample", &list);
    for (int i = 0; i < list.count; i++) {
        if (!path_ends_with(list.names[i], ".json")) continue;
        const DocNode *root = golden_document(g, &doc, "resample", list.names[i]);
        const DocNode *cases = root ? doc_find(root, "cases") : NULL;
        for (const DocNode *n = cases ? cases->first : NULL; n; n = n->next) {
            if (!golden_begin(g, "resample/%s", golden_string(n, "name"))) continue;
            run_call(g, n);
            golden_end(g);
        }
        doc_free(&doc);
    }
    file_list_free(&list);
}

/* ---- preprocessed ---- */

static const Case *find_case(const Dataset *d, const char *id)
{
    for (int i = 0; i < d->training.count; i++)
        if (!strcmp(d->training.cases[i].id, id)) return &d->training.cases[i];
    return NULL;
}

static int preprocess_raw(PreprocessedCase *out, const GoldenSet *set, const Plan *plan, const char *id, Err *e)
{
    CaseData data;
    FaultList faults = {0};
    const Case *c = find_case(&set->dataset, id);
    if (!c) return err_set(e, ERR_VALUE, "no raw case %s", id);
    int code = dataset_load_case(&data, &set->dataset.info, c, &faults);
    if (code) err_set(e, code, "%s", faults.count ? faults.faults[0].text : "cannot be read");
    faults_free(&faults);
    if (code) return code;
    code = case_preprocess(out, &data.image.voxels, data.image.geometry.spacing_zyx_mm, NULL, &data.labels, plan,
                           &set->dataset.info, e);
    case_data_free(&data);
    return code;
}

/* The first of two names of a key that is there. */
static const DocNode *either(const DocNode *item, const char *key, const char *other)
{
    const DocNode *node = doc_find(item, key);
    return node ? node : doc_find(item, other);
}

static void compare_properties(Golden *g, const PreprocessedCase *c, const DocNode *item)
{
    const CaseProperties *p = &c->properties;
    int64_t crop[3];
    double before[3], after[3], box[6];
    case_crop_shape(p, crop);
    for (int i = 0; i < 3; i++) {
        before[i] = (double)p->shape_before_crop[i];
        after[i] = (double)crop[i];
        box[2 * i] = (double)p->box.first[i];
        box[2 * i + 1] = (double)p->box.past[i];
    }
    const double shape[] = {(double)c->image.shape[3], (double)p->shape[0], (double)p->shape[1], (double)p->shape[2]};
    golden_expect_numbers(g, "spacing", either(item, "spacing", "spacing_original"), p->spacing_mm, 3, 0);
    golden_expect_numbers(g, "shape before", doc_find(item, "shape_before_cropping"), before, 3, 0);
    golden_expect_numbers(g, "box", either(item, "bbox", "bbox_used_for_cropping"), box, 6, 0);
    golden_expect_numbers(g, "shape after",
                          either(item, "shape_after_cropping", "shape_after_cropping_and_before_resampling"), after, 3,
                          0);
    golden_expect_numbers(g, "data shape", doc_find(item, "data_shape"), shape, 4, 0);
}

static void compare_label_counts(Golden *g, const Array *labels, const DocNode *counts)
{
    int64_t seen = 0;
    const int16_t *voxels = labels->data;
    for (const DocNode *n = counts ? counts->first : NULL; n; n = n->next) {
        double found = 0;
        for (int64_t i = 0; i < array_count(labels); i++) found += voxels[i] == atoi(n->key);
        golden_expect_numbers(g, "label counts", n, &found, 1, 0);
        seen += (int64_t)found;
    }
    if (seen != array_count(labels)) golden_fail(g, "labels that are not in the reference");
}

/* The classes of the reference are in the same order as the labels here. */
static void compare_locations(Golden *g, const Array *locations, const DocNode *item)
{
    const DocNode *counts = doc_find(item, "class_location_counts"), *firsts = doc_find(item, "class_location_first5");
    int64_t first, past;
    int class_index = 0;
    for (const DocNode *n = counts ? counts->first : NULL; n; n = n->next, class_index++) {
        class_locations_range(locations, class_index, &first, &past);
        const double count = (double)(past - first);
        golden_expect_numbers(g, "locations", n, &count, 1, 0);
    }
    class_index = 0;
    for (const DocNode *n = firsts ? firsts->first : NULL; n; n = n->next, class_index++) {
        double rows[20] = {0};
        int used = 0;
        class_locations_range(locations, class_index, &first, &past);
        for (int64_t i = first; i < past && used < 20; i++, used += 4) /* nnU-Net's rows begin with channel 0 */
            for (int k = 1; k < 4; k++) rows[used + k] = ((int32_t *)locations->data)[4 * i + k];
        golden_expect_numbers(g, "first locations", n, rows, used, 0);
    }
}

/* Statistics and samples of a channel; bounds by its range. */
static void compare_channel(Golden *g, const Array *image, int channel, const DocNode *stats, const DocNode *item)
{
    const int64_t channels = image->shape[3], count = array_count(image) / channels;
    const float *v = (float *)image->data + channel;
    const double low = golden_number(stats, "min", NAN), high = golden_number(stats, "max", NAN);
    const double bound = channel_tolerance * (high - low);
    double sum = 0, squares = 0, found_low = INFINITY, found_high = -INFINITY;
    for (int64_t i = 0; i < count; i++) {
        sum += v[i * channels];
        found_low = fmin(found_low, v[i * channels]);
        found_high = fmax(found_high, v[i * channels]);
    }
    const double mean = sum / (double)count;
    for (int64_t i = 0; i < count; i++) squares += (v[i * channels] - mean) * (v[i * channels] - mean);
    golden_expect(g, "mean", fabs(mean - golden_number(stats, "mean", NAN)), bound);
    golden_expect(g, "std", fabs(sqrt(squares / (double)count) - golden_number(stats, "std", NAN)), bound);
    golden_expect(g, "min", fabs(found_low - low), bound);
    golden_expect(g, "max", fabs(found_high - high), bound);
    const DocNode *at = doc_find(item, "sample_flat_index"), *values = doc_find(item, "sample_values");
    const DocNode *value = values ? values->first : NULL;
    for (int c = 0; c < channel && value; c++) value = value->next;
    value = value ? value->first : NULL;
    for (const DocNode *n = at ? at->first : NULL; n && value; n = n->next, value = value->next)
        golden_expect(g, "samples", fabs(v[atoll(n->text) * channels] - atof(value->text)), bound);
}

static void compare_case(Golden *g, const PreprocessedCase *c, const DocNode *item)
{
    int channel = 0;
    const DocNode *stats = either(item, "stats", "data_stats");
    compare_properties(g, c, item);
    compare_label_counts(g, &c->labels, either(item, "seg_counts", "seg_value_counts"));
    compare_locations(g, &c->locations, item);
    for (const DocNode *n = stats ? stats->first : NULL; n && channel < c->image.shape[3]; n = n->next)
        compare_channel(g, &c->image, channel++, n, item);
    if (channel != c->image.shape[3]) golden_fail(g, "statistics of %d channels", channel);
}

/* The stored arrays: data (C,Z,Y,X), seg (1,Z,Y,X). */
static void compare_arrays(Golden *g, const PreprocessedCase *c, const char *name)
{
    Array data = {0}, seg = {0};
    Err e = {0};
    if (golden_array(&data, g, &e, "preprocessed/%s_data.npy", name) ||
        golden_array(&seg, g, &e, "preprocessed/%s_seg.npy", name)) {
        golden_fail(g, "%s", e.text);
    } else if (array_count(&data) != array_count(&c->image)) {
        golden_fail(g, "the stored data have another size");
    } else {
        const int64_t channels = c->image.shape[3], count = array_count(&data) / channels;
        for (int64_t k = 0; k < channels; k++) {
            double low = INFINITY, high = -INFINITY, worst = 0;
            for (int64_t i = 0; i < count; i++) {
                const double wanted = ((float *)data.data)[k * count + i];
                low = fmin(low, wanted);
                high = fmax(high, wanted);
                worst = fmax(worst, fabs(wanted - ((float *)c->image.data)[i * channels + k]));
            }
            golden_expect(g, "data", worst, channel_tolerance * (high - low));
        }
        golden_expect(g, "seg", largest_difference(&seg, &c->labels), 0);
    }
    array_free(&data);
    array_free(&seg);
}

static void run_case(Golden *g, const GoldenSet *set, const DocNode *item, const char *arrays)
{
    PreprocessedCase c;
    Err e = {0};
    Plan plan = set->plan;
    const DocNode *masks = doc_find(item, "use_mask_for_norm");
    int i = 0;
    for (const DocNode *n = masks ? masks->first : NULL; n && i < plan.configuration.mask_count; n = n->next)
        plan.configuration.use_mask_for_norm[i++] = !strcmp(n->text, "true");
    if (preprocess_raw(&c, set, &plan, golden_string(item, "case"), &e)) {
        golden_fail(g, "%s", e.text);
        return;
    }
    compare_case(g, &c, item);
    if (arrays) compare_arrays(g, &c, arrays);
    case_free(&c);
}

/* "D5_2d_case_001.json" is one entry with arrays, "D5_2d_all_cases.json" a list of entries without. */
static void run_preprocessed(Golden *g, const char *file)
{
    Doc doc;
    GoldenSet set;
    Err e = {0};
    char name[128], set_name[64];
    snprintf(name, sizeof name, "%.*s", (int)(strlen(file) - strlen(".json")), file);
    snprintf(set_name, sizeof set_name, "%.*s", (int)strcspn(file, "_"), file);
    const DocNode *root = golden_document(g, &doc, "preprocessed", file);
    if (!root) return;
    const int missing = golden_set_open(&set, g, set_name, &e);
    const bool is_list = root->kind == DOC_SEQUENCE;
    for (const DocNode *n = is_list ? root->first : root; n; n = is_list ? n->next : NULL) {
        if (!golden_begin(g, "preprocessed/%s%s%s", file, is_list ? "/" : "", is_list ? golden_string(n, "case") : ""))
            continue;
        if (missing) golden_fail(g, "%s", e.text);
        else run_case(g, &set, n, is_list ? NULL : name);
        golden_end(g);
    }
    if (!missing) golden_set_close(&set);
    doc_free(&doc);
}

void golden_preprocessed(Golden *g)
{
    FileList list;
    golden_files(g, "preprocessed", &list);
    for (int i = 0; i < list.count; i++)
        if (path_ends_with(list.names[i], ".json")) run_preprocessed(g, list.names[i]);
    file_list_free(&list);
}
