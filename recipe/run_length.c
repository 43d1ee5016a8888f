#include "recipe/run_length.h"

#include <math.h>

enum { SHORTEST_RUN = 20 };       /* epochs: the minimum number of steps of the learning rate */
static const double SPARE = 0.05; /* fraction of the time, for checkpoints and other programs on the machine */

static int at_least_one(double count) { return count < 1 ? 1 : (int)fmin(count, 1e6); }

double run_length_iterations(const PlanTraining *t, double minutes, IterationTimes times)
{
    const double share = (double)t->validation_iterations / t->iterations_per_epoch;
    return 60 * minutes * (1 - SPARE) / (times.training + share * times.validation);
}

void run_length_fit(PlanTraining *t, double minutes, IterationTimes times)
{
    const double share = (double)t->validation_iterations / t->iterations_per_epoch;
    const double fitting = run_length_iterations(t, minutes, times);
    if (fitting < (double)SHORTEST_RUN * t->iterations_per_epoch) {
        t->iterations_per_epoch = at_least_one(fitting / SHORTEST_RUN);
        if (t->validation_iterations) t->validation_iterations = at_least_one(share * t->iterations_per_epoch);
    }
    const double epoch = t->iterations_per_epoch * times.training + t->validation_iterations * times.validation;
    t->epochs = at_least_one(60 * minutes * (1 - SPARE) / epoch);
}

double run_length_of(const PlanTraining *t) { return (double)t->epochs * t->iterations_per_epoch; }
