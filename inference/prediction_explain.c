#include "inference/prediction_job.h"

static void tell_costs(const PredictionOptions *o, const char *id, const PredictionCost *cost)
{
    static const double mib = 1 << 20;
    prediction_tell(o, TELL_TABLE, "%-24s %9lld %6d %10.0f %10.0f %10.0f %10.0f %10.0f %10.0f\n", id,
                    (long long)cost->tiles, cost->batch, (double)cost->networks / mib, (double)cost->reading / mib,
                    (double)cost->preprocessing / mib, (double)cost->predicting / mib, (double)cost->finishing / mib,
                    (double)cost->peak / mib);
}

static void explain_case(const PredictionJob *job, int index)
{
    const Case *c = &job->cases->inputs.cases[index].files;
    PredictionCost cost;
    Err fault = {0};
    if (!prediction_job_cost(job, c, &cost, &fault)) {
        tell_costs(job->o, c->id, &cost);
        return;
    }
    prediction_tell(job->o, TELL_TABLE, "%-24s %s\n", c->id, fault.text);
    if (!*job->o->output)
        job->cases->fates[index] = CASE_FAILED; /* otherwise it is reported when the case is predicted */
}

void prediction_job_explain(const PredictionJob *job)
{
    const PredictionOptions *o = job->o;
    if (job->is_member) prediction_tell(o, TELL_TABLE, "%s\n", job->model->results);
    prediction_tell(o, TELL_TABLE, "%-24s %9s %6s %10s %10s %10s %10s %10s %10s\n", "MiB", "tiles", "batch", "networks",
                    "reading", "preprocess", "predicting", "finishing", "peak");
    for (int i = 0; i < job->cases->inputs.count; i++)
        if (!job->cases->inputs.cases[i].fault) explain_case(job, i);
}
