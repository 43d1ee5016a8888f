/* Training: one run, from preprocessed cases to checkpoint_final.
 *
 *   training_open(&t, &options, e);
 *   training_run(t, &watch, e);        // 0 at the end; ERR_INTERRUPTED with everything saved
 *   training_close(t);
 * The same plan, cases and seed give the same weights, whatever the number of loader threads, and however
 * often the run was stopped and continued. */
#ifndef TRAINER_TRAINING_H
#define TRAINER_TRAINING_H

#include <stdbool.h>

#include "base/array.h"
#include "base/error.h"
#include "network/device/device.h"
#include "plans/fold_cases.h"
#include "plans/plan.h"
#include "trainer/history.h"
#include "trainer/pseudo_dice.h"
#include "trainer/run_folder.h"

typedef struct Training Training;

/* What the command line changes in the plan; 0 (seed: -1): as it is. */
typedef struct TrainingOverrides {
    const char *file;             /* a plan with only the keys to change; NULL: none */
    int epochs, iterations_per_epoch, validation_iterations, batch_size;
    int patch_size[2];
    double learning_rate;
    double minutes;               /* epochs and their length by the time there is (schedule.h) */
    const char *pretrained;       /* weights to start from; NULL: as it is */
    int64_t seed;
} TrainingOverrides;

typedef enum TrainingTell { TRAINING_NOTE, TRAINING_WARNING } TrainingTell;

typedef struct TrainingOptions {
    const char *preprocessed, *results;
    int fold;                     /* SPLITS_FOLD_ALL for `all` */
    RunMode mode;
    int threads;                  /* of the machine to use */
    DType precision;              /* of the network's arithmetic (network/executor/precision.h) */
    const Device *device;         /* where to compute; NULL: the CPU. Outlives the Training */
    TrainingOverrides overrides;
    /* What the user should read, one line each, while it is opened and while it runs; the log has it too. May be
     * NULL. */
    void (*tell)(void *context, TrainingTell kind, const char *text);
    void *context;
    int (*interrupted)(void);     /* not 0: a signal came; may be NULL */
} TrainingOptions;

/* What a run tells while it goes; all are called by its own thread. */
typedef struct TrainingWatch {
    void (*iteration)(void *context, int epoch, bool validating, int done, int total, double mean_loss);
    void (*epoch)(void *context, const EpochRecord *record, const PseudoDice *dice);
    int (*interrupted)(void);     /* not 0: save and stop after this iteration */
    void *context;
} TrainingWatch;

/* Reads plan and cases, checks all that can be checked, builds the network, and goes back to the last checkpoint where
 * mode is RUN_CONTINUE. RESULTS/plans.yaml then holds the plan (training_plan.h), and dataset.json is copied. What is
 * refused changes nothing. An earlier run is replaced (RUN_OVERWRITE) only when the first checkpoint is written.
 * Fails: ERR_IO, ERR_FORMAT, ERR_VALUE, ERR_SHAPE, ERR_NOMEM, with what does not fit; ERR_INTERRUPTED while it waits
 * for another fold that is starting. */
int training_open(Training **t, const TrainingOptions *o, Err *e);
void training_close(Training *t);             /* NULL is fine */

const Plan *training_plan(const Training *t);
bool training_is_finished(const Training *t); /* nothing is left to do but the final validation */
int training_epochs_done(const Training *t);
bool training_has_validation(const Training *t); /* the fold has cases to validate on */
size_t training_memory_bytes(const Training *t);  /* of network, gradients and activations */

/* Tells the user a line, and notes it for training_log.txt. */
void training_tell(Training *t, TrainingTell kind, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Writes pictures of a training's first patches to a folder (augmentation_pictures.h). Neither network nor results
 * folder are needed or touched. Fails: as training_open. */
int training_show_patches(const TrainingOptions *o, int count, const char *folder, Err *e);

/* Trains to the end; watch may be NULL, and so may each of its functions. Fails: ERR_INTERRUPTED after a signal; ERR_VALUE where the loss is no number;
 * ERR_IO where a checkpoint cannot be written (the last good one stands). */
int training_run(Training *t, const TrainingWatch *watch, Err *e);

#endif
