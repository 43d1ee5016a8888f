#include <math.h>
#include <string.h>

#include "base/progress.h"
#include "trainer/schedule.h"
#include "trainer/training_parts.h"

static const double SAVE_INTERVAL = 600; /* seconds between checkpoints within an epoch */

static void feed(Executor *x, const Batch *batch)
{
    Tensor *image = executor_input(x, 0), *labels = executor_input(x, 1);
    memcpy(image->data, batch->images, (size_t)shape_count(image->shape) * sizeof(float));
    memcpy(labels->data, batch->labels, (size_t)shape_count(labels->shape) * sizeof(int16_t));
}

static double loss_of(Executor *x) { return *(const float *)executor_output(x, 0)->data; }

static int interrupted(const TrainingWatch *watch, Err *e)
{
    return watch && watch->interrupted && watch->interrupted() ? err_set(e, ERR_INTERRUPTED, "interrupted") : 0;
}

/* Says which operation made the first number that is none: the batch is run again, looked at step by step. */
static int report_broken(Training *t, const Batch *batch, const Step *step, Err *e)
{
    bool in_backward;
    const Node *node;
    feed(t->trainer, batch);
    *(float *)executor_output(t->trainer, 0)->grad = 1;
    TRY(executor_first_nonfinite(t->trainer, step, &node, &in_backward, e));
    return err_set(e, ERR_VALUE,
                   "epoch %d, iteration %d: %s is not a number, first so in %s %s (%s); begin anew with a lower "
                   "--learning-rate and --overwrite, or another -o%s",
                   batch->epoch, batch->iteration, in_backward ? "the gradient" : "the loss",
                   in_backward ? "the backward pass of" : "the output of", node ? node->name : "no operation",
                   node ? node->op->name : "the optimizer",
                   t->state.history.count ? "; checkpoint_latest, of the epoch before, stands" : "");
}

static int train_on(Training *t, const Batch *batch, double learning_rate, Err *e)
{
    const Step step = {t->training_sampler.seed, (uint32_t)batch->epoch, (uint32_t)batch->iteration, 0};
    feed(t->trainer, batch);
    TRY(executor_forward(t->trainer, &step, e));
    const double loss = loss_of(t->trainer);
    if (!isfinite(loss)) return report_broken(t, batch, &step, e);
    *(float *)executor_output(t->trainer, 0)->grad = 1;
    TRY(executor_backward(t->trainer, &step, e));
    if (!isfinite(optimizer_step(t->optimizer, learning_rate))) return report_broken(t, batch, &step, e);
    t->state.loss_sum += loss;
    return 0;
}

int epoch_train(Training *t, const TrainingWatch *watch, double *saved_at, Err *e)
{
    RunState *s = &t->state;
    const int iterations = t->plan.training.iterations_per_epoch;
    const double learning_rate = schedule_learning_rate(&t->plan.training, s->epoch);
    while (s->iteration < iterations) {
        const double began = clock_seconds();
        const Batch *batch;
        TRY(loader_borrow(t->loader, &batch, e));
        const int code = train_on(t, batch, learning_rate, e);
        loader_give_back(t->loader);
        if (code) return code;
        s->iteration++;
        s->seconds += clock_seconds() - began;
        if (watch && watch->iteration)
            watch->iteration(watch->context, s->epoch, false, s->iteration, iterations,
                             s->loss_sum / s->iteration);
        TRY(interrupted(watch, e));
        if (clock_seconds() - *saved_at > SAVE_INTERVAL) {
            TRY(training_save(t, "latest", e));
            *saved_at = clock_seconds();
        }
    }
    return 0;
}

int epoch_validate(Training *t, const TrainingWatch *watch, double *mean_loss, Err *e)
{
    const int iterations = t->plan.training.validation_iterations;
    const double began = clock_seconds();
    double sum = 0;
    pseudo_dice_clear(&t->dice);
    for (int i = 0; i < iterations; i++) {
        const Batch *batch;
        TRY(loader_borrow(t->loader, &batch, e));
        const Step step = {t->training_sampler.seed, (uint32_t)batch->epoch, (uint32_t)batch->iteration, 0};
        feed(t->validator, batch);
        const int failed = executor_forward(t->validator, &step, e);
        const Tensor *head = executor_output(t->validator, 1);
        if (!failed)
            pseudo_dice_add(&t->dice, head->data, batch->labels, shape_pixels(head->shape), t->info.ignore_value);
        loader_give_back(t->loader);
        if (failed) return failed;
        sum += loss_of(t->validator);
        if (watch && watch->iteration)
            watch->iteration(watch->context, t->state.epoch, true, i + 1, iterations, sum / (i + 1));
        TRY(interrupted(watch, e));
    }
    t->state.seconds += clock_seconds() - began;
    *mean_loss = iterations ? sum / iterations : NAN;
    return 0;
}
