/* The loader of a Training, and the duration of its iterations (training_parts.h). */
#include <math.h>

#include "base/progress.h"
#include "recipe/run_length.h"
#include "trainer/training_parts.h"

int training_start_loader(Training *t, Err *e)
{
    const LoaderOptions o = {.training = &t->training_sampler,
                             .validation = &t->validation_sampler,
                             .part = t->part,
                             .device = t->device,
                             .iterations = t->plan.training.iterations_per_epoch,
                             .validation_iterations = t->plan.training.validation_iterations,
                             .epochs = t->plan.training.epochs,
                             .first_epoch = t->state.epoch,
                             .first_iteration = t->state.iteration,
                             .threads = t->loader_threads,
                             .ring = training_ring(t)};
    return loader_new(&t->loader, &o, e);
}

/* The ranks choose the same length: by the CPU time of all, or the mean of their durations. */
static int share_times(const Training *t, IterationTimes *times, double (*clock)(void), Err *e)
{
    double sums[] = {times->training, times->validation, 1};
    TRY(training_sum(t, sums, 3, e));
    const double parts = clock == cpu_seconds ? 1 : sums[2];
    *times = (IterationTimes){sums[0] / parts, sums[1] / parts};
    return 0;
}

/* Times `count` training iterations after a first one, and as many validation iterations. */
static int time_iterations(Training *t, IterationTimes *times, double (*clock)(void), int count, Err *e)
{
    enum { WARMING = 1 };
    const PlanTraining planned = t->plan.training;
    double never_saved = INFINITY, loss, began = 0;
    t->state.iteration = 0;
    t->plan.training.iterations_per_epoch = WARMING + count;
    t->plan.training.validation_iterations = planned.validation_iterations ? count : 0;
    int code = training_start_loader(t, e);
    t->plan.training.iterations_per_epoch = WARMING;
    if (!code) code = epoch_train(t, NULL, &never_saved, e);
    t->plan.training.iterations_per_epoch = WARMING + count;
    began = clock();
    if (!code) code = epoch_train(t, NULL, &never_saved, e);
    times->training = (clock() - began) / count;
    began = clock();
    if (!code) code = epoch_validate(t, NULL, &loss, e);
    times->validation = (clock() - began) / count;
    loader_free(t->loader);
    t->loader = NULL;
    t->plan.training = planned;
    return code ? code : share_times(t, times, clock, e);
}

int training_time_iterations(Training *t, IterationTimes *times, double (*clock)(void), double minutes, Err *e)
{
    enum { MOST = 100 };
    static const double SHARE = 0.02;
    TRY(time_iterations(t, times, clock, 1, e));
    const double fitting = SHARE * 60 * minutes / (times->training + times->validation);
    return fitting < 2 ? 0 : time_iterations(t, times, clock, (int)fmin(fitting, MOST), e);
}
