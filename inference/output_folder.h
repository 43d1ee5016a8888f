/* OutputFolder: where the predictions of one model, or the mean of several, go, and which of them are kept.
 *
 *   OutputFolder f;
 *   output_folder_open(&f, "out", ".nii.gz", false, &made_from, overwrite, e);
 *   output_folder_decide(&f, &cases, made, o, e);      // made[i]: whether case i is to be made
 *   for each of them: … write output_folder_labels(&f, id, e) …; output_folder_done(&f, &cases, i, e);
 *   output_folder_close(&f, e);
 * What is there and was made by something else is refused before anything is computed. */
#ifndef INFERENCE_OUTPUT_FOLDER_H
#define INFERENCE_OUTPUT_FOLDER_H

#include "inference/prediction.h"
#include "inference/prediction_cases.h"
#include "inference/prediction_record.h"

typedef struct OutputFolder {
    const char *path;            /* borrowed */
    char *ending;                /* owned */
    bool probabilities;          /* of every case, too */
    bool replace;                /* --overwrite */
    PredictionRecord *record;
} OutputFolder;

/* made_from: borrowed until close. Fails: as prediction_record_open; ERR_VALUE where the folder holds predictions of
 * another model or options, which are named. */
int output_folder_open(OutputFolder *f, const char *path, const char *ending, bool probabilities,
                       const MadeFrom *made_from, bool replace, Err *e);

/* Of the wanted cases: those that stand there whole and were made from the same inputs are not to be made. One that
 * would replace an image, or what somebody edited, has failed; that is told. Then writes the first record. Fails:
 * ERR_IO; ERR_VALUE where a file is in the way that predict did not write. */
int output_folder_decide(OutputFolder *f, PredictionCases *c, bool *made, const PredictionOptions *o, Err *e);

char *output_folder_labels(const OutputFolder *f, const char *id, Err *e);   /* the path; the caller's; NULL */

/* Records a case that was made, or could not be. Fail: as prediction_record_done. */
int output_folder_done(OutputFolder *f, PredictionCases *c, int index, Err *e);
int output_folder_failed(OutputFolder *f, const char *id, const char *error, Err *e);

/* Also of one that was never opened ({0}). Fails: as prediction_record_close. */
int output_folder_close(OutputFolder *f, Err *e);

#endif
