/* Labels (or regions) of dataset.json that occur in no training case, or in no validation case, of a run. */
#ifndef TRAINER_ABSENT_LABELS_H
#define TRAINER_ABSENT_LABELS_H

#include "base/text.h"
#include "plans/dataset_json.h"
#include "trainer/case_set.h"
#include "trainer/pseudo_dice.h"

/* Adds a line with the labels that are in no training case, and one with those that are in no validation case. The second
 * lists only labels that are not in the first. Fails: ERR_NOMEM. */
int absent_labels_tell(Text *warnings, const DatasetInfo *info, const CaseSet *training, const CaseSet *validation,
                       Err *e);

/* Leaves labels that occur in no validation case out of the pseudo Dice. */
void absent_labels_leave_out(PseudoDice *d, const CaseSet *validation);

#endif
