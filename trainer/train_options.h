/* TrainOptions: the options of the program train (part of trainer/train.c): their list, their parsing and the checks that need no
 * file. Wrong usage ends the program with status 2, as argp does. */
#ifndef TRAINER_TRAIN_OPTIONS_H
#define TRAINER_TRAIN_OPTIONS_H

#include "base/processes.h"
#include "base/program.h"
#include "base/text.h"
#include "inference/folds.h"
#include "trainer/training.h"

typedef struct TrainOptions {
    CommonOptions common;
    TrainingOptions training; /* fold: the present one of folds */
    FoldList folds;
    const char *show;       /* --show-augmentation: folder for pictures of patches */
    int gpus;               /* --num-gpus: processes, one for each */
    const Process *process; /* this one of several that train together; NULL: there is one */
    bool validate_only, skip_validation, save_probabilities;
    bool has_configuration; /* was given */
    Text of_training;       /* the given options that only affect training: "--epochs, --seed" */
} TrainOptions;

extern const struct argp_option train_option_list[];
extern const Habit train_habits[];

/* Of argp, with a TrainOptions as the input. */
error_t train_parse_option(int key, char *text, struct argp_state *state);

#endif
