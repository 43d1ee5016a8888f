/* Unfinished: cases that predict did not finish, or that are not in the predict.yaml beside them
 * (inference/prediction_record_file.h). Files under their names may be of an earlier model. */
#ifndef EVALUATION_UNFINISHED_H
#define EVALUATION_UNFINISHED_H

#include "evaluation/summary.h"

/* Adds a note to those cases of s, which are sorted by id. predictions: the folder; without predict.yaml nothing is
 * done. Fails: as doc_read; ERR_FORMAT for a predict.yaml without cases; ERR_IO, ERR_NOMEM. */
int unfinished_note(Summary *s, const char *predictions, Err *e);

#endif
