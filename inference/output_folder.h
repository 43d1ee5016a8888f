/* OutputFolder: the folder for the predictions of one model, or of the mean of several; decides which ones are kept.
 *
 *   OutputFolder f;
 *   output_folder_open(&f, "out", ".nii.gz", false, &made_from, overwrite, e);
 *   output_folder_decide(&f, &cases, made, o, e);      // made[i]: whether case i must be predicted
 *   for each of them: … write output_folder_labels(&f, id, e) …; output_folder_done(&f, &cases, i, e);
 *   output_folder_close(&f, e);
 * Existing files of another origin are an error, before anything is computed. */
#ifndef INFERENCE_OUTPUT_FOLDER_H
#define INFERENCE_OUTPUT_FOLDER_H

#include "inference/prediction.h"
#include "inference/prediction_cases.h"
#include "inference/prediction_record.h"

typedef struct OutputFolder {
    const char *path;   /* borrowed */
    char *ending;       /* owned */
    bool probabilities; /* written for every case too */
    bool replace;       /* --overwrite */
    bool explains;      /* CASE.error.txt tells why a case failed; set by the caller after opening */
    PredictionRecord *record;
} OutputFolder;

/* made_from: borrowed until close. Fails: as prediction_record_open; ERR_VALUE if the folder holds predictions of
 * another model or other options, with the differences. */
int output_folder_open(OutputFolder *f, const char *path, const char *ending, bool probabilities,
                       const MadeFrom *made_from, bool replace, Err *e);

/* Decides which of the wanted cases must be predicted: not those with complete outputs from the same inputs. A case whose
 * outputs would replace an input image or an edited file fails; that is reported. Then writes the first record. Fails:
 * ERR_IO; ERR_VALUE if a file with an output's name exists that predict did not write. In later rounds of a watched folder
 * (o->watch) that is a failure of the case, and in the first one a case that has failed with the same inputs is not
 * tried again (CASE_PAST). */
int output_folder_decide(OutputFolder *f, PredictionCases *c, bool *made, const PredictionOptions *o, Err *e);

char *output_folder_labels(const OutputFolder *f, const char *id, Err *e); /* the path; the caller's; NULL */

/* Record a case that was predicted, or that failed. inputs: as prediction_record_failed. Fail: as prediction_record_done;
 * ERR_IO. */
int output_folder_done(OutputFolder *f, PredictionCases *c, int index, Err *e);
int output_folder_failed(OutputFolder *f, const char *id, const char *error, MadeFrom *inputs, Err *e);

/* f may be {0}, never opened. Fails: as prediction_record_close. */
int output_folder_close(OutputFolder *f, Err *e);

#endif
