#include "trainer/checkpoint.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "model/import.h"
#include "weights/safetensors.h"

static const char STEPS[] = "optimizer.step";
static const char TRAINED[] = "optimizer.weights."; /* of the trained weights, where there is an average */

/* ---- writing ---- */

static int add_view(WeightsFile *w, const char *name, const Param *p, float *values, Err *e)
{
    return weights_add(w, name, array_view(DTYPE_F32, p->rank, p->shape, values), e);
}

/* "optimizer.exp_avg.NAME" … */
static int moment_name(Text *name, const Optimizer *optimizer, int which, const Param *p, Err *e)
{
    text_add(name, "optimizer.%s.%s", optimizer_moment_name(optimizer, which), p->name);
    return text_check(name, e);
}

static int add_moments(WeightsFile *w, const Param *p, int index, Optimizer *optimizer, Err *e)
{
    int code = 0;
    for (int k = 0; k < OPTIMIZER_MOMENTS && optimizer_moment_name(optimizer, k) && !code; k++) {
        Text name = {0};
        code = moment_name(&name, optimizer, k, p, e);
        if (!code) code = add_view(w, name.data, p, optimizer_moment(optimizer, index, k), e);
        text_free(&name);
    }
    return code;
}

static int add_optimizer(WeightsFile *w, const Graph *g, Optimizer *optimizer, Err *e)
{
    Array steps;
    const int64_t count = graph_param_count(g);
    TRY(array_new(&steps, DTYPE_I64, 1, &count, e));
    for (int i = 0; i < count; i++) {
        if (!optimizer_has_state(optimizer, i)) continue;
        ((int64_t *)steps.data)[i] = optimizer_steps(optimizer)[i];
        const int code = add_moments(w, &graph_params(g)[i], i, optimizer, e);
        if (code) {
            array_free(&steps);
            return code;
        }
    }
    return weights_add(w, STEPS, steps, e);
}

static int add_number(WeightsFile *w, const char *key, double value, Err *e)
{
    Text text = {0};
    text_add_double(&text, value);
    int code = text_check(&text, e);
    if (!code) code = weights_add_note(w, key, text.data, e);
    text_free(&text);
    return code;
}

static int add_state(WeightsFile *w, const RunState *state, Err *e)
{
    TRY(weights_note(w, e, "epoch", "%d", state->epoch));
    TRY(weights_note(w, e, "iteration", "%d", state->iteration));
    TRY(add_number(w, "loss_sum", state->loss_sum, e));
    TRY(add_number(w, "seconds", state->seconds, e));
    TRY(add_number(w, "cpu_seconds", state->cpu_seconds, e));
    TRY(add_number(w, "best_ema", state->best_ema, e));
    if (state->plan.length) TRY(weights_add_note(w, "plan", state->plan.data, e));
    if (state->pretrained.length) TRY(weights_add_note(w, "pretrained", state->pretrained.data, e));
    Text curves = {0};
    history_text(&state->history, &curves);
    int code = text_check(&curves, e);
    if (!code) code = weights_add_note(w, "curves", curves.data, e);
    text_free(&curves);
    return code;
}

/* prefix: of their names */
static int add_parameters(WeightsFile *w, const char *prefix, Parameters *parameters, Err *e)
{
    const Graph *g = parameters->graph;
    TRY(parameters_to_host(parameters, e));
    int code = 0;
    for (int i = 0; i < graph_param_count(g) && !code; i++) {
        Text name = {0};
        text_add(&name, "%s%s", prefix, graph_params(g)[i].name);
        code = text_check(&name, e);
        if (!code) code = add_view(w, name.data, &graph_params(g)[i], parameters_of(parameters, i), e);
        text_free(&name);
    }
    return code;
}

int checkpoint_write(const char *path, const CheckpointWeights *weights, Optimizer *optimizer, const RunState *state,
                     Err *e)
{
    const Graph *g = weights->trained->graph;
    WeightsFile w = {0};
    TRY(optimizer_to_host(optimizer, e));
    int code = add_parameters(&w, "", weights->average ? weights->average : weights->trained, e);
    if (!code && weights->average) code = add_parameters(&w, TRAINED, weights->trained, e);
    if (!code) code = add_optimizer(&w, g, optimizer, e);
    if (!code) code = add_state(&w, state, e);
    if (!code) code = safetensors_write(&w, path, e);
    weights_close(&w);
    return code;
}

/* ---- reading ---- */

/* The values of the tensor `name`, which has the shape of p. */
static int read_values(const WeightsFile *w, const char *name, const Param *p, float *values, Err *e)
{
    const Array *a = weights_find(w, name);
    if (!a || a->dtype != DTYPE_F32 || array_count(a) != p->count)
        return err_set(e, ERR_FORMAT, "%s is missing or of another size", name);
    memcpy(values, a->data, array_bytes(a));
    return 0;
}

static int read_moments(const WeightsFile *w, const Param *p, int index, Optimizer *optimizer, Err *e)
{
    int code = 0;
    for (int k = 0; k < OPTIMIZER_MOMENTS && optimizer_moment_name(optimizer, k) && !code; k++) {
        Text name = {0};
        code = moment_name(&name, optimizer, k, p, e);
        if (!code) code = read_values(w, name.data, p, optimizer_moment(optimizer, index, k), e);
        text_free(&name);
    }
    return code;
}

static int64_t step_count(const Array *steps, int index)
{
    int64_t count;
    memcpy(&count, (const char *)steps->data + (size_t)index * sizeof count, sizeof count);
    return count;
}

static int read_optimizer(const WeightsFile *w, const Graph *g, Optimizer *optimizer, Err *e)
{
    const int count = graph_param_count(g);
    const Array *steps = weights_find(w, STEPS);
    if (!steps || steps->dtype != DTYPE_I64 || array_count(steps) != count)
        return err_set(e, ERR_FORMAT, "%s is missing or of another size: a run cannot continue from these weights",
                       STEPS);
    bool *marked = mem_zalloc((size_t)count, sizeof *marked, e);
    if (!marked) return ERR_NOMEM;
    for (int i = 0; i < count; i++) marked[i] = step_count(steps, i) > 0;
    int code = optimizer_reserve(optimizer, marked, e);
    for (int i = 0; i < count && !code; i++) {
        if (!marked[i]) continue;
        optimizer_steps(optimizer)[i] = step_count(steps, i);
        code = read_moments(w, &graph_params(g)[i], i, optimizer, e);
    }
    optimizer_changed(optimizer);
    mem_free(marked);
    return code;
}

static int read_count(const WeightsFile *w, const char *key, int *value, Err *e)
{
    int64_t number = 0;
    TRY(weights_note_integer(w, key, &number, e));
    if (number < 0 || number > INT32_MAX) return err_set(e, ERR_FORMAT, "%s: %lld", key, (long long)number);
    *value = (int)number;
    return 0;
}

static int read_pretrained(const WeightsFile *w, const Graph *g, RunState *state, Err *e)
{
    const char *pretrained = weights_note_text(w, "pretrained");
    if (!pretrained) return 0;
    if (strlen(pretrained) != (size_t)graph_param_count(g) || strspn(pretrained, "01") != strlen(pretrained))
        return err_set(e, ERR_FORMAT, "pretrained: expected 0 or 1 for each of the network's %d parameters",
                       graph_param_count(g));
    text_add(&state->pretrained, "%s", pretrained);
    return text_check(&state->pretrained, e);
}

static int read_state(const WeightsFile *w, RunState *state, Err *e)
{
    TRY(read_count(w, "epoch", &state->epoch, e));
    TRY(read_count(w, "iteration", &state->iteration, e));
    TRY(weights_note_number(w, "loss_sum", &state->loss_sum, e));
    TRY(weights_note_number(w, "seconds", &state->seconds, e));
    if (weights_note_text(w, "cpu_seconds")) TRY(weights_note_number(w, "cpu_seconds", &state->cpu_seconds, e));
    TRY(weights_note_number(w, "best_ema", &state->best_ema, e));
    const char *curves = weights_note_text(w, "curves"), *plan = weights_note_text(w, "plan");
    if (plan) text_add(&state->plan, "%s", plan);
    TRY(text_check(&state->plan, e));
    if (!curves) return err_set(e, ERR_FORMAT, "the curves are missing");
    return history_parse(&state->history, curves, e);
}

/* The weights that an average was made of. */
static int read_trained(const WeightsFile *w, Parameters *parameters, Err *e)
{
    const Graph *g = parameters->graph;
    int code = 0;
    for (int i = 0; i < graph_param_count(g) && !code; i++) {
        const Param *p = &graph_params(g)[i];
        Text name = {0};
        text_add(&name, "%s%s", TRAINED, p->name);
        code = text_check(&name, e);
        if (!code) code = read_values(w, name.data, p, parameters_of(parameters, i), e);
        text_free(&name);
    }
    parameters_changed(parameters);
    return code;
}

int checkpoint_read(const char *path, const CheckpointWeights *weights, Optimizer *optimizer, RunState *state, Err *e)
{
    const Graph *g = weights->trained->graph;
    WeightsFile w = {0};
    TRY(safetensors_open(&w, path, e));
    int code = weights_refuse_nonfinite(&w, e);
    if (!code) code = import_network(weights->average ? weights->average : weights->trained, &w, e);
    if (!code && weights->average) code = read_trained(&w, weights->trained, e);
    if (!code) code = read_optimizer(&w, g, optimizer, e);
    if (!code) code = read_state(&w, state, e);
    if (!code) code = read_pretrained(&w, g, state, e);
    weights_close(&w);
    return code ? err_context(e, "%s", path) : 0;
}

int checkpoint_plan(Text *plan, const char *path, Err *e)
{
    WeightsFile w = {0};
    TRY(safetensors_open(&w, path, e));
    const char *text = weights_note_text(&w, "plan");
    if (text) text_add(plan, "%s", text);
    weights_close(&w);
    return text_check(plan, e);
}
