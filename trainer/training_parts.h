/* What a Training is made of: shared by training.c (opening), training_run.c (the order of epochs,
 * checkpoints, log) and epoch.c (what happens within one). */
#ifndef TRAINER_TRAINING_PARTS_H
#define TRAINER_TRAINING_PARTS_H

#include "model/import.h"
#include "model/model.h"
#include "network/executor/executor.h"
#include "network/optimizer/optimizer.h"
#include "plans/made_from.h"
#include "trainer/checkpoint.h"
#include "trainer/loader.h"
#include "trainer/schedule.h"
#include "trainer/training.h"
#include "trainer/training_plan.h"

struct Training {
    TrainingOptions options;
    Plan plan;
    PlanChoice choice;          /* how it came to be */
    DatasetInfo info;
    bool has_info;
    FolderLock reading;         /* on the preprocessed folder: nobody changes it meanwhile */
    RunFolder folder;
    RunWaiting waiting;
    FoldCases fold_cases;
    MadeFrom contents;          /* from what files its cases were made, by content */
    CaseSet training_cases, validation_cases;
    Sampler training_sampler, validation_sampler;
    int loader_threads;
    DType precision;            /* of the executors */
    const Device *device;       /* likewise */
    BatchPart part;             /* what this process does of each batch; there is one process: all */
    Loader *loader;             /* while training_run runs */
    Model model;
    ImportReport imported;      /* of pretrained weights, where the run began with some */
    bool encoder_frozen;        /* in the epochs that trainer is made for */
    Executor *trainer;          /* output 0: loss */
    Executor *validator;        /* output 0: loss, output 1: head0 */
    Optimizer *optimizer;
    DiceBCE region_loss;          /* of a dataset with regions */
    PseudoDice dice;
    RunState state;
};

/* The training iterations of the state's epoch that are left. watch: NULL is fine. saved_at: when the last checkpoint was
 * written (monotonic seconds). Fails: ERR_INTERRUPTED after a finished iteration; ERR_VALUE where loss or
 * gradients are no numbers; as training_save. */
int epoch_train(Training *t, const TrainingWatch *watch, double *saved_at, Err *e);

/* All validation iterations: *mean_loss, and the counts in t->dice. Fails: ERR_INTERRUPTED. */
int epoch_validate(Training *t, const TrainingWatch *watch, double *mean_loss, Err *e);

/* Freezes or frees what the state's epoch trains. Fails: as executor_new. */
int training_begin_epoch(Training *t, Err *e);

/* Starts t->loader where the state stands. Fails: as loader_new. */
int training_start_loader(Training *t, Err *e);

/* What an iteration takes, from a few of a run that is to be thrown away. Fails: as epoch_train. */
int training_time_iterations(Training *t, IterationTimes *times, Err *e);

/* Writes FOLDER/checkpoint_NAME.safetensors. The first `latest` replaces an earlier run (run_folder.h). */
int training_save(Training *t, const char *name, Err *e);

#endif
