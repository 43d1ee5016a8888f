/* Part files: weight files of PyTorch. Valid ones load with the same bits, and give the stored outputs in their
 * network; those of VMamba are imported into encoders by the official rules; each bad one is rejected, and no code in
 * it is executed. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "model/import.h"
#include "network/models/vss_encoder.h"
#include "tests/support/exists.h"
#include "tests/support/gold.h"
#include "tests/support/golden.h"
#include "tests/support/reference_network.h"
#include "tests/support/weights_reference.h"
#include "weights/weights_io.h"

/* ---- running ---- */

/* Runs the network on the bundle's input and compares its heads with the outputs. The manifest's other outputs
 * (VMamba's classifier) are not supported and not compared. */
static int compare_outputs(Golden *g, ReferenceNetwork *r, const Gold *gold, const DocNode *outputs, Err *e)
{
    const Array *image = gold_find(gold, "in.x");
    const Shape sizes[] = {r->input, {r->input.n, r->input.h, r->input.w, 1}};
    const ExecutorOptions o = {.inputs = sizes, .outputs = r->heads, .output_count = r->head_count};
    Executor *x;
    TRY(executor_new(&x, r->graph, r->parameters, &o, e));
    golden_to_nhwc(executor_input(x, 0)->data, image->data, r->input.n, r->input.c, r->input.h, r->input.w);
    const int code = executor_forward(x, &(Step){0}, e);
    int i = 0;
    for (const DocNode *output = code ? NULL : outputs->first; output && i < r->head_count;
         output = output->next, i++) {
        char record[16];
        snprintf(record, sizeof record, "out.%d", i);
        const Array *expected = gold_find(gold, record);
        if (expected) reference_expect(g, record, x, i, expected, output);
        else golden_fail(g, "%s: not in the bundle", record);
    }
    executor_free(x);
    return code;
}

/* Builds only VMamba's encoder, with its stages as heads; the patch size is that of the first convolution. */
static int open_encoder(ReferenceNetwork *r, const DocNode *entry, const int64_t *shape, const WeightsFile *w, Err *e)
{
    *r = (ReferenceNetwork){.input = {shape[0], shape[2], shape[3], shape[1]}};
    const Array *first = weights_find(w, "patch_embed.proj.weight");
    if (!first || first->rank != 4) return err_set(e, ERR_FORMAT, "no patch_embed.proj.weight");
    TRY(reference_network_spec(&r->spec, "swin_umamba_d", entry, shape, 2, e));
    r->graph = graph_new(e);
    if (!r->graph) return ERR_NOMEM;
    const Ref image = graph_input(r->graph, "image", r->input, DTYPE_F32);
    vss_encoder(r->graph, image, first->shape[2], (const VssConfig *)&r->spec.config, NULL, r->heads);
    r->head_count = VSS_STAGES;
    TRY(graph_check(r->graph, e));
    return parameters_new(&r->parameters, r->graph, e);
}

static const char *network_of(const DocNode *entry)
{
    char name[8];
    snprintf(name, sizeof name, "%.1s_", golden_string(entry, "model"));
    return reference_network_name(name);
}

static int open_network(ReferenceNetwork *r, const char *network, const DocNode *entry, const int64_t *shape,
                        const char *prefix, Err *e)
{
    NetworkSpec spec;
    const int64_t classes = (int64_t)golden_number(entry, "out_chans", 0);
    TRY(reference_network_spec(&spec, network, entry, shape, classes, e));
    return reference_network_build(r, &spec, shape[0], prefix, e);
}

/* Opens the entry's bundle, which holds the input and the outputs. */
static int open_bundle(const Golden *g, const DocNode *entry, Gold *gold, int64_t *shape, Err *e)
{
    char *path = golden_path(g, golden_string(doc_find(entry, "golden"), "file"), e);
    int failed = path ? gold_open(gold, path, e) : ERR_NOMEM;
    mem_free(path);
    if (failed) return failed;
    const Array *image = gold_find(gold, "in.x");
    if (!image || image->rank != 4 || !doc_find(doc_find(entry, "golden"), "outputs"))
        return err_set(e, ERR_FORMAT, "no input of four axes in the bundle, or no outputs in the manifest");
    memcpy(shape, image->shape, 4 * sizeof *shape);
    return 0;
}

/* Imports a checkpoint into its network, or into VMamba's encoder, and compares the outputs. */
static int run_checkpoint(Golden *g, const DocNode *entry, const WeightsFile *w, Err *e)
{
    Gold gold = {0};
    ReferenceNetwork r = {.graph = NULL};
    ImportReport report = {.taken = 0};
    int64_t shape[4];
    const char *network = network_of(entry);
    int failed = open_bundle(g, entry, &gold, shape, e);
    if (!failed && network) {
        failed = open_network(&r, network, entry, shape, NULL, e);
        if (!failed) failed = import_network(r.parameters, w, e);
    } else if (!failed) {
        failed = open_encoder(&r, entry, shape, w, e);
        if (!failed) failed = import_weights(r.parameters, r.spec.kind, w, &report, e);
        if (!failed) golden_expect(g, "parameters left", graph_param_count(r.graph) - report.taken, 0);
    }
    if (!failed) failed = compare_outputs(g, &r, &gold, doc_find(doc_find(entry, "golden"), "outputs"), e);
    import_report_free(&report);
    reference_network_close(&r);
    gold_close(&gold);
    return failed;
}

/* ---- entries ---- */

static int read_file(const Golden *g, const char *file, WeightsFile *w, Err *e)
{
    char *path = golden_path(g, file, e);
    const int failed = path ? weights_read(w, path, e) : ERR_NOMEM;
    mem_free(path);
    return failed;
}

static void run_good(Golden *g, const DocNode *files, const DocNode *entry, const char *file)
{
    Err e = {ERR_NONE, ""};
    WeightsFile w = {0};
    const DocNode *content = weights_reference_entry(files, entry);
    if (!golden_begin(g, "%s", file)) return;
    if (!content) err_set(&e, ERR_FORMAT, "the manifest does not describe the file's content");
    if (!e.code && !read_file(g, file, &w, &e)) {
        golden_expect(g, "tensors and notes", weights_reference_compare(&w, content, &e) ? INFINITY : 0, 0);
        if (!e.code && doc_find(content, "golden")) run_checkpoint(g, content, &w, &e);
    }
    if (e.code) golden_fail(g, "%s", e.text);
    weights_close(&w);
    golden_end(g);
}

static void run_bad(Golden *g, const char *file)
{
    Err e = {ERR_NONE, ""};
    WeightsFile w = {0};
    if (!golden_begin(g, "%s", file)) return;
    const bool stood = exists("PWNED");
    char *path = golden_path(g, file, &e);
    if (!path || !exists(path)) golden_fail(g, "the file is missing");
    golden_expect(g, "refused with a reason", path && weights_read(&w, path, &e) && e.text[0] ? 0 : 1, 0);
    golden_expect(g, "nothing executed", !stood && exists("PWNED"), 0);
    mem_free(path);
    weights_close(&w);
    golden_end(g);
}

/* A network of the rule's weights whose encoder comes from a VMamba checkpoint. The entry's "kind" describes both:
 * rule.param(prefix,'pre.U1.'+name) model with files/vmamba_narrow.pth loaded by … */
static int import_pretrained(Golden *g, const DocNode *entry, const char *rule_prefix, Err *e)
{
    char scope[64], prefix[128], file[160];
    const char *name = golden_string(entry, "name"), *network;
    int64_t shape[4];
    Gold gold = {0};
    WeightsFile w = {0};
    ReferenceNetwork r = {.graph = NULL};
    ImportReport report = {.taken = 0};
    const char *kind = golden_string(entry, "kind");
    if (sscanf(kind, "rule.param(prefix,'%63[^']'+name) model with %159s", scope, file) != 2 ||
        strncmp(name, "pretrained_", 11) || !(network = reference_network_name(name + 11)))
        return err_set(e, ERR_FORMAT, "an entry of unknown kind");
    snprintf(prefix, sizeof prefix, "%s%s", rule_prefix, scope);
    int failed = open_bundle(g, entry, &gold, shape, e);
    if (!failed) failed = read_file(g, file, &w, e);
    if (!failed) failed = open_network(&r, network, entry, shape, prefix, e);
    if (!failed) failed = import_weights(r.parameters, r.spec.kind, &w, &report, e);
    if (!failed) {
        const DocNode *taken = doc_find(entry, "params_taken_from_ckpt");
        if (taken) golden_expect(g, "parameters taken", abs(report.taken - taken->count), 0);
        failed = compare_outputs(g, &r, &gold, doc_find(doc_find(entry, "golden"), "outputs"), e);
    }
    import_report_free(&report);
    reference_network_close(&r);
    weights_close(&w);
    gold_close(&gold);
    return failed;
}

static void run_pretrained(Golden *g, const DocNode *entry, const char *prefix)
{
    Err e = {ERR_NONE, ""};
    if (!golden_begin(g, "files/%s", golden_string(entry, "name"))) return;
    if (import_pretrained(g, entry, prefix, &e)) golden_fail(g, "%s", e.text);
    golden_end(g);
}

static void run_manifest(Golden *g, const DocNode *root)
{
    const DocNode *files = doc_find(root, "files"), *corrupt = doc_find(root, "corrupt");
    for (const DocNode *entry = files ? files->first : NULL; entry; entry = entry->next) {
        const char *file = golden_string(entry, "file"), *also = golden_string(entry, "also");
        if (doc_find(entry, "name")) run_pretrained(g, entry, golden_string(root, "prefix"));
        else run_good(g, files, entry, file);
        if (*also) run_good(g, files, entry, also);
    }
    for (const DocNode *entry = corrupt ? corrupt->first : NULL; entry; entry = entry->next)
        run_bad(g, golden_string(entry, "file"));
}

void golden_weight_files(Golden *g)
{
    Err e = {ERR_NONE, ""};
    Doc doc = {0};
    char *path = golden_path(g, "manifest_files.json", &e);
    if (path && exists(path) && golden_wanted(g, "files")) {
        if (!doc_read(&doc, path, &e)) run_manifest(g, doc.root);
        else if (golden_begin(g, "files")) {
            golden_fail(g, "%s", e.text);
            golden_end(g);
        }
        doc_free(&doc);
    }
    mem_free(path);
}
