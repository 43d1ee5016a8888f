/* RunFolder: RESULTS/fold_F, where one run writes: checkpoints, log and curves.
 *
 *   run_folder_open(&f, results, fold, mode, &waiting, e);   // others that start in RESULTS wait from here …
 *   … everything that can be refused …
 *   run_folder_begin(&f, e);                                 // … to here
 *   … after a checkpoint was written: run_folder_settle(&f, e);
 *   run_folder_close(&f);
 * It holds a lock on the fold's folder: a second run there is refused. Until begin nothing in the folder is
 * changed, and close takes back what open has made. A run that replaces an earlier one writes into a folder beside
 * it, RESULTS/.fold_F.new, until its first checkpoint stands there: then the one takes the place of the other, and
 * the earlier run is removed. A process that is killed in between leaves either, and the next one clears up. Files
 * of names other than ours are left alone. */
#ifndef TRAINER_RUN_FOLDER_H
#define TRAINER_RUN_FOLDER_H

#include <stdbool.h>

#include "base/error.h"
#include "base/lock.h"
#include "base/text.h"

typedef enum RunMode { RUN_NEW, RUN_CONTINUE, RUN_OVERWRITE } RunMode;

/* While another run starts in the same results folder. Members may be NULL. */
typedef struct RunWaiting {
    void (*tell)(void *context);       /* called once, if it takes longer than a moment */
    int (*interrupted)(void);          /* not 0: stop waiting */
    void *context;
} RunWaiting;

typedef struct RunFolder {
    const char *results;      /* borrowed */
    char *fold;               /* RESULTS/fold_F */
    char *path;               /* where the run writes: fold, or a folder beside it */
    FolderLock results_lock;  /* from open to begin */
    FolderLock lock, new_lock;/* of fold; of path, where that is another folder */
    bool made_results, made_fold;
    bool holds_run;           /* a run stood there when it was opened */
    bool begun;
    Text log;                 /* training_log.txt, whole */
} RunFolder;

/* fold: 0 …, or SPLITS_FOLD_ALL. Makes the folder where it is missing. Fails: ERR_VALUE if it holds a run and mode is
 * RUN_NEW, or another run is writing there, or others that start take too long; ERR_INTERRUPTED; ERR_IO, ERR_NOMEM. */
int run_folder_open(RunFolder *f, const char *results, int fold, RunMode mode, const RunWaiting *waiting, Err *e);
void run_folder_close(RunFolder *f);

/* Whether an earlier run stands there still, which the first checkpoint will replace. */
bool run_folder_replaces(const RunFolder *f);

/* All is checked: what is left of a run without a checkpoint is removed, and others may start. Fails: ERR_IO,
 * ERR_NOMEM. */
int run_folder_begin(RunFolder *f, Err *e);

/* A checkpoint was written: it replaces an earlier run, if there is one. The caller holds results_lock
 * (run_folder_lock_results). Files of RUN_RESULT_FILES in path go to RESULTS. Fails: ERR_IO, ERR_NOMEM. */
int run_folder_settle(RunFolder *f, Err *e);
int run_folder_lock_results(RunFolder *f, const RunWaiting *waiting, Err *e);
void run_folder_unlock_results(RunFolder *f);

/* What a run records in RESULTS: plans.yaml and others, count of them. */
extern const char *const RUN_RESULT_FILES[];
enum { RUN_RESULT_FILE_COUNT = 3 };

/* FOLDER/checkpoint_NAME.safetensors; the caller's; NULL on lack of memory. */
char *run_folder_checkpoint(const RunFolder *f, const char *name, Err *e);

/* Another fold of the results that has begun: it holds a checkpoint, or a run is writing there. *name is the caller's;
 * NULL where there is none. Fails: ERR_IO, ERR_NOMEM. */
int run_folder_sibling(const RunFolder *f, char **name, Err *e);

/* Predictions of the weights that were there so far, and their summary. Fails: ERR_IO, ERR_NOMEM. */
int run_folder_remove_validation(const RunFolder *f, Err *e);

/* Adds a line with the time to training_log.txt; note: without writing the file yet, which the next log does. Fails:
 * ERR_IO, ERR_NOMEM. */
int run_folder_log(RunFolder *f, Err *e, const char *format, ...) __attribute__((format(printf, 3, 4)));
void run_folder_note(RunFolder *f, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same for a fold's folder whose run has ended, line by line; kind: "", "warning: ". The caller holds its lock. Fails:
 * ERR_IO, ERR_NOMEM. */
int run_folder_append(const char *fold, const char *kind, const Text *lines, Err *e);

#endif
