#include <math.h>

#include "base/progress.h"
#include "trainer/schedule.h"
#include "trainer/training_parts.h"

static const double SAVE_INTERVAL = 600; /* seconds between checkpoints within an epoch */

static const float loss_seed = 1; /* gradient of the loss by itself */

static int feed(Executor *x, const Batch *batch, Err *e)
{
    if (!batch->images_there) {
        TRY(executor_feed(x, 0, batch->images, e));
        return executor_feed(x, 1, batch->labels, e);
    }
    TRY(executor_feed_on_device(x, 0, batch->images_there, e));
    return executor_feed_on_device(x, 1, batch->labels_there, e);
}

static int run_forward(Executor *x, const Batch *batch, const Step *step, double *loss, Err *e)
{
    float value;
    TRY(feed(x, batch, e));
    TRY(executor_forward(x, step, e));
    TRY(executor_fetch(x, 0, &value, e));
    TRY(executor_wait(x, e));
    *loss = (double)value;
    return 0;
}

static Step step_of(const Training *t, const Batch *batch)
{
    return (Step){t->training_sampler.seed, (uint32_t)batch->epoch, (uint32_t)batch->iteration,
                  (uint32_t)t->part.first_item};
}

/* Adds the CPU time of all ranks. A signal to one of them stops all after the same iteration. */
static int end_iteration(Training *t, const TrainingWatch *watch, double cpu_began, Err *e)
{
    double sums[] = {watch && watch->interrupted && watch->interrupted(), cpu_seconds() - cpu_began};
    TRY(training_sum(t, sums, 2, e));
    t->state.cpu_seconds += sums[1];
    return sums[0] > 0 ? err_set(e, ERR_INTERRUPTED, "interrupted") : 0;
}

/* Fails with the operation that computed the first value that is not finite: the batch is run again, with a check after
 * each step. */
static int report_broken(Training *t, const Batch *batch, const Step *step, Err *e)
{
    bool in_backward;
    const Node *node;
    TRY(feed(t->trainer, batch, e));
    TRY(executor_seed(t->trainer, 0, &loss_seed, e));
    TRY(executor_first_nonfinite(t->trainer, step, &node, &in_backward, e));
    return err_set(e, ERR_VALUE,
                   "epoch %d, iteration %d: %s is not a number, first in %s %s (%s); start again with a lower "
                   "--learning-rate and --overwrite, or another -o%s",
                   batch->epoch, batch->iteration, in_backward ? "the gradient" : "the loss",
                   in_backward ? "the backward pass of" : "the output of", node ? node->name : "no operation",
                   node ? node->op->name : "the optimizer",
                   t->state.history.count ? "; checkpoint_latest, of the epoch before, is kept" : "");
}

static int train_on(Training *t, const Batch *batch, double learning_rate, Err *e)
{
    const Step step = step_of(t, batch);
    double loss, norm;
    TRY(run_forward(t->trainer, batch, &step, &loss, e));
    if (!isfinite(loss)) return report_broken(t, batch, &step, e);
    TRY(executor_seed(t->trainer, 0, &loss_seed, e));
    TRY(executor_backward(t->trainer, &step, e));
    if (t->options.ranks) TRY(t->options.ranks->finish_sums(t->options.ranks, e));
    TRY(optimizer_step(t->optimizer, learning_rate, e));
    TRY(optimizer_norm(t->optimizer, &norm, e));
    if (!isfinite(norm)) return report_broken(t, batch, &step, e);
    t->state.loss_sum += loss;
    return 0;
}

int epoch_train(Training *t, const TrainingWatch *watch, double *saved_at, Err *e)
{
    RunState *s = &t->state;
    const int iterations = t->plan.training.iterations_per_epoch;
    while (s->iteration < iterations) {
        const double began = clock_seconds(), cpu_began = cpu_seconds();
        const Batch *batch;
        TRY(loader_borrow(t->loader, &batch, e));
        const int code = train_on(t, batch, schedule_learning_rate(&t->plan.training, s->epoch, s->iteration), e);
        loader_give_back(t->loader);
        if (code) return code;
        s->iteration++;
        s->seconds += clock_seconds() - began;
        if (watch && watch->iteration)
            watch->iteration(watch->context, s->epoch, false, s->iteration, iterations, s->loss_sum / s->iteration);
        TRY(end_iteration(t, watch, cpu_began, e));
        if (clock_seconds() - *saved_at > SAVE_INTERVAL) {
            TRY(training_save(t, "latest", e));
            *saved_at = clock_seconds();
        }
    }
    return 0;
}

/* Runs a validation batch: sets its loss and adds its counts to t->dice. */
static int validate_on(Training *t, const Batch *batch, double *loss, Err *e)
{
    Executor *x = t->validator;
    const Step step = step_of(t, batch);
    float *counts = executor_output_memory(x, 1, e);
    if (!counts) return ERR_NOMEM;
    TRY(run_forward(x, batch, &step, loss, e));
    TRY(executor_fetch(x, 1, counts, e));
    TRY(executor_wait(x, e));
    pseudo_dice_add(&t->dice, counts, executor_output_shape(x, 1).n);
    return 0;
}

/* Counts of pixels are whole numbers: their sums are exact. */
static int sum_counts(Training *t, Err *e)
{
    for (int k = 0; k < t->dice.classes; k++) {
        ClassCounts *c = &t->dice.counts[k];
        double sums[] = {(double)c->tp, (double)c->fp, (double)c->fn};
        TRY(training_sum(t, sums, 3, e));
        *c = (ClassCounts){(int64_t)sums[0], (int64_t)sums[1], (int64_t)sums[2]};
    }
    return 0;
}

int epoch_validate(Training *t, const TrainingWatch *watch, double *mean_loss, Err *e)
{
    const int iterations = t->plan.training.validation_iterations;
    const double began = clock_seconds();
    double sum = 0, loss;
    pseudo_dice_clear(&t->dice);
    for (int i = 0; i < iterations; i++) {
        const double cpu_began = cpu_seconds();
        const Batch *batch;
        TRY(loader_borrow(t->loader, &batch, e));
        const int failed = validate_on(t, batch, &loss, e);
        loader_give_back(t->loader);
        if (failed) return failed;
        sum += loss;
        if (watch && watch->iteration)
            watch->iteration(watch->context, t->state.epoch, true, i + 1, iterations, sum / (i + 1));
        TRY(end_iteration(t, watch, cpu_began, e));
    }
    TRY(sum_counts(t, e));
    t->state.seconds += clock_seconds() - began;
    *mean_loss = iterations ? sum / iterations : NAN;
    return 0;
}
