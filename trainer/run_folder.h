/* RunFolder: RESULTS/fold_F, the folder of one run for checkpoints, log and curves.
 *
 *   run_folder_open(&f, results, fold, mode, &waiting, e);   // other runs that start in RESULTS wait from here …
 *   … all checks …
 *   run_folder_begin(&f, e);                                 // … to here
 *   … after a checkpoint was written: run_folder_settle(&f, e);
 *   run_folder_close(&f);
 * It holds a lock on the fold's folder, so that a second run there fails. Before begin nothing in the folder is changed,
 * and close removes what open has made. A run that replaces an earlier one writes to another folder, RESULTS/.fold_F.new,
 * until its first checkpoint is written: then this folder is renamed to that of the earlier run, which is removed. If the
 * process is killed in between, one of both is complete, and the next run removes the other. Files with other names than
 * those of a run are kept. */
#ifndef TRAINER_RUN_FOLDER_H
#define TRAINER_RUN_FOLDER_H

#include <stdbool.h>

#include "base/error.h"
#include "base/lock.h"
#include "base/text.h"

typedef enum RunMode { RUN_NEW, RUN_CONTINUE, RUN_OVERWRITE } RunMode;

/* Callbacks while waiting for another run that is starting in the same results folder. Members may be NULL. */
typedef struct RunWaiting {
    void (*tell)(void *context); /* called once, if it takes longer than a moment */
    int (*interrupted)(void);    /* not 0: stop waiting */
    void *context;
} RunWaiting;

typedef struct RunFolder {
    const char *results;       /* borrowed */
    char *fold;                /* RESULTS/fold_F */
    char *path;                /* the folder that the run writes to: fold, or .fold_F.new */
    FolderLock results_lock;   /* from open to begin */
    FolderLock lock, new_lock; /* of fold; of path, if that is another folder */
    bool made_results, made_fold;
    bool holds_run; /* the folder contained a run when it was opened */
    bool begun;
    bool follows; /* another process writes */
    Text log;     /* whole content of training_log.txt */
} RunFolder;

/* Fails where results would be written to the preprocessed folder: ERR_VALUE; as file_is_same. */
int run_folder_expect_apart(const char *results, const char *preprocessed, Err *e);

/* fold: 0 …, or SPLITS_FOLD_ALL. Makes the folder if it does not exist. Fails: ERR_VALUE if it contains a run and mode is
 * RUN_NEW, if another run is writing to it, or if starting runs hold the lock for too long; ERR_INTERRUPTED; ERR_IO,
 * ERR_NOMEM. */
int run_folder_open(RunFolder *f, const char *results, int fold, RunMode mode, const RunWaiting *waiting, Err *e);
void run_folder_close(RunFolder *f);

/* The same for another rank of a run whose rank 0 has opened the folder: it takes no lock, only reads, and its log is not
 * written. Fails: ERR_IO, ERR_NOMEM. */
int run_folder_follow(RunFolder *f, const char *results, int fold, Err *e);

/* Whether there is still an earlier run, which the first checkpoint will replace. */
bool run_folder_replaces(const RunFolder *f);

/* Called after all checks: removes files of a run without a checkpoint, and lets other runs start. Fails: ERR_IO,
 * ERR_NOMEM. */
int run_folder_begin(RunFolder *f, Err *e);

/* Called after a checkpoint was written: replaces an earlier run, if there is one, and moves the RUN_RESULT_FILES in path
 * to RESULTS. The caller holds results_lock (run_folder_lock_results). Fails: ERR_IO, ERR_NOMEM. */
int run_folder_settle(RunFolder *f, Err *e);
int run_folder_lock_results(RunFolder *f, const RunWaiting *waiting, Err *e);
void run_folder_unlock_results(RunFolder *f);

/* The files that a run writes to RESULTS: plans.yaml and others. */
extern const char *const RUN_RESULT_FILES[];
enum { RUN_RESULT_FILE_COUNT = 3 };

/* FOLDER/checkpoint_NAME.safetensors; owned by the caller; NULL without memory. */
char *run_folder_checkpoint(const RunFolder *f, const char *name, Err *e);

/* Finds another fold of the results that has started: it has a checkpoint, or a run is writing to it. *name: owned by the
 * caller; NULL if there is none. Fails: ERR_IO, ERR_NOMEM. */
int run_folder_sibling(const RunFolder *f, char **name, Err *e);

/* Removes predictions of earlier weights and their summary. Fails: ERR_IO, ERR_NOMEM. */
int run_folder_remove_validation(const RunFolder *f, Err *e);

/* Add a line with the time to training_log.txt. run_folder_note does not write the file; the next run_folder_log does.
 * Fail: ERR_IO, ERR_NOMEM. */
int run_folder_log(RunFolder *f, Err *e, const char *format, ...) __attribute__((format(printf, 3, 4)));
void run_folder_note(RunFolder *f, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Appends lines to the log in the folder of a fold whose run has ended; kind: "", "warning: ". The caller holds its lock.
 * Fails: ERR_IO, ERR_NOMEM. */
int run_folder_append(const char *fold, const char *kind, const Text *lines, Err *e);

#endif
