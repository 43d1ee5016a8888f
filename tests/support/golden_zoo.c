/* The zoo family: networks of other authors (nnU-Net, U-Mamba, MONAI, nnFormer) with the rule's weights, their heads
 * and gradients; and their blocks with all gradients. Each folder with params.txt is a network, `ops` has the blocks. */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "data/npy.h"
#include "formats/schema.h"
#include "tests/support/exists.h"
#include "tests/support/golden.h"
#include "tests/support/golden_zoo.h"
#include "tests/support/reference_network.h"
#include "tests/support/rule.h"

/* ---- the network of a manifest ---- */

/* "umamba_enc5" → umamba_enc: the number says how many stages the reference has. */
static const char *network_name(const DocNode *m, char *name, size_t bytes)
{
    snprintf(name, bytes, "%s", golden_string(m, "network"));
    size_t length = strlen(name);
    while (length && isdigit((unsigned char)name[length - 1])) name[--length] = '\0';
    return name;
}

/* The keys of the constructor that are not the network's configuration. */
static bool is_common(const char *key)
{
    static const char *const keys[] = {"in_channels",      "classes",  "n_stages",
                                       "deep_supervision", "img_size", "crop_size"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (!strcmp(key, keys[i])) return true;
    return false;
}

static void add_value(Text *t, const DocNode *value)
{
    if (value->kind == DOC_SCALAR) text_add(t, "%s", value->text);
    else {
        text_add(t, "[");
        for (const DocNode *d = value->first; d; d = d->next)
            text_add(t, "%s%s", d == value->first ? "" : ", ", d->text);
        text_add(t, "]");
    }
}

static bool has_key(const struct Schema *schema, const char *key)
{
    for (int i = 0; i < schema->count; i++)
        if (!strcmp(schema->fields[i].key, key)) return true;
    return false;
}

/* A network without the key "patch" has the patches of its paper. */
static int configure(NetworkSpec *spec, const DocNode *constructor, Err *e)
{
    Text keys = {0};
    text_add(&keys, "{");
    for (const DocNode *d = constructor->first; d; d = d->next) {
        if (is_common(d->key) || (!strcmp(d->key, "patch") && !has_key(spec->kind->schema, d->key))) continue;
        text_add(&keys, "%s%s: ", keys.length > 1 ? ", " : "", d->key);
        add_value(&keys, d);
    }
    if (has_key(spec->kind->schema, "drop_path")) /* the references run in evaluation mode */
        text_add(&keys, "%sdrop_path: 0", keys.length > 1 ? ", " : "");
    text_add(&keys, "}");
    const int code =
        keys.failed ? err_set(e, ERR_NOMEM, "no memory for the configuration") : network_configure(spec, keys.data, e);
    text_free(&keys);
    return code;
}

/* A topology with the manifest's number of stages, as nnU-Net's planner makes it for an image large enough. */
static int set_stages(NetworkSpec *spec, const DocNode *constructor, Err *e)
{
    const int64_t stages = (int64_t)golden_number(constructor, "n_stages", 0);
    if (!stages || !spec->kind->complete) return 0;
    const int64_t edge = 4ll << (stages - 1);
    return spec->kind->complete(&spec->config, edge, edge, e);
}

static int open_network(ReferenceNetwork *r, const DocNode *m, Err *e)
{
    char name[64];
    int64_t shape[4];
    NetworkSpec spec;
    const DocNode *constructor = doc_find(m, "constructor");
    if (!constructor || golden_shape(doc_find(m, "input"), "shape", shape, 4) != 4)
        return err_set(e, ERR_FORMAT, "the manifest has no constructor or no input shape");
    TRY(network_defaults(&spec, network_name(m, name, sizeof name), e));
    TRY(configure(&spec, constructor, e));
    TRY(set_stages(&spec, constructor, e));
    spec.channels = shape[1];
    spec.height = shape[2];
    spec.width = shape[3];
    spec.classes = (int64_t)golden_number(constructor, "classes", 0);
    spec.deep_supervision = true;
    return reference_network_build(r, &spec, shape[0], golden_string(m, "prefix"), e);
}

/* ---- parameters: the same names and shapes ---- */

static void compare_parameter(Golden *g, const Graph *graph, char *line)
{
    char *extents = strchr(line, ' ');
    if (!extents) return;
    *extents++ = '\0';
    const int index = graph_find_param(graph, line);
    if (index < 0) {
        golden_fail(g, "the network has no parameter %s", line);
        return;
    }
    const Param *p = &graph_params(graph)[index];
    for (int i = 0; i < p->rank; i++) {
        char *end;
        if (strtoll(extents, &end, 10) != p->shape[i] || (i < p->rank - 1 ? *end != 'x' : *end)) {
            golden_fail(g, "%s: the golden has another shape", line);
            return;
        }
        extents = end + 1;
    }
}

static void compare_parameters(Golden *g, const char *part, const Graph *graph, const DocNode *m, Err *e)
{
    char *path = path_format(e, "%s/%s/params.txt", g->folder, part), *text = NULL, *rest = NULL;
    size_t bytes;
    int count = 0;
    if (path && !file_get(path, &text, &bytes, e))
        for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest), count++)
            compare_parameter(g, graph, line);
    if (text && count != graph_param_count(graph))
        golden_fail(g, "the network has %d parameters, the golden %d", graph_param_count(graph), count);
    golden_expect(g, "parameters", fabs((double)graph_parameter_elements(graph) - golden_number(m, "params", NAN)), 0);
    mem_free(text);
    mem_free(path);
}

/* ---- heads ---- */

/* How a network is run: implementation as in ExecutorOptions. */
typedef struct How {
    DType precision;
    bool train;
    const char *implementation;
} How;

static int prepare(const ReferenceNetwork *r, Executor **x, const DocNode *m, How how, Err *e)
{
    const Shape sizes[] = {r->input, {r->input.n, r->input.h, r->input.w, 1}};
    const ExecutorOptions o = {.inputs = sizes,
                               .outputs = r->heads,
                               .output_count = r->head_count,
                               .precision = how.precision,
                               .train = how.train,
                               .implementation = how.implementation,
                               .input_gradients = how.train};
    TRY(executor_new(x, r->graph, r->parameters, &o, e));
    TRY(reference_fill_image(*x, golden_string(m, "prefix"), golden_string(doc_find(m, "input"), "rule_name"), e));
    return executor_forward(*x, &(Step){0}, e);
}

static void run_bf16(Golden *g, const ReferenceNetwork *r, const DocNode *m, Err *e)
{
    Executor *x = NULL;
    if (!executor_supports(DTYPE_BF16, NULL)) return;
    if (!prepare(r, &x, m, (How){.precision = DTYPE_BF16}, e))
        reference_expect_heads(g, x, true, doc_find(m, "outputs"), e);
    executor_free(x);
}

/* ---- gradients ---- */

/* The gradient of the mean of head · cotangent. */
static int seed_heads(const ReferenceNetwork *r, Executor *x, const DocNode *m, Err *e)
{
    const DocNode *cotangents = doc_find(doc_find(m, "gradient"), "cotangents");
    const DocNode *name = cotangents ? cotangents->first : NULL;
    for (int i = 0; i < r->head_count; i++, name = name->next) {
        Tensor *head = executor_output(x, i);
        const Shape s = head->shape;
        if (!name) return err_set(e, ERR_FORMAT, "fewer cotangents than heads");
        float *nchw = mem_alloc((size_t)shape_count(s) * sizeof *nchw, e);
        if (!nchw) return ERR_NOMEM;
        rule_tensor(nchw, golden_string(m, "prefix"), name->text, shape_count(s), 1 / (double)shape_count(s));
        golden_to_nhwc(head->grad, nchw, s.n, s.c, s.h, s.w);
        mem_free(nchw);
    }
    return 0;
}

/* The largest relative noise of a gradient that is not analytically zero, of which a kink may flip. */
static double largest_noise(const DocNode *params, double total)
{
    double worst = 0;
    for (const DocNode *p = params->first; p; p = p->next) {
        const double norm = golden_number(p, "norm", 0);
        if (norm < 1e-6 * total) continue;
        worst = fmax(worst, golden_number(p, "norm_f32_diff", 0) / norm);
        worst = fmax(worst, golden_number(p, "dot_f32_diff", 0) / norm);
    }
    return worst;
}

static void compare_gradient(Golden *g, const char *prefix, const DocNode *p, const float *gradient, int64_t count,
                             double total, double bound)
{
    char name[256];
    const double norm = golden_number(p, "norm", NAN), dot = golden_number(p, "dot", NAN);
    double square = 0, product = 0;
    snprintf(name, sizeof name, "g:%s", p->key);
    const uint64_t key = rule_key(prefix, name);
    for (int64_t i = 0; i < count; i++) {
        square += (double)gradient[i] * gradient[i];
        product += (double)gradient[i] * rule_unit(key, i);
    }
    const double scale = norm < 1e-6 * total ? 1e-6 * total : bound * norm;
    golden_expect(g, name, fabs(sqrt(square) - norm), scale);
    golden_expect(g, name, fabs(product - dot), scale);
}

static void compare_gradients(Golden *g, const ReferenceNetwork *r, Executor *x, const DocNode *m, const DocNode *grad,
                              double floor)
{
    const Gradients *found = executor_gradients(x);
    const DocNode *params = doc_find(grad, "params");
    const double total = golden_number(grad, "total_norm", NAN);
    const double bound = fmax(floor, 4 * largest_noise(params, total));
    for (const DocNode *p = params->first; p; p = p->next) {
        const int index = graph_find_param(r->graph, p->key);
        if (index < 0 || found->offset[index] < 0) golden_fail(g, "%s has no gradient", p->key);
        else
            compare_gradient(g, golden_string(m, "prefix"), p, found->values + found->offset[index],
                             graph_params(r->graph)[index].count, total, bound);
    }
    if (params->count != graph_param_count(r->graph))
        golden_fail(g, "the network has %d parameters, the golden %d", graph_param_count(r->graph), params->count);
}

static void compare_input_gradient(Golden *g, const char *part, Executor *x, const DocNode *m, double floor, Err *e)
{
    Array expected = {0};
    const DocNode *noise = doc_find(doc_find(m, "gradient"), "input_grad");
    char *path = path_format(e, "%s/%s/grad_input.npy", g->folder, part);
    float *found = reference_nchw(executor_input(x, 0), true, e);
    if (path && found && !npy_read(&expected, path, e)) {
        if (array_count(&expected) != shape_count(executor_input(x, 0)->shape))
            golden_fail(g, "grad_input.npy has another shape");
        else
            golden_expect(g, "input", golden_relative_l2(found, expected.data, array_count(&expected)),
                          fmax(floor, 4 * golden_number(noise, "noise_rel_l2", 0)));
    }
    array_free(&expected);
    mem_free(found);
    mem_free(path);
}

static void run_pass(Golden *g, const char *part, const ReferenceNetwork *r, const DocNode *m, const DocNode *grad,
                     const char *implementation, double floor, Err *e)
{
    Executor *x = NULL;
    const How how = {DTYPE_F32, true, implementation};
    if (!prepare(r, &x, m, how, e) && !seed_heads(r, x, m, e) && !executor_backward(x, &(Step){0}, e)) {
        compare_gradients(g, r, x, m, grad, floor);
        compare_input_gradient(g, part, x, m, floor, e);
    }
    executor_free(x);
}

/* The rounding of float32's sums changes the sign of some activations near 0, and so the slope of a leaky ReLU. So the
 * strict bound is for sums in double precision, where the rounding is smaller. */
static void run_gradients(Golden *g, const char *part, const ReferenceNetwork *r, const DocNode *m, Err *e)
{
    Doc grad = {0};
    char *path = golden_path(g, golden_string(doc_find(m, "gradient"), "file"), e);
    if (path && !doc_read(&grad, path, e)) {
        run_pass(g, part, r, m, grad.root, "plain", 1e-4, e);
        if (!e->code) run_pass(g, part, r, m, grad.root, NULL, 1e-2, e);
    }
    doc_free(&grad);
    mem_free(path);
}

/* ---- a network ---- */

static void run_parts(Golden *g, const char *part, const DocNode *m, Err *e)
{
    ReferenceNetwork r = {.graph = NULL};
    Executor *x = NULL;
    if (!doc_find(m, "outputs")) {
        err_set(e, ERR_FORMAT, "the manifest has no outputs");
        return;
    }
    if (open_network(&r, m, e)) return;
    compare_parameters(g, part, r.graph, m, e);
    if (!e->code && !prepare(&r, &x, m, (How){.precision = DTYPE_F32}, e))
        reference_expect_heads(g, x, false, doc_find(m, "outputs"), e);
    executor_free(x);
    if (doc_find(m, "outputs")->count != r.head_count)
        golden_fail(g, "the network has %d heads, the golden %d", r.head_count, doc_find(m, "outputs")->count);
    if (!e->code) run_bf16(g, &r, m, e);
    if (!e->code && doc_find(m, "gradient")) run_gradients(g, part, &r, m, e);
    reference_network_close(&r);
}

static void run_network(Golden *g, const char *part)
{
    Err e = {ERR_NONE, ""};
    Doc doc = {0};
    char *path = path_format(&e, "%s/%s/manifest.json", g->folder, part);
    if (golden_begin(g, "%s", part)) {
        if (path && !doc_read(&doc, path, &e)) run_parts(g, part, doc.root, &e);
        if (e.code) golden_fail(g, "%s", e.text);
        golden_end(g);
    }
    doc_free(&doc);
    mem_free(path);
}

static bool has(const char *folder, const char *part, const char *file)
{
    char *path = path_format(NULL, "%s/%s/%s", folder, part, file);
    const bool there = path && exists(path);
    mem_free(path);
    return there;
}

bool golden_is_zoo(const char *folder)
{
    FileList list;
    bool found = false;
    if (file_list(&list, folder, NULL)) return false;
    for (int i = 0; i < list.count && !found; i++)
        found = has(folder, list.names[i], "manifest.json") && has(folder, list.names[i], "params.txt");
    file_list_free(&list);
    return found || has(folder, "ops", "manifest.json");
}

void golden_zoo(Golden *g)
{
    FileList list;
    Err e = {ERR_NONE, ""};
    if (file_list(&list, g->folder, &e)) {
        golden_begin(g, "zoo");
        golden_fail(g, "%s", e.text);
        golden_end(g);
        return;
    }
    for (int i = 0; i < list.count; i++)
        if (has(g->folder, list.names[i], "params.txt")) run_network(g, list.names[i]);
    golden_zoo_ops(g);
    file_list_free(&list);
}
