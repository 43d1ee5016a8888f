/* Part train: steps of the optimiser on whole networks, the encoder frozen in the first ones of a case B.
 *
 * In a network with leaky ReLUs, rounding may change the sign of one value in a million, and so a slope. The steps
 * amplify this difference beyond the bound (docs/reference.md, Rounding); it occurs at random. So such networks run
 * with the implementation "plain" of convolutions and linear layers, which sums in double (parts full and grad test the
 * same networks with the fast ones). A run that exceeds the bounds is repeated with an image whose last bits differ: an
 * error in the code would fail in all these runs. */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "data/npy.h"
#include "model/import.h"
#include "network/optimizer/optimizer.h"
#include "tests/support/golden.h"
#include "tests/support/reference_network.h"
#include "tests/support/rule.h"
#include "tests/support/stepped.h"
#include "trainer/schedule.h"

/* As in the official trainer: the encoder is trained from this epoch on. */
enum { UNFREEZE_EPOCH = 10 };

enum { MOST_ATTEMPTS = 6 };

/* The state of a case. A new executor is created when the encoder is unfrozen, as in the trainer. */
typedef struct TrainRun {
    const DocNode *entry;
    const char *prefix;
    ReferenceNetwork network;
    Executor *executor;
    Optimizer *optimizer;
    bool *trained; /* per parameter */
    float *start;  /* all parameters before the first step */
    Array deltas;  /* [steps, parameters, RULE_SAMPLES] */
    bool frozen, has_kinks;
    int attempt;
} TrainRun;

static int open_run(TrainRun *r, const Golden *g, Err *e)
{
    int64_t shape[4];
    const DocNode *input = doc_find(r->entry, "input"), *labels = doc_find(r->entry, "labels");
    r->has_kinks = golden_string(r->entry, "name")[0] != 'D';
    const AdamW adamw = {0.9, 0.999, .epsilon = 1e-5, .weight_decay = 0.05, .clip_norm = 12};
    if (!input || !labels || golden_shape(input, "shape", shape, 4) != 4 || !doc_find(r->entry, "steps") ||
        !doc_find(r->entry, "params"))
        return err_set(e, ERR_FORMAT, "the case has no input shape, labels, steps or params");
    const int64_t classes = (int64_t)golden_number(labels, "classes", 0);
    TRY(reference_network_open(&r->network, golden_string(r->entry, "name"), shape, classes, r->prefix, e));
    const size_t count = (size_t)graph_param_count(r->network.graph);
    const size_t elements = (size_t)graph_parameter_span(r->network.graph);
    r->trained = mem_alloc(count * sizeof *r->trained, e);
    r->start = mem_alloc(elements * sizeof *r->start, e);
    if (!r->trained || !r->start) return ERR_NOMEM;
    memcpy(r->start, r->network.parameters->values, elements * sizeof *r->start);
    char *path = golden_path(g, golden_string(r->entry, "delta_file"), e);
    const int failed = path ? npy_read(&r->deltas, path, e) : ERR_NOMEM;
    mem_free(path);
    return failed ? failed : optimizer_new_adamw(&r->optimizer, r->network.parameters, &adamw, e);
}

static void close_run(TrainRun *r)
{
    executor_free(r->executor);
    optimizer_free(r->optimizer);
    mem_free(r->trained);
    mem_free(r->start);
    array_free(&r->deltas);
    reference_network_close(&r->network);
}

/* Creates the executor for the epoch's trained parameters, unless it exists. */
static int prepare(TrainRun *r, bool frozen, Err *e)
{
    if (r->executor && r->frozen == frozen) return 0;
    const Graph *graph = r->network.graph;
    const Shape image = r->network.input, sizes[] = {image, {image.n, image.h, image.w, 1}};
    import_mark_unfrozen(graph, r->network.spec.kind, NULL, r->trained);
    const ExecutorOptions o = {.inputs = sizes,
                               .outputs = &r->network.loss,
                               .output_count = 1,
                               .train = true,
                               .trained = frozen ? r->trained : NULL,
                               .implementation = r->has_kinks ? "plain" : NULL};
    executor_free(r->executor);
    TRY(executor_new(&r->executor, graph, r->network.parameters, &o, e));
    r->frozen = frozen;
    return optimizer_adopt(r->optimizer, executor_gradients(r->executor), e);
}

/* The same input and labels in every step. */
static int forward(TrainRun *r, double *loss, Err *e)
{
    const DocNode *input = doc_find(r->entry, "input"), *labels = doc_find(r->entry, "labels");
    const int classes = (int)golden_number(labels, "classes", 0);
    TRY(reference_fill_image(r->executor, r->prefix, golden_string(input, "rule_name"), e));
    TRY(reference_fill_labels(r->executor, r->prefix, golden_string(labels, "rule_name"), classes, e));
    const Tensor *image = executor_input(r->executor, 0);
    for (int64_t i = 0; i < shape_count(image->shape); i++)
        ((float *)image->data)[i] *= 1 + (float)r->attempt * FLT_EPSILON;
    TRY(executor_forward(r->executor, &(Step){0}, e));
    *loss = *(const float *)executor_output(r->executor, 0)->data;
    return 0;
}

/* Compares a value of a step with the golden; the golden's single-precision run gives the size of rounding errors. */
static void expect_number(Golden *g, const char *name, double found, const DocNode *exact, const DocNode *single,
                          const char *key, double relative)
{
    const double expected = golden_number(exact, key, NAN);
    const double noise = fabs(golden_number(single, key, expected) - expected);
    golden_expect(g, name, fabs(found - expected), fmax(8 * noise, relative * fabs(expected)));
}

/* The change of all sampled parameters since the start. */
static void compare_change(Golden *g, const TrainRun *r, int step, const DocNode *noise)
{
    char name[32];
    double difference = 0, change = 0;
    const float *expected = (const float *)r->deltas.data + (int64_t)step * r->deltas.shape[1] * RULE_SAMPLES;
    for (const DocNode *p = doc_find(r->entry, "params")->first; p; p = p->next, expected += RULE_SAMPLES) {
        const int index = graph_find_param(r->network.graph, p->text);
        if (index < 0) {
            golden_fail(g, "the network has no parameter %s", p->text);
            return;
        }
        const Param *q = &graph_params(r->network.graph)[index];
        const float *now = parameters_of(r->network.parameters, index), *before = r->start + q->offset;
        int64_t at[RULE_SAMPLES];
        const int64_t count = rule_samples(at, r->prefix, q->name, q->count, RULE_SAMPLES);
        for (int64_t i = 0; i < count; i++) {
            const double target = expected[i];
            difference += pow((double)now[at[i]] - before[at[i]] - target, 2);
            change += target * target;
        }
    }
    snprintf(name, sizeof name, "change after step %d", step + 1);
    const double rounding = golden_number(noise, "noise_rel_l2", 0);
    golden_expect(g, name, sqrt(difference / change), fmax(2e-3, 8 * rounding));
}

static int count_gradients(const TrainRun *r)
{
    const Gradients *gradients = executor_gradients(r->executor);
    int count = 0;
    for (int i = 0; i < graph_param_count(r->network.graph); i++) count += gradients->offset[i] >= 0;
    return count;
}

static int run_step(Golden *g, TrainRun *r, int step, const DocNode *exact, const DocNode *single, const DocNode *noise,
                    Err *e)
{
    const int epoch = (int)golden_number(exact, "epoch", 0);
    const int length = (int)golden_number(r->entry, "T_max", 1);
    const PlanTraining schedule = {.schedule = SCHEDULE_COSINE,
                                   .learning_rate = 1e-4,
                                   .final_learning_rate = 1e-6,
                                   .schedule_epochs = length,
                                   .iterations_per_epoch = 1};
    const double rate = schedule_learning_rate(&schedule, epoch, 0);
    const double expected_rate = golden_number(exact, "lr", NAN);
    const bool freezes = strstr(golden_string(r->entry, "name"), "_B_");
    TRY(prepare(r, freezes && epoch < UNFREEZE_EPOCH, e));
    golden_expect(g, "learning rate", fabs(rate - expected_rate), 1e-12 * expected_rate);
    double loss;
    TRY(forward(r, &loss, e));
    expect_number(g, "loss", loss, exact, single, "loss", 1e-4);
    *(float *)executor_output(r->executor, 0)->grad = 1;
    TRY(executor_backward(r->executor, &(Step){0}, e));
    const double norm = stepped(r->optimizer, rate);
    expect_number(g, "gradient norm", norm, exact, single, "grad_norm_before_clip", r->has_kinks ? 1e-2 : 1e-4);
    const int gradients = (int)golden_number(exact, "params_with_grad", -1);
    golden_expect(g, "parameters with a gradient", abs(count_gradients(r) - gradients), 0);
    compare_change(g, r, step, noise);
    return 0;
}

static int run_steps(Golden *g, TrainRun *r, Err *e)
{
    const DocNode *steps = doc_find(r->entry, "steps"), *singles = doc_find(r->entry, "steps_f32");
    const DocNode *noises = doc_find(r->entry, "delta_noise"), *params = doc_find(r->entry, "params");
    const Array *d = &r->deltas;
    const bool fits = d->dtype == DTYPE_F32 && d->rank == 3 && d->shape[0] == steps->count &&
                      d->shape[1] == params->count && d->shape[2] == RULE_SAMPLES;
    if (!fits || params->count != graph_param_count(r->network.graph))
        return err_set(e, ERR_FORMAT, "%d steps of %d parameters, but the deltas or the network differ", steps->count,
                       params->count);
    const DocNode *single = singles ? singles->first : NULL, *noise = noises ? noises->first : NULL;
    int i = 0;
    for (const DocNode *step = steps->first; step && !g->failure[0]; step = step->next, i++) {
        TRY(run_step(g, r, i, step, single, noise, e));
        single = single ? single->next : NULL;
        noise = noise ? noise->next : NULL;
    }
    if (g->failure[0]) return 0;
    double loss;
    TRY(forward(r, &loss, e));
    const double after = golden_number(r->entry, "loss_after", NAN);
    const double rounding = fabs(golden_number(r->entry, "loss_after_f32", after) - after);
    golden_expect(g, "loss after", fabs(loss - after), fmax(8 * rounding, 1e-4 * fabs(after)));
    return 0;
}

/* Whether the case is settled: no further attempt can change the outcome. */
static bool try_case(Golden *g, const DocNode *entry, const char *prefix, int attempt)
{
    Err e = {ERR_NONE, ""};
    TrainRun r = {.entry = entry, .prefix = prefix, .attempt = attempt};
    if (open_run(&r, g, &e) || run_steps(g, &r, &e)) golden_fail(g, "%s", e.text);
    const bool settled = !g->failure[0] || e.code || !r.has_kinks;
    close_run(&r);
    return settled;
}

static void run_case(Golden *g, const DocNode *entry, const char *prefix)
{
    const char *name = golden_string(entry, "name");
    if (!golden_begin(g, "train/%s", name)) return;
    for (int attempt = 0; !try_case(g, entry, prefix, attempt) && attempt + 1 < MOST_ATTEMPTS; attempt++)
        golden_begin(g, "train/%s", name);
    golden_end(g);
}

void golden_train(Golden *g) { golden_manifest(g, "manifest_train.json", "train", run_case); }
