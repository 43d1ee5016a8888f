/* Part grad: loss, every parameter's gradient and the input's, of whole networks. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "data/npy.h"
#include "tests/support/gold.h"
#include "tests/support/golden.h"
#include "tests/support/reference_network.h"
#include "tests/support/rule.h"

/* The values from which a case's bounds are computed. */
typedef struct Bounds {
    double total_norm; /* of all gradients together */
    double kinks;      /* for networks with leaky ReLUs: max(1e-2, 4 × the largest noise); else 0 */
} Bounds;

static bool is_zero_gradient(const DocNode *p, const Bounds *b)
{
    return golden_number(p, "l2", 0) < 1e-6 * b->total_norm;
}

static Bounds bounds_of(const DocNode *c)
{
    Bounds b = {golden_number(c, "total_grad_norm", NAN), 0};
    if (golden_string(c, "name")[0] == 'D') return b;
    b.kinks = 1e-2;
    for (const DocNode *p = doc_find(c, "params")->first; p; p = p->next)
        if (!is_zero_gradient(p, &b)) b.kinks = fmax(b.kinks, 4 * golden_number(p, "noise_l2_rel", 0));
    return b;
}

/* A parameter's gradient against its norm and its samples. */
static void compare_parameter(Golden *g, const char *prefix, const ReferenceNetwork *r, const Gradients *gradients,
                              const DocNode *p, const float *samples, const Bounds *b)
{
    const char *name = golden_string(p, "name");
    const int index = graph_find_param(r->graph, name);
    if (index < 0) {
        golden_fail(g, "the network has no parameter %s", name);
        return;
    }
    const Param *q = &graph_params(r->graph)[index];
    const int64_t offset = gradients->offset[index];
    if (doc_find(p, "none")) {
        golden_expect(g, name, offset >= 0, 0);
        return;
    }
    if (offset < 0) {
        golden_fail(g, "%s has no gradient", name);
        return;
    }
    const float *gradient = gradients->values + offset;
    int64_t at[RULE_SAMPLES];
    float found[RULE_SAMPLES];
    double square = 0, largest = 0;
    const int64_t count = rule_samples(at, prefix, name, q->count, RULE_SAMPLES);
    for (int64_t i = 0; i < q->count; i++) square += (double)gradient[i] * gradient[i];
    for (int64_t i = 0; i < count; i++) {
        found[i] = gradient[at[i]];
        largest = fmax(largest, fabs((double)found[i] - samples[i]));
    }
    if (is_zero_gradient(p, b)) {
        golden_expect(g, name, fmax(sqrt(square) - golden_number(p, "l2", 0), largest), 1e-6 * b->total_norm);
        return;
    }
    const double bound = b->kinks > 0 ? b->kinks : fmax(1e-4, 8 * golden_number(p, "noise_l2_rel", 0));
    const double norm = golden_number(p, "l2", NAN);
    golden_expect(g, name, golden_relative_l2(found, samples, count), bound);
    golden_expect(g, name, fabs(sqrt(square) - norm) / norm, bound);
}

static void compare_parameters(Golden *g, const char *prefix, const ReferenceNetwork *r, const Executor *x,
                               const DocNode *c, Err *e)
{
    const Bounds b = bounds_of(c);
    const Gradients *gradients = executor_gradients(x);
    Array samples = {0};
    char *path = golden_path(g, golden_string(c, "samples_file"), e);
    int64_t row = 0, rows = 0;
    double square = 0;
    for (int64_t i = 0; i < gradients->count; i++) square += (double)gradients->values[i] * gradients->values[i];
    golden_expect(g, "total norm", fabs(sqrt(square) - b.total_norm) / b.total_norm, fmax(1e-4, b.kinks));
    for (const DocNode *p = doc_find(c, "params")->first; p; p = p->next) rows++;
    if (path && !npy_read(&samples, path, e)) {
        if (samples.rank != 2 || samples.shape[0] < rows || samples.shape[1] != RULE_SAMPLES)
            golden_fail(g, "%s: expected %lld rows of %d samples", path, (long long)rows, RULE_SAMPLES);
        else
            for (const DocNode *p = doc_find(c, "params")->first; p; p = p->next, row++)
                compare_parameter(g, prefix, r, gradients, p, (const float *)samples.data + row * RULE_SAMPLES, &b);
    }
    if (rows != graph_param_count(r->graph))
        golden_fail(g, "the network has %d parameters, the golden %lld", graph_param_count(r->graph), (long long)rows);
    array_free(&samples);
    mem_free(path);
}

static void compare_input(Golden *g, Executor *x, const DocNode *c, Err *e)
{
    Gold gold;
    const Bounds b = bounds_of(c);
    char *path = golden_path(g, golden_string(c, "input_grad_and_targets_file"), e);
    if (!path || gold_open(&gold, path, e)) {
        mem_free(path);
        return;
    }
    const Array *expected = gold_find(&gold, "grad_input");
    const double noise = golden_number(doc_find(c, "input_grad_noise"), "noise_rel_l2", 0);
    float *found = reference_nchw(executor_input(x, 0), true, e);
    if (!expected) golden_fail(g, "the bundle has no grad_input");
    else if (found)
        golden_expect(g, "input", golden_relative_l2(found, expected->data, array_count(expected)),
                      b.kinks > 0 ? fmax(b.kinks, 4 * noise) : fmax(1e-4, 8 * noise));
    mem_free(found);
    gold_close(&gold);
    mem_free(path);
}

/* Forward and backward of a case's loss; the losses of all heads come along. */
static int run_case(ReferenceNetwork *r, Executor **x, const DocNode *c, const char *prefix, Err *e)
{
    int64_t shape[4];
    const DocNode *input = doc_find(c, "input"), *labels = doc_find(c, "labels");
    if (!input || !labels || golden_shape(input, "shape", shape, 4) != 4)
        return err_set(e, ERR_FORMAT, "the case has no input shape or labels");
    const int classes = (int)golden_number(labels, "classes", 0);
    TRY(reference_network_open(r, golden_string(c, "name"), shape, classes, prefix, e));
    Ref outputs[1 + NETWORK_HEADS] = {r->loss};
    for (int i = 0; i < r->head_count; i++) {
        char name[16];
        snprintf(name, sizeof name, "loss%d", i);
        graph_find(r->graph, name, &outputs[1 + i]);
    }
    const Shape sizes[] = {r->input, {r->input.n, r->input.h, r->input.w, 1}};
    const ExecutorOptions o = {.inputs = sizes,
                               .outputs = outputs,
                               .output_count = 1 + r->head_count,
                               .train = true,
                               .unseeded = ~1u,
                               .input_gradients = 1};
    TRY(executor_new(x, r->graph, r->parameters, &o, e));
    TRY(reference_fill_image(*x, prefix, golden_string(input, "rule_name"), e));
    TRY(reference_fill_labels(*x, prefix, golden_string(labels, "rule_name"), classes, e));
    TRY(executor_forward(*x, &(Step){0}, e));
    *(float *)executor_output(*x, 0)->grad = 1;
    TRY(executor_backward(*x, &(Step){0}, e));
    return 0;
}

static double scalar(Executor *x, int index) { return *(const float *)executor_output(x, index)->data; }

static void run_grad(Golden *g, const DocNode *c, const char *prefix)
{
    Err e = {ERR_NONE, ""};
    ReferenceNetwork r = {.graph = NULL};
    Executor *x = NULL;
    if (!golden_begin(g, "grad/%s", golden_string(c, "name"))) return;
    if (!doc_find(c, "params") || !doc_find(c, "loss")) err_set(&e, ERR_FORMAT, "the case has no params or loss");
    if (!e.code && !run_case(&r, &x, c, prefix, &e)) {
        const double loss = golden_number(c, "loss", NAN);
        golden_expect(g, "loss", fabs(scalar(x, 0) - loss),
                      fmax(8 * golden_number(c, "loss_f32_noise", 0), 4e-6 * fabs(loss)));
        const DocNode *scales = doc_find(c, "loss_per_scale_unweighted");
        int i = 1;
        for (const DocNode *s = scales ? scales->first : NULL; s; s = s->next, i++) {
            double expected = NAN;
            doc_get_double(s, &expected, NULL);
            golden_expect(g, "loss per scale", fabs(scalar(x, i) - expected), 4e-6 * fabs(expected));
        }
        compare_parameters(g, prefix, &r, x, c, &e);
        if (!e.code) compare_input(g, x, c, &e);
    }
    if (e.code) golden_fail(g, "%s", e.text);
    executor_free(x);
    reference_network_close(&r);
    golden_end(g);
}

void golden_gradients(Golden *g)
{
    golden_manifest(g, "manifest_grad.json", "grad", run_grad);
    golden_manifest(g, "manifest_grad_paper.json", "grad", run_grad);
}
