/* Training: one training run, from preprocessed cases to checkpoint_final.
 *
 *   training_open(&t, &options, e);
 *   training_run(t, &watch, e);        // 0 at the end; ERR_INTERRUPTED with everything saved
 *   training_close(t);
 * The weights depend only on plan, cases and seed: not on the number of loader threads, and not on how often the run was
 * stopped and continued. They depend on the number of ranks, since sums of gradients are rounded. */
#ifndef TRAINER_TRAINING_H
#define TRAINER_TRAINING_H

#include <stdbool.h>

#include "base/array.h"
#include "base/error.h"
#include "network/device/device.h"
#include "network/device/ranks.h"
#include "plans/fold_cases.h"
#include "plans/plan.h"
#include "trainer/history.h"
#include "trainer/pseudo_dice.h"
#include "trainer/run_folder.h"

typedef struct Training Training;

/* Changes of the plan by the command line; 0 (seed: -1): no change. */
typedef struct TrainingOverrides {
    const char *keys; /* plan keys to change as YAML text, before those of file; NULL: none */
    const char *file; /* file with the plan keys to change; NULL: none */
    int epochs, iterations_per_epoch, validation_iterations, batch_size;
    int patch_size[2];
    double learning_rate;
    bool has_recipe;
    PlanRecipe recipe;      /* if has_recipe; else that of the plan */
    double minutes;         /* time from which epochs and iterations follow (schedule.h): */
    bool cpu_minutes;       /* CPU time of all threads, not duration */
    const char *pretrained; /* initial weights; NULL: no change */
    const char *precision;  /* fp32 or bf16 (network/executor/precision.h); NULL: no change */
    int64_t seed;
} TrainingOverrides;

typedef enum TrainingTell { TRAINING_NOTE, TRAINING_WARNING } TrainingTell;

typedef struct TrainingOptions {
    const char *preprocessed, *results;
    int fold; /* SPLITS_FOLD_ALL for `all` */
    RunMode mode;
    int threads;          /* number of threads to use */
    int processes_here;   /* that share this machine's memory; 0: this one alone */
    const Device *device; /* that computes; NULL: the CPU; must outlive the Training */
    Ranks *ranks;         /* the processes that train together, each with the same options except for the device; only
                             rank 0 writes files. NULL: this process alone; must outlive the Training */
    TrainingOverrides overrides;
    /* Called with messages for the user, one line each, while opening and running; they are in the log too. May be
     * NULL. */
    void (*tell)(void *context, TrainingTell kind, const char *text);
    void *context;
    int (*interrupted)(void); /* returns not 0 after a signal; may be NULL */
} TrainingOptions;

/* Callbacks about the progress of a run; called by the thread that runs it. */
typedef struct TrainingWatch {
    void (*iteration)(void *context, int epoch, bool validating, int done, int total, double mean_loss);
    void (*epoch)(void *context, const EpochRecord *record, const PseudoDice *dice);
    int (*interrupted)(void); /* returns not 0 to save and stop after this iteration */
    void *context;
} TrainingWatch;

/* Reads and checks plan and cases, builds the network, and with RUN_CONTINUE reads the last checkpoint. Then writes the plan
 * to RESULTS/plans.yaml (training_plan.h) and copies dataset.json. A failure changes nothing. An earlier run is replaced
 * (RUN_OVERWRITE) only when the first checkpoint is written. Fails: ERR_IO, ERR_FORMAT, ERR_VALUE, ERR_SHAPE, ERR_NOMEM,
 * with what does not fit; ERR_INTERRUPTED while it waits for another fold that is starting. */
int training_open(Training **t, const TrainingOptions *o, Err *e);
void training_close(Training *t); /* NULL is fine */

const Plan *training_plan(const Training *t);
bool training_is_finished(const Training *t); /* only the final validation is left to do */
int training_epochs_done(const Training *t);
bool training_has_validation(const Training *t); /* the fold has validation cases that the network segments */
DType training_precision(const Training *t);     /* that it computes in: the plan's, if the device has it */
size_t training_memory_bytes(const Training *t); /* of network, gradients and activations */

/* Reports a line to the user and adds it to training_log.txt. */
void training_tell(Training *t, TrainingTell kind, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Writes pictures of a training's first patches to a folder (augmentation_pictures.h). No network is built, and no results
 * folder is needed. Fails: as training_open. */
int training_show_patches(const TrainingOptions *o, int count, const char *folder, Err *e);

/* Trains to the end; watch may be NULL, and so may each of its functions. Fails: ERR_INTERRUPTED after a signal; ERR_VALUE
 * if the loss is not finite; ERR_IO if a checkpoint cannot be written (the one before is kept). */
int training_run(Training *t, const TrainingWatch *watch, Err *e);

#endif
