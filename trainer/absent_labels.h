/* Labels (or regions) of dataset.json that no case of a run shows: they cannot be learned, or say nothing. */
#ifndef TRAINER_ABSENT_LABELS_H
#define TRAINER_ABSENT_LABELS_H

#include "base/text.h"
#include "plans/dataset_json.h"
#include "trainer/case_set.h"
#include "trainer/pseudo_dice.h"

/* Adds a line for the training cases and one for the validation cases, where labels are in none of them. The second names
 * only what the first has not named. Fails: ERR_NOMEM. */
int absent_labels_tell(Text *warnings, const DatasetInfo *info, const CaseSet *training, const CaseSet *validation, Err *e);

/* Labels that no validation case shows have no pseudo Dice. */
void absent_labels_leave_out(PseudoDice *d, const CaseSet *validation);

#endif
