/* RecordContent: the content of predict.yaml.
 *
 *   format: 1
 *   made_from:                    # of every output: model, plan, options, version (inference/prediction_record.h)
 *     folds: "0,1"
 *   warnings: []                  # those that do not belong to a case
 *   cases:                        # sorted by name
 *     - {case: a, state: done, inputs: {a_0000.nii.gz: 2f…}, outputs: {a.nii.gz: 77…}}
 *     - {case: b, state: failed, inputs: {b_0000.nii.gz: 9c…}, error: "…"}   # inputs: if they could be read
 *     - {case: c, state: planned} # not predicted yet; `outputs`, if there: files of an earlier run, to be replaced
 *     - {case: d, state: planned, begun: 1} # of a watched folder: being predicted, or the program ended in the middle of it
 * Files have names without folders and content hashes, so that the record of a moved folder stays valid.
 * `RecordContent c = {0}`; record_content_free. */
#ifndef INFERENCE_PREDICTION_RECORD_FILE_H
#define INFERENCE_PREDICTION_RECORD_FILE_H

#include <stdbool.h>

#include "base/error.h"
#include "plans/made_from.h"

typedef enum RecordState { RECORD_PLANNED, RECORD_DONE, RECORD_FAILED } RecordState;

/* Names of files and their content hashes: a MadeFrom without its Err, to save memory for thousands of cases. */
typedef struct RecordedFiles {
    MadeFromItem *items; /* owned */
    int count;
} RecordedFiles;

/* The content hash of the first file with that name, or, for a name such as ".npy", with that ending; or NULL. */
const char *recorded_file(const RecordedFiles *files, const char *name_or_ending);

typedef struct RecordTexts {
    char **texts; /* owned */
    int count;
} RecordTexts;

typedef struct RecordedCase {
    char *id;
    RecordState state;
    RecordedFiles inputs, outputs;
    char *error; /* message of a case that failed, else NULL */
    int begun; /* of a planned case of a watched folder: times that it was begun by a run that came to no end with it */
    RecordTexts warnings;
} RecordedCase;

typedef struct RecordContent {
    MadeFrom made_from;
    RecordTexts warnings;
    RecordedCase *cases; /* sorted by id */
    int count;
} RecordContent;

/* *c is new. Fails: ERR_IO, ERR_NOMEM; ERR_FORMAT with "file:line:column: what". */
int record_content_read(RecordContent *c, const char *path, Err *e);

/* Writes made_from, warnings and the cases of both lists; if both have a case, that of `mine`. Fails: as doc_finish. */
int record_content_write(const RecordContent *mine, const RecordContent *others, const char *path, Err *e);
void record_content_free(RecordContent *c);

/* By its name, which need not be plain (record_plain_name). NULL: not found. */
RecordedCase *record_content_find(const RecordContent *c, const char *name);
/* Adds a case without files. Cases are sorted only after record_content_sort. Fails: ERR_NOMEM. */
int record_content_add(RecordContent *c, const char *id, RecordState state, Err *e);
void record_content_sort(RecordContent *c);
void record_content_drop(RecordContent *c, int index);
void recorded_case_clear(RecordedCase *c); /* keeps id and warnings */

/* Moves the list to `to`; `from` is empty afterwards. Fails: as made_from_check. */
int recorded_files_take(RecordedFiles *to, MadeFrom *from, Err *e);
void recorded_files_free(RecordedFiles *files);
MadeFrom recorded_files_view(const RecordedFiles *files); /* borrowed: not to be freed */

/* Removes from the folder the files of `old` that are not in `now`. Files whose content is not the recorded one are kept.
 * Fails: ERR_IO, ERR_NOMEM. */
int recorded_files_remove(const RecordedFiles *old, const RecordedFiles *now, const char *folder, Err *e);

/* Adds the text if it is not in the list yet. Fails: ERR_NOMEM. */
int record_texts_add(RecordTexts *t, const char *text, Err *e);
void record_texts_free(RecordTexts *t);

/* A name as written to the file: bytes that are not UTF-8, which YAML cannot represent, as %E9. Owned by the caller; NULL with
 * e filled on lack of memory. */
char *record_plain_name(const char *name, Err *e);

#endif
