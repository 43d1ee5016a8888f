/* The optimiser against PyTorch's results and its definition; which parameters it does not change, which states it
 * keeps, and that results do not depend on the number of threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "network/optimizer/optimizer.h"
#include "tests/support/gold.h"
#include "tests/support/stepped.h"

static const AdamW swin_umamba = {0.9, 0.999, 1e-5, 0.05, 12};
static const SGD nnunet = {0.99, 3e-5, 12};

/* Three parameters and gradients for any of them. */
enum { PARAMS = 3, ELEMENTS = 35 + 11 + 54 };
static const int64_t counts[PARAMS] = {35, 11, 54}, starts[PARAMS] = {0, 35, 46};

typedef struct Fixture {
    Graph *graph;
    Parameters *parameters;
    Optimizer *optimizer;
    Gradients gradients;
    float values[ELEMENTS];
    int64_t offset[PARAMS];
} Fixture;

/* adamw NULL: SGD */
static void set_up(Fixture *f, const AdamW *adamw)
{
    static const int64_t shapes[PARAMS][4] = {{7, 5}, {11}, {3, 2, 3, 3}};
    static const int ranks[PARAMS] = {2, 1, 4};
    *f = (Fixture){.graph = graph_new(NULL)};
    graph_param(f->graph, "p0", ranks[0], shapes[0], INIT_ZERO, 0);
    graph_param(f->graph, "p1", ranks[1], shapes[1], INIT_ZERO, 0);
    graph_param(f->graph, "p2", ranks[2], shapes[2], INIT_ZERO, 0);
    assert_int_equal(parameters_new(&f->parameters, f->graph, NULL), 0);
    assert_int_equal(adamw ? optimizer_new_adamw(&f->optimizer, f->parameters, adamw, NULL)
                           : optimizer_new_sgd(&f->optimizer, f->parameters, &nnunet, NULL),
                     0);
    f->gradients = (Gradients){f->values, ELEMENTS, f->offset, device_cpu()};
}

static void tear_down(Fixture *f)
{
    optimizer_free(f->optimizer);
    parameters_free(f->parameters);
    graph_free(f->graph);
}

/* Element i of all, in the order of the gradients. */
static float *at(Parameters *p, int64_t i)
{
    const int k = i < starts[1] ? 0 : i < starts[2] ? 1 : 2;
    return parameters_of(p, k) + i - starts[k];
}

/* Only the marked parameters have a gradient from now on. */
static void train(Fixture *f, bool first, bool second, bool third)
{
    const bool trained[PARAMS] = {first, second, third};
    for (int i = 0; i < PARAMS; i++) f->offset[i] = trained[i] ? starts[i] : -1;
    assert_int_equal(optimizer_adopt(f->optimizer, &f->gradients, NULL), 0);
}

static void draw(float *x, int64_t count, uint32_t stream)
{
    Rng rng = rng_make(1, 0, 0, stream, RNG_TEST);
    for (int64_t i = 0; i < count; i++) x[i] = (float)rng_normal(&rng);
}

/* ---- PyTorch: five steps with clipping; the second parameter has no gradient in two of them ---- */

static const Array *record(const Gold *g, const char *kind, int step, int param)
{
    char name[32];
    if (step < 0) snprintf(name, sizeof name, "%s.p%d", kind, param);
    else snprintf(name, sizeof name, "%s.%d.p%d", kind, step, param);
    return gold_find(g, name);
}

static void compare_change(const Gold *g, Fixture *f, int step, int param)
{
    const double *expected = record(g, "out", step, param)->data;
    const float *start = record(g, "par", -1, param)->data, *found = parameters_of(f->parameters, param);
    double change = 0, error = 0;
    for (int64_t i = 0; i < counts[param]; i++) {
        change += pow(expected[i] - (double)start[i], 2);
        error += pow(expected[i] - (double)found[i], 2);
    }
    /* the error of a change of 1e-4 from rounding the parameters to float32 */
    if (sqrt(error / change) > 5e-4) fail_msg("step %d parameter %d: %.3g", step, param, sqrt(error / change));
}

static void follows_pytorch(void **state)
{
    (void)state;
    static const double norms[] = {117.39633630143115, 2.6803247317782666, 16.378133417974414, 0.0005849919033844627,
                                   0};
    Err e = {0};
    Gold g;
    Fixture f;
    if (gold_open(&g, "tests/golden/ops/adamw_clip.gold", &e)) fail_msg("%s", e.text);
    set_up(&f, &swin_umamba);
    for (int p = 0; p < PARAMS; p++)
        memcpy(parameters_of(f.parameters, p), record(&g, "par", -1, p)->data, (size_t)counts[p] * sizeof(float));
    for (int step = 0; step < 5; step++) {
        train(&f, record(&g, "grad", step, 0), record(&g, "grad", step, 1), record(&g, "grad", step, 2));
        for (int p = 0; p < PARAMS; p++) {
            const Array *grad = record(&g, "grad", step, p);
            if (grad) memcpy(f.values + starts[p], grad->data, (size_t)counts[p] * sizeof(float));
        }
        const double norm = stepped(f.optimizer, 1e-4);
        assert_true(fabs(norm - norms[step]) <= 1e-6 * norms[step]);
        for (int p = 0; p < PARAMS; p++) compare_change(&g, &f, step, p);
    }
    assert_int_equal(optimizer_steps(f.optimizer)[0], 5);
    assert_int_equal(optimizer_steps(f.optimizer)[1], 3);
    tear_down(&f);
    gold_close(&g);
}

/* ---- SGD: its definition in double, with clipping; the second parameter has no gradient in every third step */

static void step_in_double(double *p, double *m, const Fixture *f, double rate)
{
    double squares = 0;
    for (int i = 0; i < ELEMENTS; i++)
        if (f->offset[1] >= 0 || i < 35 || i >= 46) squares += (double)f->values[i] * (double)f->values[i];
    const double clip = fmin(1, nnunet.clip_norm / (sqrt(squares) + 1e-6));
    for (int i = 0; i < ELEMENTS; i++) {
        if (f->offset[1] < 0 && i >= 35 && i < 46) continue;
        const double d = clip * (double)f->values[i] + nnunet.weight_decay * p[i];
        m[i] = nnunet.momentum * m[i] + d;
        p[i] -= rate * (d + nnunet.momentum * m[i]);
    }
}

static void sgd_follows_its_definition(void **state)
{
    (void)state;
    Fixture f;
    double p[ELEMENTS], m[ELEMENTS] = {0};
    set_up(&f, NULL);
    draw(f.parameters->values, ELEMENTS, 0);
    for (int i = 0; i < ELEMENTS; i++) p[i] = (double)*at(f.parameters, i);
    for (int step = 0; step < 9; step++) {
        draw(f.values, ELEMENTS, (uint32_t)step + 1);
        for (int i = 0; i < ELEMENTS; i++) f.values[i] *= (float)(step + 1) / 4; /* norms below and above 12 */
        train(&f, true, step % 3, true);
        step_in_double(p, m, &f, 1e-2);
        stepped(f.optimizer, 1e-2);
        for (int i = 0; i < ELEMENTS; i++)
            if (fabs((double)*at(f.parameters, i) - p[i]) > 2e-6 * fmax(1, fabs(p[i])))
                fail_msg("step %d, element %d: %.9g, expected %.9g", step, i, (double)*at(f.parameters, i), p[i]);
    }
    assert_int_equal(optimizer_steps(f.optimizer)[1], 6);
    assert_string_equal(optimizer_moment_name(f.optimizer, 0), "momentum_buffer");
    assert_null(optimizer_moment_name(f.optimizer, 1));
    assert_int_equal(optimizer_bytes(f.optimizer), ELEMENTS * sizeof(float));
    tear_down(&f);
}

/* ---- Adam: its definition in double, without clipping ---- */

static void adam_follows_its_definition(void **state)
{
    (void)state;
    const AdamW adam = {0.9, 0.999, 1e-5, 0.1, 0};
    Fixture f;
    double p[ELEMENTS], m[ELEMENTS] = {0}, v[ELEMENTS] = {0};
    set_up(&f, NULL);
    optimizer_free(f.optimizer);
    assert_int_equal(optimizer_new_adam(&f.optimizer, f.parameters, &adam, NULL), 0);
    draw(f.parameters->values, ELEMENTS, 0);
    for (int i = 0; i < ELEMENTS; i++) p[i] = (double)*at(f.parameters, i);
    for (int t = 1; t < 9; t++) {
        draw(f.values, ELEMENTS, (uint32_t)t);
        train(&f, true, true, true);
        stepped(f.optimizer, 1e-2);
        for (int i = 0; i < ELEMENTS; i++) {
            const double g = (double)f.values[i] + adam.weight_decay * p[i];
            m[i] = adam.beta1 * m[i] + (1 - adam.beta1) * g;
            v[i] = adam.beta2 * v[i] + (1 - adam.beta2) * g * g;
            p[i] -= 1e-2 * m[i] / (1 - pow(adam.beta1, t)) / (sqrt(v[i] / (1 - pow(adam.beta2, t))) + adam.epsilon);
            if (fabs((double)*at(f.parameters, i) - p[i]) > 2e-6 * fmax(1, fabs(p[i])))
                fail_msg("step %d, element %d: %.9g, expected %.9g", t, i, (double)*at(f.parameters, i), p[i]);
        }
    }
    assert_string_equal(optimizer_moment_name(f.optimizer, 1), "exp_avg_sq");
    tear_down(&f);
}

/* ---- the average: its definition in double; the second parameter has no gradient in every third step ---- */

static void the_average_has_decaying_weights(void **state)
{
    (void)state;
    static const double DECAY = 0.75;
    Fixture f;
    Parameters *average;
    double sum[ELEMENTS] = {0}, weight[PARAMS] = {0};
    set_up(&f, &swin_umamba);
    draw(f.parameters->values, ELEMENTS, 0);
    assert_int_equal(parameters_new(&average, f.graph, NULL), 0);
    parameters_copy(average, f.parameters);
    optimizer_average(f.optimizer, average, DECAY);
    for (int step = 0; step < 9; step++) {
        draw(f.values, ELEMENTS, (uint32_t)step + 1);
        train(&f, true, step % 3, true);
        stepped(f.optimizer, 1e-1);
        for (int p = 0; p < PARAMS; p++) {
            if (f.offset[p] < 0) continue;
            weight[p] = DECAY * weight[p] + 1 - DECAY;
            for (int64_t i = starts[p]; i < starts[p] + counts[p]; i++) {
                sum[i] = DECAY * sum[i] + (1 - DECAY) * (double)*at(f.parameters, i);
                const double error = fabs((double)*at(average, i) - sum[i] / weight[p]);
                if (error > 1e-6) fail_msg("step %d, element %d: error %.3g", step, (int)i, error);
            }
        }
        if (step == 0) assert_memory_equal(at(average, 35), at(f.parameters, 35), 11 * sizeof(float));
    }
    f.values[0] = NAN;
    float before[ELEMENTS];
    memcpy(before, average->values, sizeof before);
    stepped(f.optimizer, 1e-1);
    assert_memory_equal(average->values, before, sizeof before);
    tear_down(&f);
    parameters_free(average);
}

/* ---- guarantees of the header ---- */

static void untrained_stay_as_they_are(void **state)
{
    (void)state;
    Fixture f;
    set_up(&f, &swin_umamba);
    draw(f.parameters->values, ELEMENTS, 0);
    draw(f.values, ELEMENTS, 1);
    float before[ELEMENTS];
    memcpy(before, f.parameters->values, sizeof before);
    const uint64_t version = f.parameters->version;
    train(&f, true, false, false);
    stepped(f.optimizer, 1e-3);
    assert_memory_not_equal(parameters_of(f.parameters, 0), before, 35 * sizeof(float));
    assert_memory_equal(parameters_of(f.parameters, 1), before + 36, 64 * sizeof(float));
    assert_false(optimizer_has_state(f.optimizer, 1));
    assert_int_equal(optimizer_bytes(f.optimizer), 2 * 35 * sizeof(float));
    assert_int_equal(optimizer_steps(f.optimizer)[1], 0);
    assert_true(f.parameters->version != version);
    tear_down(&f);
}

static void unfreezing_keeps_states(void **state)
{
    (void)state;
    Fixture f;
    set_up(&f, &swin_umamba);
    draw(f.values, ELEMENTS, 1);
    train(&f, true, false, true);
    stepped(f.optimizer, 1e-3);
    float kept[35];
    memcpy(kept, optimizer_moment(f.optimizer, 0, 0), sizeof kept);
    train(&f, true, true, true);
    assert_memory_equal(optimizer_moment(f.optimizer, 0, 0), kept, sizeof kept);
    stepped(f.optimizer, 1e-3);
    assert_int_equal(optimizer_steps(f.optimizer)[0], 2);
    assert_int_equal(optimizer_steps(f.optimizer)[1], 1);
    tear_down(&f);
}

static void goes_on_bit_for_bit(const AdamW *adamw)
{
    Fixture f, again;
    set_up(&f, adamw);
    set_up(&again, adamw);
    draw(f.values, ELEMENTS, 1);
    draw(again.values, ELEMENTS, 1);
    train(&f, true, false, true);
    stepped(f.optimizer, 1e-3);
    parameters_copy(again.parameters, f.parameters);
    assert_int_equal(optimizer_reserve(again.optimizer, (bool[]){true, false, true}, NULL), 0);
    for (int i = 0; i < PARAMS; i++) {
        assert_int_equal(optimizer_has_state(f.optimizer, i), optimizer_has_state(again.optimizer, i));
        for (int k = 0; k < OPTIMIZER_MOMENTS && optimizer_moment(f.optimizer, i, k); k++)
            memcpy(optimizer_moment(again.optimizer, i, k), optimizer_moment(f.optimizer, i, k),
                   (size_t)counts[i] * sizeof(float));
        optimizer_steps(again.optimizer)[i] = optimizer_steps(f.optimizer)[i];
    }
    optimizer_changed(again.optimizer);
    train(&f, true, true, true);
    train(&again, true, true, true);
    for (int step = 0; step < 3; step++) {
        stepped(f.optimizer, 1e-3);
        stepped(again.optimizer, 1e-3);
    }
    assert_memory_equal(again.parameters->values, f.parameters->values, ELEMENTS * sizeof(float));
    tear_down(&f);
    tear_down(&again);
}

static void restored_state_goes_on_bit_for_bit(void **state)
{
    (void)state;
    goes_on_bit_for_bit(&swin_umamba);
    goes_on_bit_for_bit(NULL);
}

static void a_norm_that_is_not_finite_changes_nothing(void **state)
{
    (void)state;
    Fixture f;
    set_up(&f, &swin_umamba);
    draw(f.parameters->values, ELEMENTS, 0);
    draw(f.values, ELEMENTS, 1);
    float before[ELEMENTS];
    memcpy(before, f.parameters->values, sizeof before);
    f.values[40] = NAN;
    train(&f, true, true, true);
    assert_true(isnan(stepped(f.optimizer, 1e-3)));
    f.values[40] = 0; /* nor does a later step */
    assert_true(isfinite(stepped(f.optimizer, 1e-3)));
    f.values[40] = NAN;
    assert_memory_equal(f.parameters->values, before, sizeof before);
    assert_int_equal(optimizer_steps(f.optimizer)[0], 0);
    /* the value that is not finite is in the second parameter: without it the step is done */
    train(&f, true, false, true);
    assert_true(isfinite(stepped(f.optimizer, 1e-3)));
    assert_int_equal(optimizer_steps(f.optimizer)[0], 1);
    tear_down(&f);
}

static void a_loss_that_is_not_finite_changes_nothing(void **state)
{
    (void)state;
    Fixture f;
    float loss = 1, before[ELEMENTS];
    set_up(&f, &swin_umamba);
    draw(f.parameters->values, ELEMENTS, 0);
    draw(f.values, ELEMENTS, 1);
    train(&f, true, true, true);
    assert_int_equal(optimizer_step(f.optimizer, 1e-3, &loss, NULL), 0);
    assert_int_equal(optimizer_steps(f.optimizer)[0], 1);
    memcpy(before, f.parameters->values, sizeof before);
    loss = INFINITY;
    assert_int_equal(optimizer_step(f.optimizer, 1e-3, &loss, NULL), 0);
    loss = 1; /* nor does a later step */
    assert_int_equal(optimizer_step(f.optimizer, 1e-3, &loss, NULL), 0);
    assert_int_equal(optimizer_steps(f.optimizer)[0], 1);
    assert_memory_equal(f.parameters->values, before, sizeof before);
    tear_down(&f);
}

static void without_a_limit_nothing_is_clipped(void **state)
{
    (void)state;
    AdamW free_norm = swin_umamba;
    free_norm.clip_norm = 0;
    Fixture f;
    set_up(&f, &free_norm);
    for (int i = 0; i < ELEMENTS; i++) f.values[i] = 100;
    train(&f, true, true, true);
    assert_true(fabs(stepped(f.optimizer, 1e-3) - 1000) < 1e-9);
    assert_true(fabsf(optimizer_moment(f.optimizer, 0, 0)[0] - 10) < 1e-5f);
    tear_down(&f);
}

/* ---- threads: many pieces, the same bits ---- */

enum { LARGE = 100003 };

static void step_large(float *result, int threads)
{
    const int before = omp_get_max_threads();
    const int64_t shape = LARGE;
    int64_t offset = 0;
    float *values = mem_alloc(LARGE * sizeof *values, NULL);
    Gradients gradients = {values, LARGE, &offset, device_cpu()};
    Graph *graph = graph_new(NULL);
    Parameters *parameters;
    Optimizer *optimizer;
    graph_param(graph, "p", 1, &shape, INIT_ZERO, 0);
    assert_int_equal(parameters_new(&parameters, graph, NULL), 0);
    assert_int_equal(optimizer_new_adamw(&optimizer, parameters, &swin_umamba, NULL), 0);
    assert_int_equal(optimizer_adopt(optimizer, &gradients, NULL), 0);
    draw(values, LARGE, 1);
    draw(parameters->values, LARGE, 2);
    omp_set_num_threads(threads);
    for (int step = 0; step < 3; step++) stepped(optimizer, 1e-3);
    omp_set_num_threads(before);
    memcpy(result, parameters->values, LARGE * sizeof *result);
    optimizer_free(optimizer);
    parameters_free(parameters);
    graph_free(graph);
    mem_free(values);
}

static void threads_do_not_matter(void **state)
{
    (void)state;
    float *one = mem_alloc(2 * LARGE * sizeof *one, NULL);
    step_large(one, 1);
    for (int threads = 2; threads <= 3; threads++) {
        step_large(one + LARGE, threads);
        assert_memory_equal(one, one + LARGE, LARGE * sizeof *one);
    }
    mem_free(one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(follows_pytorch),
        cmocka_unit_test(sgd_follows_its_definition),
        cmocka_unit_test(adam_follows_its_definition),
        cmocka_unit_test(the_average_has_decaying_weights),
        cmocka_unit_test(untrained_stay_as_they_are),
        cmocka_unit_test(unfreezing_keeps_states),
        cmocka_unit_test(restored_state_goes_on_bit_for_bit),
        cmocka_unit_test(a_norm_that_is_not_finite_changes_nothing),
        cmocka_unit_test(a_loss_that_is_not_finite_changes_nothing),
        cmocka_unit_test(without_a_limit_nothing_is_clipped),
        cmocka_unit_test(threads_do_not_matter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
