/* Messages of a prediction (prediction_job.h). */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "inference/prediction_job.h"

void prediction_tell(const PredictionOptions *o, PredictionTell kind, const char *format, ...)
{
    char text[2048];
    va_list args;
    if (kind == TELL_NOTE && o->quiet) return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    o->tell(o->context, kind, text);
}

void prediction_tell_unwritten(const PredictionOptions *o, const char *id, const Err *fault)
{
    prediction_tell(o, TELL_WARNING, "case %s: its failure is not recorded: %s", id, fault->text);
}

bool prediction_job_record_warning(const PredictionJob *job, const char *text)
{
    bool is_new = true;
    if (job->output) prediction_record_warn(job->output->record, job->id, text, &is_new, NULL);
    return is_new;
}

void prediction_job_note(const PredictionJob *job, const char *code, const char *text)
{
    text_add_bytes(job->noted, code, strlen(code) + 1);
    text_add_bytes(job->noted, text, strlen(text) + 1);
}

void prediction_job_warn(const PredictionJob *job, const char *format, ...)
{
    char text[sizeof(Err)];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (job->noted) prediction_job_note(job, "", text);
    else if (prediction_job_record_warning(job, text))
        prediction_tell(job->o, TELL_WARNING, "case %s: %s", job->id, text);
}
