/* History: losses, pseudo Dice, learning rate and duration of every finished epoch, as in metrics.csv and the checkpoint.
 *
 * `History h = {0}` is empty; history_free. */
#ifndef TRAINER_HISTORY_H
#define TRAINER_HISTORY_H

#include "base/error.h"
#include "base/text.h"

typedef struct EpochRecord {
    int epoch; /* from 0 */
    double learning_rate, train_loss, val_loss;
    double pseudo_dice;     /* mean over the foreground classes; NaN if none occurred */
    double ema_pseudo_dice; /* 0.9 times that of the previous epoch plus 0.1 times pseudo_dice */
    double seconds;         /* duration */
    double cpu_seconds;     /* CPU time of all threads; NaN: not known (of an earlier version) */
} EpochRecord;

typedef struct History {
    EpochRecord *records;
    int count, capacity;
} History;

/* Appends a record and computes its ema_pseudo_dice. Fails: ERR_NOMEM. */
int history_add(History *h, EpochRecord record, Err *e);

/* Adds CSV with a header line; numbers have enough digits for the same double when read. */
void history_text(const History *h, Text *t);

/* Reads such a text. Fails: ERR_FORMAT with the line; ERR_NOMEM. */
int history_parse(History *h, const char *text, Err *e);
void history_free(History *h);

#endif
