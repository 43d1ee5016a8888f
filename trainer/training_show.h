/* Runs a training and shows its progress on the terminal: for the programs that train. */
#ifndef TRAINER_TRAINING_SHOW_H
#define TRAINER_TRAINING_SHOW_H

#include "base/processes.h"
#include "trainer/training.h"

typedef struct TrainingShow {
    const char *results;    /* for messages */
    bool quiet;             /* only warnings and errors */
    const Process *process; /* this one of several, which tells of each iteration (process_beat); NULL: there is one */
} TrainingShow;

/* title: of the progress bar, borrowed. Fails: as training_run; ERR_INTERRUPTED with what to do next. */
int training_show(Training *t, const char *title, const TrainingShow *show, Err *e);

#endif
