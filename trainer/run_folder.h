/* RunFolder: RESULTS/fold_F, where one run writes: checkpoints, log and curves.
 *
 * run_folder_open … run_folder_close. It holds a lock on the folder meanwhile: a second run there is
 * refused. Files of names other than ours are left alone. */
#ifndef TRAINER_RUN_FOLDER_H
#define TRAINER_RUN_FOLDER_H

#include <stdbool.h>

#include "base/error.h"
#include "base/lock.h"
#include "base/text.h"

typedef enum RunMode { RUN_NEW, RUN_CONTINUE, RUN_OVERWRITE } RunMode;

typedef struct RunFolder {
    const char *results;      /* borrowed */
    char *path;               /* RESULTS/fold_F */
    FolderLock lock;
    Text log;                 /* training_log.txt, whole */
} RunFolder;

/* fold: 0 …, or SPLITS_FOLD_ALL. Makes the folder where it is missing; RUN_OVERWRITE removes an earlier
 * run from it. Fails: ERR_VALUE if it holds a run and mode is RUN_NEW, or another run is writing there;
 * ERR_IO, ERR_NOMEM. */
int run_folder_open(RunFolder *f, const char *results, int fold, RunMode mode, Err *e);
void run_folder_close(RunFolder *f);

/* FOLDER/checkpoint_NAME.safetensors; the caller's; NULL on lack of memory. */
char *run_folder_checkpoint(const RunFolder *f, const char *name, Err *e);

/* Whether some fold of the results, this one apart, holds a run. Fails: ERR_IO, ERR_NOMEM. */
int run_folder_has_siblings(const RunFolder *f, bool *has, Err *e);

/* Predictions of the weights that were there so far, and their summary. Fails: ERR_IO, ERR_NOMEM. */
int run_folder_remove_validation(const RunFolder *f, Err *e);

/* Adds a line with the time to training_log.txt. Fails: ERR_IO, ERR_NOMEM. */
int run_folder_log(RunFolder *f, Err *e, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
