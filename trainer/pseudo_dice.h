/* Pseudo Dice: nnU-Net's score of an epoch, from validation patches, not whole cases (docs/reference.md, Training of
 * nnU-Net).
 *
 * True and false positives and false negatives are summed over all patches of the epoch; a class's Dice
 * is 2 tp / (2 tp + fp + fn). pseudo_dice_new … pseudo_dice_free. */
#ifndef TRAINER_PSEUDO_DICE_H
#define TRAINER_PSEUDO_DICE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/text.h"

typedef struct ClassCounts {
    int64_t tp, fp, fn;
} ClassCounts;

/* What it counts: pixels of labels (the first is the background), of regions, or images of classes, which have an accuracy instead of a Dice. */
typedef enum PseudoDiceKind { PSEUDO_DICE_LABELS, PSEUDO_DICE_REGIONS, PSEUDO_DICE_IMAGES } PseudoDiceKind;

typedef struct PseudoDice {
    int classes; /* background included; 0: nothing is counted */
    PseudoDiceKind kind;
    ClassCounts *counts; /* per class */
    bool *left_out;      /* per class: without Dice, independent of predictions */
} PseudoDice;

int pseudo_dice_new(PseudoDice *d, int classes, PseudoDiceKind kind, Err *e);
void pseudo_dice_free(PseudoDice *d);
void pseudo_dice_clear(PseudoDice *d);

/* Leaves out a class that occurs in no validation case: it has no Dice and is in no mean. (nnU-Net has 0 for it if it is
 * predicted, and NaN if not.) */
void pseudo_dice_leave_out(PseudoDice *d, int class_index);

/* Adds the counts of `images` images, as op_class_counts (network/ops/ops.h) gives them. */
void pseudo_dice_add(PseudoDice *d, const float *counts, int64_t images);

int pseudo_dice_first(const PseudoDice *d);                   /* index of the first foreground class */
int pseudo_dice_number(const PseudoDice *d, int class_index); /* number in messages: the first foreground class is 1 */
double pseudo_dice_of(const PseudoDice *d,
                      int class_index);       /* NaN if it was neither in labels nor predicted, or is left out */
double pseudo_dice_mean(const PseudoDice *d); /* over the foreground classes with a Dice; of images: their accuracy */

/* Adds ", pseudo Dice 0.8123 – 0.6440, mean 0.7282, EMA 0.7213" for the log: the Dice of every foreground class, "–" for one without; or
 * the accuracy; nothing if nothing is counted. ema: of the run (history.h). */
void pseudo_dice_text(const PseudoDice *d, double ema, Text *text);

/* The same for a terminal, shorter: with more than PSEUDO_DICE_SHOWN classes only the mean and the lowest few, with their numbers. */
enum { PSEUDO_DICE_SHOWN = 10 };
void pseudo_dice_summary(const PseudoDice *d, double ema, Text *text);

#endif
