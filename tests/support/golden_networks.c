/* Parts full and big: heads and block outputs of whole networks with the rule's weights. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "data/npy.h"
#include "tests/support/gold.h"
#include "tests/support/golden.h"
#include "tests/support/reference_network.h"
#include "tests/support/rule.h"

enum { MOST_VALUES = 64 };

/* The official hook's name for a block, as our scope: "enc.layer2.block3" → "vssm_encoder.layers.2.blocks.3". */
static void scope_of_feature(const char *feature, char *scope, size_t bytes)
{
    static const struct {
        const char *hook, *scope;
    } rules[] = {{"enc.patch_embed", "vssm_encoder.patch_embed"},
                 {"enc.layer%d.block%d", "vssm_encoder.layers.%d.blocks.%d"},
                 {"enc.downsample%d", "vssm_encoder.downsamples.%d"},
                 {"dec.expand%d", "decoder.expand_layers.%d"},
                 {"dec.concat_back%d", "decoder.concat_back_dim.%d"},
                 {"dec.stage%d.block%d", "decoder.stages.%d.blocks.%d"}};
    snprintf(scope, bytes, "%s", feature);
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        int a = -1, b = -1;
        char exact[64];
        sscanf(feature, rules[i].hook, &a, &b);
        snprintf(exact, sizeof exact, rules[i].hook, a, b);
        if (!strcmp(exact, feature)) snprintf(scope, bytes, rules[i].scope, a, b);
    }
}

static void compare_features(Golden *g, Executor *x, int first, const DocNode *features, Err *e)
{
    Gold gold;
    char *path = golden_path(g, golden_string(features, "file"), e);
    if (!path || gold_open(&gold, path, e)) {
        mem_free(path);
        return;
    }
    int i = first;
    for (const DocNode *f = doc_find(features, "records")->first; f; f = f->next, i++) {
        const char *name = golden_string(f, "name");
        const Array *expected = gold_find(&gold, name);
        if (expected) reference_expect(g, name, x, i, expected, f);
        else golden_fail(g, "%s: not in the bundle", name);
    }
    gold_close(&gold);
    mem_free(path);
}

/* The outputs to request: the heads, then the values of the features. */
static int list_outputs(const ReferenceNetwork *r, const DocNode *features, Ref *outputs, Err *e)
{
    int count = 0;
    for (; count < r->head_count; count++) outputs[count] = r->heads[count];
    const DocNode *records = features ? doc_find(features, "records") : NULL;
    for (const DocNode *f = records ? records->first : NULL; f; f = f->next) {
        char scope[96];
        scope_of_feature(golden_string(f, "name"), scope, sizeof scope);
        if (count == MOST_VALUES || !graph_find(r->graph, scope, &outputs[count]))
            return err_set(e, ERR_VALUE, "the network has no value %s", scope);
        count++;
    }
    return count;
}

/* Runs the case's network on its input, to the heads and these features (NULL: none); 0, or negative with e filled. */
static int run_network(const ReferenceNetwork *r, Executor **x, const DocNode *c, const char *prefix, DType precision,
                       const DocNode *features, Err *e)
{
    Ref outputs[MOST_VALUES];
    const int count = list_outputs(r, features, outputs, e);
    if (count < 0) return count;
    const Shape sizes[] = {r->input, {r->input.n, r->input.h, r->input.w, 1}};
    const Device *device = reference_device(e);
    if (!device) return ERR_UNSUPPORTED;
    const ExecutorOptions o = {
        .inputs = sizes, .outputs = outputs, .output_count = count, .precision = precision, .device = device};
    TRY(executor_new(x, r->graph, r->parameters, &o, e));
    TRY(reference_fill_image(*x, prefix, golden_string(doc_find(c, "input"), "rule_name"), e));
    TRY(executor_forward(*x, &(Step){0}, e));
    return 0;
}

/* Opens the case's network and runs it in float32; 0, or negative with e filled. */
static int run_case(ReferenceNetwork *r, Executor **x, const DocNode *c, const char *prefix, int64_t classes, Err *e)
{
    int64_t shape[4];
    const DocNode *input = doc_find(c, "input");
    if (!input || golden_shape(input, "shape", shape, 4) != 4)
        return err_set(e, ERR_FORMAT, "the case has no input shape");
    TRY(reference_network_open(r, golden_string(c, "name"), shape, classes, prefix, e));
    return run_network(r, x, c, prefix, DTYPE_F32, doc_find(c, "features"), e);
}

/* The heads in bfloat16, if the device supports it. */
static void run_bf16(Golden *g, const ReferenceNetwork *r, const DocNode *c, const char *prefix, Err *e)
{
    Executor *x = NULL;
    const Device *device = reference_device(e);
    if (!device || !executor_supports(DTYPE_BF16, device)) return;
    if (!run_network(r, &x, c, prefix, DTYPE_BF16, NULL, e))
        reference_expect_heads(g, x, true, doc_find(c, "outputs"), e);
    executor_free(x);
}

static void run_full(Golden *g, const DocNode *c, const char *prefix)
{
    Err e = {ERR_NONE, ""};
    ReferenceNetwork r = {.graph = NULL};
    Executor *x = NULL;
    const DocNode *features = doc_find(c, "features"), *outputs = doc_find(c, "outputs");
    if (!golden_begin(g, "full/%s", golden_string(c, "name"))) return;
    if (!outputs) err_set(&e, ERR_FORMAT, "the case has no outputs");
    if (!e.code && !run_case(&r, &x, c, prefix, (int64_t)golden_number(c, "out_chans", 0), &e)) {
        reference_expect_heads(g, x, false, outputs, &e);
        if (features && !e.code) compare_features(g, x, r.head_count, features, &e);
        if (!e.code) run_bf16(g, &r, c, prefix, &e);
    }
    if (e.code) golden_fail(g, "%s", e.text);
    executor_free(x);
    reference_network_close(&r);
    golden_end(g);
}

/* Compares means of a head with the manifest's statistics; the bound is the largest allowed error of a value. */
static void compare_statistics(Golden *g, const float *found, const DocNode *head)
{
    int64_t shape[4] = {0};
    golden_shape(head, "shape", shape, 4);
    const int64_t pixels = shape[2] * shape[3], count = shape[0] * shape[1] * pixels;
    const double bound =
        fmax(8 * golden_number(head, "noise_max_abs", 0), 4e-6 * golden_number(head, "max_abs_value", 0));
    double sum = 0, absolute = 0, square = 0;
    for (int64_t i = 0; i < count; i++) {
        sum += found[i];
        absolute += fabsf(found[i]);
        square += (double)found[i] * found[i];
    }
    const double n = (double)count;
    golden_expect(g, "mean", fabs(sum / n - golden_number(head, "mean", NAN)), bound);
    golden_expect(g, "abs_mean", fabs(absolute / n - golden_number(head, "abs_mean", NAN)), bound);
    golden_expect(g, "rms", fabs(sqrt(square / n) - golden_number(head, "rms", NAN)), bound);
    const DocNode *means = doc_find(head, "per_channel_mean");
    int64_t c = 0;
    for (const DocNode *m = means ? means->first : NULL; m && c < shape[1]; m = m->next, c++) {
        double channel = 0, expected = NAN;
        for (int64_t b = 0; b < shape[0]; b++)
            for (int64_t p = 0; p < pixels; p++) channel += found[(b * shape[1] + c) * pixels + p];
        doc_get_double(m, &expected, NULL);
        golden_expect(g, "per_channel_mean", fabs(channel / (double)(shape[0] * pixels) - expected), bound);
    }
}

static void compare_samples(Golden *g, const float *found, const DocNode *c, const DocNode *head, Err *e)
{
    Gold gold;
    char *path = golden_path(g, golden_string(c, "file"), e);
    if (!path || gold_open(&gold, path, e)) {
        mem_free(path);
        return;
    }
    const Array *index = gold_find(&gold, "idx"), *value = gold_find(&gold, "val");
    int64_t shape[4];
    golden_shape(head, "shape", shape, 4);
    const int64_t total = shape[0] * shape[1] * shape[2] * shape[3], count = index && value ? array_count(index) : 0;
    float *picked = mem_zalloc((size_t)count + 1, sizeof *picked, e);
    for (int64_t i = 0; picked && i < count; i++) {
        const int32_t at = ((const int32_t *)index->data)[i];
        picked[i] = at >= 0 && at < total ? found[at] : NAN;
    }
    if (picked && count) golden_expect_values(g, "samples", picked, value->data, count, head);
    else golden_fail(g, "the bundle has no samples");
    mem_free(picked);
    gold_close(&gold);
    mem_free(path);
}

static void run_big(Golden *g, const DocNode *c, const char *prefix)
{
    Err e = {ERR_NONE, ""};
    ReferenceNetwork r = {.graph = NULL};
    Executor *x = NULL;
    int64_t shape[4];
    const DocNode *heads = doc_find(c, "heads");
    if (!golden_begin(g, "big/%s", golden_string(c, "name"))) return;
    if (!heads || golden_shape(heads->first, "shape", shape, 4) != 4) err_set(&e, ERR_FORMAT, "the case has no heads");
    if (!e.code && !run_case(&r, &x, c, prefix, shape[1], &e)) {
        int i = 0;
        for (const DocNode *head = heads->first; head && !e.code; head = head->next, i++) {
            float *found = reference_output(x, i, &e);
            if (found) compare_statistics(g, found, head);
            if (found && i == 0) compare_samples(g, found, c, head, &e);
            mem_free(found);
        }
    }
    if (e.code) golden_fail(g, "%s", e.text);
    executor_free(x);
    reference_network_close(&r);
    golden_end(g);
}

void golden_networks(Golden *g)
{
    golden_manifest(g, "manifest_full.json", "full", run_full);
    golden_manifest(g, "manifest_full_paper.json", "full", run_full);
    golden_manifest(g, "manifest_big.json", "big", run_big);
}
