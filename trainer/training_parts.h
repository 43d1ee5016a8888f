/* The members of a Training: shared by training.c (opening), training_run.c (sequence of epochs, checkpoints, log) and
 * epoch.c (one epoch). */
#ifndef TRAINER_TRAINING_PARTS_H
#define TRAINER_TRAINING_PARTS_H

#include "model/import.h"
#include "model/model.h"
#include "network/executor/executor.h"
#include "network/optimizer/optimizer.h"
#include "plans/made_from.h"
#include "recipe/run_length.h"
#include "trainer/checkpoint.h"
#include "trainer/loader.h"
#include "trainer/training.h"
#include "trainer/training_plan.h"

/* Iterations that are issued to a device before the oldest is read: while the host reads one, the device has the next. */
enum { ISSUED_MOST = DEVICE_MARKS };

/* What ranks tell each other in each iteration. */
enum { SHARED_INTERRUPTED, SHARED_SAVES, SHARED_CPU_SECONDS, SHARED };

/* An iteration that was issued. Its batch is the loader's until it is read; the numbers are valid after its mark. */
typedef struct Issued {
    const Batch *batch;
    float loss;
    double norm;           /* of the gradients; of training only */
    double shared[SHARED]; /* sums over the ranks */
} Issued;

/* Pinned host memory, from which and to which a device copies while the host goes on. */
typedef struct Readings {
    float seed; /* 1: the gradient of the loss by itself */
    Issued issued[ISSUED_MOST];
    float counts[]; /* of the validator, for each of the issued */
} Readings;

struct Training {
    TrainingOptions options;
    Plan plan;
    PlanChoice choice; /* how the plan was chosen */
    DatasetInfo info;
    bool has_info;
    FolderLock reading; /* on the preprocessed folder, so that no other program changes it */
    RunFolder folder;
    RunWaiting waiting;
    FoldCases fold_cases;
    MadeFrom contents; /* hashes of the files that its cases were made from */
    CaseSet training_cases, validation_cases;
    Sampler training_sampler, validation_sampler;
    int loader_threads;
    DType precision;      /* of the executors */
    const Device *device; /* likewise */
    BatchPart part;       /* this process's part of each batch */
    Reduction reduction;  /* the sums of options.ranks */
    Loader *loader;       /* not NULL during training_run */
    Model model;
    Parameters *average;   /* exponential mean of the model's parameters; NULL: the plan has none */
    ImportReport imported; /* of pretrained weights, if the run began with some */
    bool encoder_frozen;   /* the state that `trainer` was made for */
    Executor *trainer;     /* output 0: loss */
    Executor *validator;   /* output 0: loss, output 1: counts, if the network has them */
    Optimizer *optimizer;
    Readings *readings;
    DiceBCE region_loss; /* for a dataset with regions */
    PseudoDice dice;
    RunState state;
};

/* Whether this process writes the run's files: rank 0. */
bool training_writes(const Training *t);

/* Replaces values by their sums over all ranks. Fails: as the ranks' sum_on_host. */
int training_sum(const Training *t, double *values, int64_t count, Err *e);

/* Reports of the trainer's gradients, to sum them over the ranks while backward runs. */
GradientBuckets training_buckets(Training *t);

/* Sets t->part, as equal on all ranks as possible, and t->reduction. Fails: ERR_VALUE for a batch of fewer items than
 * ranks. */
int training_divide_batch(Training *t, Err *e);

/* The number of iterations to issue before the oldest is read: 1 on a device that the host itself is. */
int training_issued_most(const Training *t);

/* The number of batches of the loader: one for each of its threads, and those that are issued. */
int training_ring(const Training *t);

/* Gives rank 0's t->choice to all ranks, when it is made and its notes are told. Fails: ERR_NOMEM; as training_sum. */
int training_share_choice(Training *t, Err *e);

/* Waits for all ranks. Fails: as training_sum. */
int training_meet(const Training *t, Err *e);

/* Fails on all ranks, with ERR_VALUE, if they do not have the same plan and position, as files may have changed while
 * they were read. */
int training_agree(const Training *t, Err *e);

/* Runs the remaining training iterations of the present epoch, and reads them all. watch: may be NULL. saved_at: time of the
 * last checkpoint (monotonic seconds). Fails: ERR_INTERRUPTED after a finished iteration, on all ranks after the same;
 * ERR_VALUE if loss or gradients are not finite; as training_save. */
int epoch_train(Training *t, const TrainingWatch *watch, double *saved_at, Err *e);

/* Runs all validation iterations; sets *mean_loss and the counts in t->dice. Fails: ERR_INTERRUPTED. */
int epoch_validate(Training *t, const TrainingWatch *watch, double *mean_loss, Err *e);

/* Refuses a training that the device's memory does not hold (device_expect_room), before anything is allocated there. The
 * encoder may be frozen at first: what counts is the training of all parameters. Fails also: as executor_new. */
int training_expect_room(const Training *t, Err *e);

/* Makes the executors for the present epoch, of t->model, and gives the trainer's gradients to t->optimizer. An earlier pair is freed.
 * Fails: as executor_new, optimizer_adopt. */
int training_make_executors(Training *t, Err *e);
void training_free_executors(Training *t);

/* Makes the executors again if the encoder is frozen, or no longer frozen, from the present epoch on. Fails: as
 * executor_new. */
int training_begin_epoch(Training *t, Err *e);

/* Starts t->loader at the present epoch and iteration. Fails: as loader_new. */
int training_start_loader(Training *t, Err *e);

/* Times some iterations by a clock (clock_seconds, cpu_seconds), for about 2 % of a run of `minutes`, one at least. The
 * trained weights must be discarded. Fails: as epoch_train. */
int training_time_iterations(Training *t, IterationTimes *times, double (*clock)(void), double minutes, Err *e);

/* On rank 0: writes FOLDER/checkpoint_NAME.safetensors. The first `latest` replaces an earlier run (run_folder.h). */
int training_save(Training *t, const char *name, Err *e);

#endif
