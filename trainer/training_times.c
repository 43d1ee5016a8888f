/* The loader of a Training, and the duration of its iterations (training_parts.h). */
#include <math.h>

#include "base/progress.h"
#include "trainer/schedule.h"
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
                             .ring = t->loader_threads + 1};
    return loader_new(&t->loader, &o, e);
}

int training_time_iterations(Training *t, IterationTimes *times, Err *e)
{
    enum { WARMING = 1, TIMED = 3 };
    const PlanTraining planned = t->plan.training;
    double never_saved = INFINITY, loss, began = 0;
    t->plan.training.iterations_per_epoch = WARMING + TIMED;
    t->plan.training.validation_iterations = planned.validation_iterations ? TIMED : 0;
    int code = training_start_loader(t, e);
    t->plan.training.iterations_per_epoch = WARMING;
    if (!code) code = epoch_train(t, NULL, &never_saved, e);
    t->plan.training.iterations_per_epoch = WARMING + TIMED;
    began = clock_seconds();
    if (!code) code = epoch_train(t, NULL, &never_saved, e);
    times->training = (clock_seconds() - began) / TIMED;
    began = clock_seconds();
    if (!code) code = epoch_validate(t, NULL, &loss, e);
    times->validation = (clock_seconds() - began) / TIMED;
    loader_free(t->loader);
    t->loader = NULL;
    t->plan.training = planned;
    return code;
}
