/* Pseudo-Dice: nnU-Net's figure of an epoch, from the validation patches alone (docs/reference.md,
 * Training of nnU-Net).
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

typedef struct PseudoDice {
    int classes;             /* background included; or regions */
    const uint64_t *regions; /* which each label belongs to (DiceBCE); NULL: classes */
    ClassCounts *counts;     /* per class */
    bool *left_out;          /* per class: it has no Dice, whatever is predicted */
} PseudoDice;

/* regions is borrowed until pseudo_dice_free. */
int pseudo_dice_new(PseudoDice *d, int classes, const uint64_t *regions, Err *e);
void pseudo_dice_free(PseudoDice *d);
void pseudo_dice_clear(PseudoDice *d);

/* A class that no validation case shows says nothing: it has no Dice and counts in no mean. (nnU-Net gives 0 where it is
 * predicted, and nothing where it is not.) */
void pseudo_dice_leave_out(PseudoDice *d, int class_index);

/* logits (pixels, classes): the largest wins, the first of equal ones; of regions each above 0. labels
 * (pixels); pixels of ignore_label (-1: none), and labels that no class is for, do not count. */
void pseudo_dice_add(PseudoDice *d, const float *logits, const int16_t *labels, int64_t pixels,
                     int ignore_label);

int pseudo_dice_first(const PseudoDice *d);                   /* the first that is foreground */
int pseudo_dice_number(const PseudoDice *d, int class_index); /* what users read: the first of the foreground is 1 */
double pseudo_dice_of(const PseudoDice *d, int class_index);  /* NaN if neither was there, or it is left out */
double pseudo_dice_mean(const PseudoDice *d);                 /* over the foreground classes that have one */

/* Adds " 0.812 – 0.644": of every foreground class, with so many digits; – where there is none. */
void pseudo_dice_text(const PseudoDice *d, int digits, Text *text);

/* The same for a terminal: of more than PSEUDO_DICE_SHOWN classes the mean and the worst few, by their number. */
enum { PSEUDO_DICE_SHOWN = 10 };
void pseudo_dice_summary(const PseudoDice *d, Text *text);

#endif
