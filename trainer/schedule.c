#include "trainer/schedule.h"

#include <math.h>

/* done: share of the schedule, 0 to 1 */
static double scheduled(const PlanTraining *training, double done)
{
    static const double PI = 3.14159265358979323846;
    const double first = training->learning_rate, last = training->final_learning_rate;
    if (training->schedule == SCHEDULE_POLY) return first * pow(1 - done, training->poly_power);
    return last + (first - last) * (1 + cos(PI * done)) / 2;
}

double schedule_learning_rate(const PlanTraining *training, int epoch, int iteration)
{
    const int length = training->schedule_epochs > 0 ? training->schedule_epochs : training->epochs;
    const double per_epoch = training->iterations_per_epoch, past = epoch * per_epoch + iteration;
    const double time = training->schedule_step == SCHEDULE_BY_ITERATION ? past / per_epoch : epoch;
    const double warmth = past < training->warmup_iterations ? (past + 1) / training->warmup_iterations : 1;
    return warmth * scheduled(training, fmin(time / length, 1));
}
