#include "tests/support/reference_network.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "data/npy.h"
#include "network/models/vss_encoder.h"
#include "tests/support/rule.h"

const char *reference_network_name(const char *golden_name)
{
    static const struct {
        const char *golden, *ours;
    } names[] = {{"U_", "swin_umamba"},
                 {"D_", "swin_umamba_d"},
                 {"P_", "swin_umamba_paper"},
                 {"SwinUMambaD", "swin_umamba_d"},
                 {"SwinUMamba", "swin_umamba"}};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (!strncmp(golden_name, names[i].golden, strlen(names[i].golden))) return names[i].ours;
    return NULL;
}

int reference_network_open(ReferenceNetwork *r, const char *name, const int64_t *shape, int64_t classes,
                           const char *prefix, Err *e)
{
    NetworkSpec spec;
    const char *ours = reference_network_name(name);
    *r = (ReferenceNetwork){.graph = NULL};
    if (!ours) return err_set(e, ERR_VALUE, "no network is known as '%s'", name);
    TRY(network_defaults(&spec, ours, e));
    spec.channels = shape[1];
    spec.height = shape[2];
    spec.width = shape[3];
    spec.classes = classes;
    spec.deep_supervision = true;
    ((VssConfig *)&spec.config)->drop_path =
        0; /* the references run in evaluation mode; nothing else differs from training */
    return reference_network_build(r, &spec, shape[0], prefix, e);
}

int reference_network_spec(NetworkSpec *spec, const char *name, const DocNode *entry, const int64_t *shape,
                           int64_t classes, Err *e)
{
    int64_t dims[VSS_STAGES], depths[VSS_STAGES];
    if (golden_shape(entry, "dims", dims, VSS_STAGES) != VSS_STAGES ||
        golden_shape(entry, "depths", depths, VSS_STAGES) != VSS_STAGES)
        return err_set(e, ERR_FORMAT, "expected dims and depths of %d stages", VSS_STAGES);
    TRY(network_defaults(spec, name, e));
    VssConfig *config = (VssConfig *)&spec->config;
    config->width = (double)dims[0] / VSS_CHANNELS;
    for (int i = 0; i < VSS_STAGES; i++) config->depths[i] = (int)depths[i];
    config->drop_path = 0;
    spec->channels = shape[1];
    spec->height = shape[2];
    spec->width = shape[3];
    spec->classes = classes;
    return 0;
}

int reference_network_build(ReferenceNetwork *r, const NetworkSpec *spec, int64_t batch, const char *prefix, Err *e)
{
    *r = (ReferenceNetwork){.spec = *spec, .input = {batch, spec->height, spec->width, spec->channels}};
    int failed = network_build(&r->graph, spec, e);
    if (!failed) failed = parameters_new(&r->parameters, r->graph, e);
    for (int i = 0; !failed && prefix && i < graph_param_count(r->graph); i++) {
        const Param *p = &graph_params(r->graph)[i];
        rule_param(parameters_of(r->parameters, i), prefix, p->name, p->rank, p->shape);
    }
    if (!failed) r->head_count = network_heads(r->graph, r->heads);
    if (!failed && !graph_find(r->graph, "loss", &r->loss)) failed = err_set(e, ERR_VALUE, "the network has no loss");
    if (failed) reference_network_close(r);
    else parameters_changed(r->parameters);
    return failed;
}

void reference_network_close(ReferenceNetwork *r)
{
    parameters_free(r->parameters);
    graph_free(r->graph);
    *r = (ReferenceNetwork){.graph = NULL};
}

const Device *reference_device(Err *e)
{
    const char *name = getenv("SWIN_UMAMBA_TEST_DEVICE");
    return device_named(name && *name ? name : "cpu", e);
}

int reference_fill_image(Executor *x, const char *prefix, const char *rule_name, Err *e)
{
    const Shape s = executor_input_shape(x, 0);
    float *image = executor_input_memory(x, 0, e), *nchw = mem_alloc((size_t)shape_count(s) * sizeof *nchw, e);
    if (image && nchw) {
        rule_tensor(nchw, prefix, rule_name, shape_count(s), sqrt(3));
        golden_to_nhwc(image, nchw, s.n, s.c, s.h, s.w);
    }
    mem_free(nchw);
    return image && nchw ? executor_feed(x, 0, image, e) : ERR_NOMEM;
}

int reference_fill_labels(Executor *x, const char *prefix, const char *rule_name, int classes, Err *e)
{
    const int64_t count = shape_count(executor_input_shape(x, 1));
    int16_t *labels = executor_input_memory(x, 1, e);
    uint8_t *bytes = mem_alloc((size_t)count, e);
    if (labels && bytes) {
        rule_labels(bytes, prefix, rule_name, count, classes);
        for (int64_t i = 0; i < count; i++) labels[i] = bytes[i];
    }
    mem_free(bytes);
    return labels && bytes ? executor_feed(x, 1, labels, e) : ERR_NOMEM;
}

static float *nchw_of(const float *data, Shape s, int64_t pitch, Err *e)
{
    float *out = mem_alloc((size_t)shape_count(s) * sizeof *out, e);
    if (!out) return NULL;
    for (int64_t b = 0; b < s.n; b++)
        for (int64_t p = 0; p < s.h * s.w; p++)
            for (int64_t c = 0; c < s.c; c++)
                out[(b * s.c + c) * s.h * s.w + p] = data[(b * s.h * s.w + p) * pitch + c];
    return out;
}

float *reference_nchw(const Tensor *t, bool grad, Err *e)
{
    return nchw_of(grad ? t->grad : t->data, t->shape, t->pitch, e);
}

float *reference_output(Executor *x, int index, Err *e)
{
    const Shape s = executor_output_shape(x, index);
    float *memory = executor_output_memory(x, index, e);
    if (!memory || executor_fetch(x, index, memory, e) || executor_wait(x, e)) return NULL;
    return nchw_of(memory, s, s.c, e);
}

/* The values as dense (N,C,H,W); NULL after a failure, which is reported. */
static float *values_like(Golden *g, const char *name, Executor *x, int index, const Array *expected)
{
    Err e = {ERR_NONE, ""};
    if (array_count(expected) != shape_count(executor_output_shape(x, index))) {
        golden_fail(g, "%s: the golden has another shape", name);
        return NULL;
    }
    float *found = reference_output(x, index, &e);
    if (!found) golden_fail(g, "%s", e.text);
    return found;
}

void reference_expect(Golden *g, const char *name, Executor *x, int index, const Array *expected, const DocNode *record)
{
    float *found = values_like(g, name, x, index, expected);
    if (found) golden_expect_values(g, name, found, expected->data, array_count(expected), record);
    mem_free(found);
}

/* Likewise by relative L2 error. */
static void expect_near(Golden *g, const char *name, Executor *x, int index, const Array *expected, double bound)
{
    float *found = values_like(g, name, x, index, expected);
    if (found) golden_expect(g, name, golden_relative_l2(found, expected->data, array_count(expected)), bound);
    mem_free(found);
}

void reference_expect_heads(Golden *g, Executor *x, bool bf16, const DocNode *outputs, Err *e)
{
    int i = 0;
    for (const DocNode *head = outputs->first; head && !e->code; head = head->next, i++) {
        char name[24];
        Array expected = {0};
        char *path = golden_path(g, golden_string(head, "file"), e);
        snprintf(name, sizeof name, bf16 ? "head%d in bf16" : "head%d", i);
        if (path && !npy_read(&expected, path, e)) {
            if (bf16) expect_near(g, name, x, i, &expected, GOLDEN_BF16_BOUND);
            else reference_expect(g, name, x, i, &expected, head);
        }
        array_free(&expected);
        mem_free(path);
    }
}
