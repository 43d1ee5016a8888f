#include "trainer/schedule.h"

#include <math.h>

double schedule_learning_rate(const PlanTraining *training, int epoch)
{
    static const double PI = 3.14159265358979323846;
    const int length = training->schedule_epochs > 0 ? training->schedule_epochs : training->epochs;
    const double done = fmin((double)epoch / length, 1), first = training->learning_rate;
    if (training->schedule == SCHEDULE_POLY) return first * pow(1 - done, training->poly_power);
    const double last = training->final_learning_rate;
    return last + (first - last) * (1 + cos(PI * done)) / 2;
}
