/* predict --watch: predicts each case of a folder that other programs write into, once, until it is told to stop.
 *
 * A file is finished when it has not changed for some seconds (inference/watched_folder.h), and a case when all its channels
 * are. One that is cut off or cannot be read is taken for unfinished for PATIENCE times as long; then that is a failure of
 * the case: OUT/CASE.error.txt has it. What is done is known from OUT/predict.yaml, by content, also after a crash. */
#ifndef INFERENCE_WATCH_H
#define INFERENCE_WATCH_H

#include "inference/prediction.h"

typedef struct WatchOptions {
    const char *folder;
    double settle; /* seconds without a change after which a file is finished */
} WatchOptions;

/* Returns 0 when o->stops() said so. o->inputs are not used. Failures of cases are reported (o->report); a folder that cannot
 * be read or written for a time is waited for. Fails: at the start ERR_IO, and ERR_VALUE if another run watches for the same
 * output; as prediction_open and prediction_round. */
int watch_run(const WatchOptions *w, const PredictionOptions *o, const Configuration *c, Err *e);

#endif
