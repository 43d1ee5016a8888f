/* PredictionRecord: predict.yaml in a folder of predictions, which says from what they were made.
 *
 * A prediction is kept only if it was made by the very same model and options from the very same inputs, and
 * its files are still those that were written. All of that is compared by content.
 *
 *   PredictionRecord *r;
 *   prediction_record_open(&r, folder, &made_from, false, e);      // reads what is there
 *   if (prediction_record_is_other(r, &differences)) …             // refuse, or open it with `replace`
 *   for each case: prediction_record_look(r, id, files, count, &state, e);
 *                  if (state == OUTPUT_WHOLE && prediction_record_same_inputs(r, id, &inputs, &why)) keep it;
 *                  else prediction_record_plan(r, id, e);
 *   prediction_record_begin(r, e);                                 // before the first file is written
 *   for each planned case: … write its files …; prediction_record_done(r, id, &inputs, files, count, e);
 *   prediction_record_close(r, e);
 *
 * Before begin the folder need not be there and nothing is written. Afterwards the file is written atomically
 * now and then, and at the end. Whenever the process is killed, a file that was written but not yet recorded
 * belongs to a planned case and is made again. Several processes may predict different cases of one model into
 * one folder: each writes under a lock and keeps what the others wrote. Not for several threads. */
#ifndef INFERENCE_PREDICTION_RECORD_H
#define INFERENCE_PREDICTION_RECORD_H

#include <stdbool.h>

#include "base/error.h"
#include "base/text.h"
#include "plans/made_from.h"

#define PREDICTION_RECORD_NAME "predict.yaml"

typedef struct PredictionRecord PredictionRecord;

/* made_from: of every output (see prediction_source.h); borrowed until close. replace: what is there counts for
 * nothing and may be overwritten; then a record that cannot be read does not matter either. Fails: ERR_IO,
 * ERR_NOMEM, as made_from_check; ERR_FORMAT for a record that is damaged. */
int prediction_record_open(PredictionRecord **r, const char *folder, const MadeFrom *made_from, bool replace,
                           Err *e);

/* Whether the outputs that are there were made from something else; then adds what differs to the text (may be
 * NULL). Always false with `replace`, and where the record is all there is and no run is under way. */
bool prediction_record_is_other(const PredictionRecord *r, Text *differences);

typedef enum OutputState {
    OUTPUT_NONE,        /* one of its files is not there */
    OUTPUT_WHOLE,       /* its files are those that were recorded */
    OUTPUT_UNFINISHED,  /* made by a run that was ended before it could record it: to be made again */
    OUTPUT_CHANGED,     /* not what was written: somebody may have edited it */
    OUTPUT_FOREIGN      /* a file that no run has recorded */
} OutputState;

/* files (count): names in the folder of all that belongs to the case; what image_write makes beside an image (the voxels
 * of .mhd) need not be named. With `replace` whatever is there is OUTPUT_UNFINISHED. *which, if not NULL: the name of the
 * file that decided, the caller's (also on failure), or NULL where all are whole. Fails: ERR_IO, ERR_NOMEM. */
int prediction_record_look(const PredictionRecord *r, const char *id, const char *const *files, int count,
                           OutputState *state, char **which, Err *e);

/* Whether a case was made from these inputs; if not, adds what differs to the text (may be NULL). */
bool prediction_record_same_inputs(const PredictionRecord *r, const char *id, const MadeFrom *inputs, Text *why);

/* The case's files will be written. Before begin. Fails: ERR_NOMEM. */
int prediction_record_plan(PredictionRecord *r, const char *id, Err *e);

/* Removes what was recorded of all other cases than these (count), as far as it is unchanged, and forgets them. Before
 * begin, and in a folder that no other run writes into. Fails: ERR_IO, ERR_NOMEM. */
int prediction_record_keep_only(PredictionRecord *r, char *const *ids, int count, Err *e);

/* Makes the folder and writes the record: outputs of another model or options are no longer in it. Fails:
 * ERR_IO; ERR_VALUE if meanwhile another run with another model or options began to write there. */
int prediction_record_begin(PredictionRecord *r, Err *e);

/* How many cases the record of another model named that are not planned now; begin dropped them. */
int prediction_record_dropped(const PredictionRecord *r);

/* A planned case's files stand there: others that an earlier run recorded of it are removed, unless somebody changed them.
 * Or it failed, and they don't, or are those of an earlier run. inputs: taken over, empty afterwards. Fails: ERR_IO, as
 * begin. */
int prediction_record_done(PredictionRecord *r, const char *id, MadeFrom *inputs, const char *const *files,
                           int count, Err *e);
int prediction_record_failed(PredictionRecord *r, const char *id, const char *error, const char *const *files,
                             int count, Err *e);

/* A warning about a planned case, or about none (NULL). *is_new, if not NULL: it was not there yet. */
int prediction_record_warn(PredictionRecord *r, const char *id, const char *text, bool *is_new, Err *e);

/* Writes what is not yet written, if begin was called; a run that made nothing, and where nothing failed, leaves no
 * record. r (may be NULL) is gone afterwards. Fails: as begin. */
int prediction_record_close(PredictionRecord *r, Err *e);

/* Adds an image of a case to the list of its inputs: its name and its content's hash, and those of the files that belong
 * to it (data/image_files.h). */
void prediction_inputs_add(MadeFrom *inputs, const char *path);

#endif
