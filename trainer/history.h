/* History: the figures of every finished epoch, as metrics.csv and the checkpoint hold them.
 *
 * `History h = {0}` is an empty one; history_free gives its records back. */
#ifndef TRAINER_HISTORY_H
#define TRAINER_HISTORY_H

#include "base/error.h"
#include "base/text.h"

typedef struct EpochRecord {
    int epoch;                  /* from 0 */
    double learning_rate, train_loss, val_loss;
    double pseudo_dice;         /* mean over the foreground classes; NaN if none was there */
    double ema_pseudo_dice;     /* 0.9 of the previous one and 0.1 of this */
    double seconds;
} EpochRecord;

typedef struct History {
    EpochRecord *records;
    int count, capacity;
} History;

/* Appends a record and works out its ema_pseudo_dice. Fails: ERR_NOMEM. */
int history_add(History *h, EpochRecord record, Err *e);

/* CSV with a header line; every number reads back to the same double. */
void history_text(const History *h, Text *t);

/* Reads such a text. Fails: ERR_FORMAT with the line; ERR_NOMEM. */
int history_parse(History *h, const char *text, Err *e);
void history_free(History *h);

#endif
