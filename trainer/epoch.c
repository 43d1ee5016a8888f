/* The iterations of an epoch. A device with its own work gets the next iteration before the host reads the loss of the one
 * before, so that it never waits for the host. Where loss or gradients of an iteration are not finite, the device takes no
 * step from there on (optimizer.h): when the host reads it, the parameters are still those of that iteration. */
#include <math.h>

#include "base/progress.h"
#include "trainer/schedule.h"
#include "trainer/training_parts.h"

static const double SAVE_INTERVAL = 600; /* seconds between checkpoints within an epoch */

/* The training or validation iterations of an epoch: the first `done` are read, those up to `issued` are on the device. */
typedef struct Run {
    Training *t;
    const TrainingWatch *watch;
    bool validates;
    int total, done, issued;
    double *loss_sum;      /* of those that are done */
    double *saved_at;      /* time of the last checkpoint; NULL: none is written */
    double cpu_counted;    /* CPU seconds of the process that were shared */
    bool stopping, saving; /* or writing a checkpoint, as soon as all that is issued is read */
} Run;

/* ---- what the device does ---- */

static Step step_of(const Training *t, const Batch *batch)
{
    return (Step){t->training_sampler.seed, (uint32_t)batch->epoch, (uint32_t)batch->iteration,
                  (uint32_t)t->part.first_item};
}

static int feed(Executor *x, const Batch *batch, Err *e)
{
    if (!batch->images_there) {
        TRY(executor_feed(x, 0, batch->images, e));
        return executor_feed(x, 1, batch->labels, e);
    }
    TRY(executor_feed_on_device(x, 0, batch->images_there, e));
    return executor_feed_on_device(x, 1, batch->labels_there, e);
}

static int issue_forward(Executor *x, Issued *i, const Step *step, Err *e)
{
    TRY(feed(x, i->batch, e));
    TRY(executor_forward(x, step, e));
    return executor_fetch(x, 0, &i->loss, e);
}

static int finish_sums(const Training *t, Err *e)
{
    Ranks *ranks = t->options.ranks;
    return ranks ? ranks->finish_sums(ranks, e) : 0;
}

static int issue_training(Training *t, Issued *i, const Step *step, Err *e)
{
    Executor *x = t->trainer;
    const double learning_rate = schedule_learning_rate(&t->plan.training, i->batch->epoch, i->batch->iteration);
    TRY(issue_forward(x, i, step, e));
    TRY(executor_seed(x, 0, &t->readings->seed, e));
    TRY(executor_backward(x, step, e));
    TRY(finish_sums(t, e));
    TRY(optimizer_step(t->optimizer, learning_rate, executor_output(x, 0)->data, e));
    return optimizer_norm(t->optimizer, &i->norm, e);
}

/* The place of the counts of an issued validation iteration. */
static float *counts_of(const Training *t, const Issued *i)
{
    return t->readings->counts + (i - t->readings->issued) * shape_count(executor_output_shape(t->validator, 1));
}

static int issue_validation(Training *t, Issued *i, const Step *step, Err *e)
{
    TRY(issue_forward(t->validator, i, step, e));
    TRY(finish_sums(t, e));
    return t->dice.classes ? executor_fetch(t->validator, 1, counts_of(t, i), e) : 0;
}

/* Sums over the ranks what each knows now: so they stop and save after the same iteration. The sum overlaps with the iteration. */
static int issue_shared(Run *r, Issued *i, Err *e)
{
    const TrainingWatch *watch = r->watch;
    Ranks *ranks = r->t->options.ranks;
    const double cpu = cpu_seconds();
    i->shared[SHARED_INTERRUPTED] = watch && watch->interrupted && watch->interrupted();
    i->shared[SHARED_SAVES] = r->saved_at && clock_seconds() - *r->saved_at > SAVE_INTERVAL;
    i->shared[SHARED_CPU_SECONDS] = cpu - r->cpu_counted;
    r->cpu_counted = cpu;
    return ranks ? ranks->sum_on_host(ranks, i->shared, SHARED, e) : 0;
}

static int issue(Run *r, Err *e)
{
    Training *t = r->t;
    const int mark = r->issued % ISSUED_MOST;
    Issued *i = &t->readings->issued[mark];
    TRY(loader_borrow(t->loader, &i->batch, e));
    const Step step = step_of(t, i->batch);
    TRY(issue_shared(r, i, e));
    TRY((r->validates ? issue_validation : issue_training)(t, i, &step, e));
    TRY(t->device->mark(t->device, mark, e));
    r->issued++;
    return 0;
}

/* ---- what the host reads of it ---- */

/* Fails with the operation that computed the first value that is not finite: the batch is run again, with a check after
 * each step. */
static int report_broken(Training *t, const Batch *batch, Err *e)
{
    const Step step = step_of(t, batch);
    bool in_backward;
    const Node *node;
    TRY(feed(t->trainer, batch, e));
    TRY(executor_seed(t->trainer, 0, &t->readings->seed, e));
    TRY(executor_first_nonfinite(t->trainer, &step, &node, &in_backward, e));
    return err_set(e, ERR_VALUE,
                   "epoch %d, iteration %d: %s is not a number, first in %s %s (%s); start again with a lower "
                   "--learning-rate and --overwrite, or another -o%s",
                   batch->epoch, batch->iteration, in_backward ? "the gradient" : "the loss",
                   in_backward ? "the backward pass of" : "the output of", node ? node->name : "no operation",
                   node ? node->op->name : "the optimizer",
                   t->state.history.count ? "; checkpoint_latest, of the epoch before, is kept" : "");
}

static int read_training(Training *t, const Issued *i, Err *e)
{
    if (!isfinite(i->loss) || !isfinite(i->norm)) return report_broken(t, i->batch, e);
    t->state.iteration++;
    return 0;
}

static int read_validation(Training *t, const Issued *i, Err *e)
{
    (void)e;
    if (t->dice.classes) pseudo_dice_add(&t->dice, counts_of(t, i), executor_output_shape(t->validator, 1).n);
    return 0;
}

/* Reads the oldest of the issued iterations. */
static int read_oldest(Run *r, Err *e)
{
    Training *t = r->t;
    const int mark = r->done % ISSUED_MOST;
    const Issued *i = &t->readings->issued[mark];
    TRY(t->device->wait_mark(t->device, mark, e));
    TRY((r->validates ? read_validation : read_training)(t, i, e));
    loader_give_back(t->loader);
    r->done++;
    *r->loss_sum += (double)i->loss;
    t->state.cpu_seconds += i->shared[SHARED_CPU_SECONDS];
    r->stopping |= i->shared[SHARED_INTERRUPTED] > 0;
    r->saving |= i->shared[SHARED_SAVES] > 0;
    if (r->watch && r->watch->iteration)
        r->watch->iteration(r->watch->context, t->state.epoch, r->validates, r->done, r->total, *r->loss_sum / r->done);
    return 0;
}

/* ---- an epoch ---- */

/* Adds the CPU time since the last iteration was issued: that of waiting for it, and of what came with it. */
static int share_rest(Run *r, Err *e)
{
    const double cpu = cpu_seconds();
    double rest = cpu - r->cpu_counted;
    TRY(training_sum(r->t, &rest, 1, e));
    r->t->state.cpu_seconds += rest;
    r->cpu_counted = cpu;
    return 0;
}

/* Between two iterations, with nothing on the device. */
static int pause_run(Run *r, Err *e)
{
    TRY(share_rest(r, e));
    if (r->stopping) return err_set(e, ERR_INTERRUPTED, "interrupted");
    if (!r->saving) return 0;
    TRY(training_save(r->t, "latest", e));
    *r->saved_at = clock_seconds();
    r->cpu_counted = cpu_seconds();
    r->saving = false;
    return 0;
}

static int run_iterations(Run *r, Err *e)
{
    const int most = training_issued_most(r->t);
    r->cpu_counted = cpu_seconds();
    while (r->done < r->total) {
        const double began = clock_seconds();
        const int under_way = r->issued - r->done;
        const bool more = under_way < most && r->issued < r->total && !r->stopping && !r->saving;
        TRY((more ? issue : read_oldest)(r, e));
        r->t->state.seconds += clock_seconds() - began;
        if (r->issued == r->done) TRY(pause_run(r, e));
    }
    return 0;
}

int epoch_train(Training *t, const TrainingWatch *watch, double *saved_at, Err *e)
{
    RunState *s = &t->state;
    Run r = {.t = t,
             .watch = watch,
             .total = t->plan.training.iterations_per_epoch,
             .done = s->iteration,
             .issued = s->iteration,
             .loss_sum = &s->loss_sum,
             .saved_at = saved_at};
    return run_iterations(&r, e);
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
    double sum = 0;
    Run r = {
        .t = t, .watch = watch, .validates = true, .total = t->plan.training.validation_iterations, .loss_sum = &sum};
    pseudo_dice_clear(&t->dice);
    TRY(run_iterations(&r, e));
    TRY(sum_counts(t, e));
    *mean_loss = r.total ? sum / r.total : NAN;
    return 0;
}
