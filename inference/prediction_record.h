/* PredictionRecord: predict.yaml in a folder of predictions, which records what they were made from.
 *
 * A prediction is kept only if it was made by the same model and options from the same inputs, and if its files were not
 * changed since. All of this is compared by content hashes.
 *
 *   PredictionRecord *r;
 *   prediction_record_open(&r, folder, &made_from, false, e);      // reads an existing record
 *   if (prediction_record_is_other(r, &differences)) …             // refuse, or open it with `replace`
 *   for each case: prediction_record_look(r, id, files, count, &state, e);
 *                  if (state == OUTPUT_WHOLE && prediction_record_same_inputs(r, id, &inputs, &why)) keep it;
 *                  else prediction_record_plan(r, id, e);
 *   prediction_record_begin(r, e);                                 // before the first file is written
 *   for each planned case: … write its files …; prediction_record_done(r, id, &inputs, files, count, e);
 *   prediction_record_close(r, e);
 *
 * Before begin the folder need not exist, and nothing is written. Afterwards the file is written atomically, from time to
 * time and at the end. If the process is killed, a file that was written but not recorded belongs to a planned case and is
 * made again. Several processes may predict different cases of one model into one folder: each writes under a lock and
 * keeps the records of the others. Not thread-safe. */
#ifndef INFERENCE_PREDICTION_RECORD_H
#define INFERENCE_PREDICTION_RECORD_H

#include <stdbool.h>

#include "base/error.h"
#include "base/text.h"
#include "plans/made_from.h"

#define PREDICTION_RECORD_NAME "predict.yaml"

typedef struct PredictionRecord PredictionRecord;

/* made_from: common to all outputs (predictor_made_from); borrowed until close. replace: existing outputs are ignored and
 * may be overwritten; a damaged record is ignored too. Fails: ERR_IO, ERR_NOMEM, as made_from_check; ERR_FORMAT for a
 * damaged record. */
int prediction_record_open(PredictionRecord **r, const char *folder, const MadeFrom *made_from, bool replace, Err *e);

/* Whether existing outputs were made from something else; then adds the differences to the text (may be NULL). Always false
 * with `replace`, and if the folder has only the record and no run is writing to it. */
bool prediction_record_is_other(const PredictionRecord *r, Text *differences);

typedef enum OutputState {
    OUTPUT_NONE,       /* one of its files does not exist */
    OUTPUT_WHOLE,      /* all files are as recorded */
    OUTPUT_UNFINISHED, /* written by a run that ended before recording it: to be made again */
    OUTPUT_CHANGED,    /* a file was changed since, possibly edited by hand */
    OUTPUT_FOREIGN     /* a file that no run has recorded */
} OutputState;

/* files (count): names in the folder of all files of the case, without those that image_write makes beside an image (the
 * voxels of .mhd). With `replace` existing files are OUTPUT_UNFINISHED. *which, if not NULL: the name of the file that the
 * state is due to, owned by the caller (also on failure), or NULL for OUTPUT_WHOLE. Fails: ERR_IO, ERR_NOMEM. */
int prediction_record_look(const PredictionRecord *r, const char *id, const char *const *files, int count,
                           OutputState *state, char **which, Err *e);

/* Whether a case was made from these inputs: the files of one that failed are of an earlier run. If not, adds the differences
 * to the text (may be NULL). */
bool prediction_record_same_inputs(const PredictionRecord *r, const char *id, const MadeFrom *inputs, Text *why);

/* Plans a case: its files will be written. Only before begin. Fails: ERR_NOMEM. */
int prediction_record_plan(PredictionRecord *r, const char *id, Err *e);

/* Removes the recorded files of all cases except these (count), if unchanged, and their records. Only before begin, and in
 * a folder that no other run writes to. Fails: ERR_IO, ERR_NOMEM. */
int prediction_record_keep_only(PredictionRecord *r, char *const *ids, int count, Err *e);

/* Makes the folder and writes the record, without the outputs of another model or other options. Fails: ERR_IO; ERR_VALUE
 * if another run with another model or options has begun to write there. */
int prediction_record_begin(PredictionRecord *r, Err *e);

/* Number of cases in the record of another model that are not planned now; begin has removed them from the record. */
int prediction_record_dropped(const PredictionRecord *r);

/* prediction_record_done: the files of a planned case were written; other recorded files of it, of an earlier run, are
 * removed if unchanged. prediction_record_failed: it failed; its files do not exist, or are those of an earlier run.
 * inputs: moved, empty afterwards; of one that failed NULL if they could not be read. Fail: ERR_IO, as begin. */
int prediction_record_done(PredictionRecord *r, const char *id, MadeFrom *inputs, const char *const *files, int count,
                           Err *e);
int prediction_record_failed(PredictionRecord *r, const char *id, const char *error, MadeFrom *inputs,
                             const char *const *files, int count, Err *e);

/* Whether the case failed with these inputs. */
bool prediction_record_has_failed(const PredictionRecord *r, const char *id, const MadeFrom *inputs);

/* A planned case is begun: that is written at once, and counted until it is done or failed, or put off: when one of several
 * models is finished with it, or when it is left to a later round. So only the case with which the program ends is counted.
 * Fail: as done. */
int prediction_record_start_case(PredictionRecord *r, const char *id, Err *e);
void prediction_record_put_off(PredictionRecord *r, const char *id);

/* How often earlier runs have begun the case without an end. */
int prediction_record_begun(const PredictionRecord *r, const char *id);

/* From now on the record is written as soon as a case is over. */
void prediction_record_prompt(PredictionRecord *r);

/* Records a warning about a planned case, or about no case (NULL). *is_new, if not NULL: it was not recorded before. */
int prediction_record_warn(PredictionRecord *r, const char *id, const char *text, bool *is_new, Err *e);

/* Writes the record, if begin was called, and frees r (may be NULL). If no case was made and none failed, an empty record
 * is removed. Fails: as begin. */
int prediction_record_close(PredictionRecord *r, Err *e);

/* Adds an image of a case to the list of its inputs: its name and content hash, and those of the files that belong to it
 * (data/image_files.h). */
void prediction_inputs_add(MadeFrom *inputs, const char *path);

#endif
