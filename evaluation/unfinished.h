/* Unfinished: predictions that predict did not come to, or does not know, as predict.yaml beside them says (inference/
 * prediction_record_file.h). What stands under their names may be of an earlier model. */
#ifndef EVALUATION_UNFINISHED_H
#define EVALUATION_UNFINISHED_H

#include "evaluation/summary.h"

/* Notes it in those cases of s, sorted by id. predictions: the folder; without predict.yaml nothing happens. Fails: as
 * doc_read; ERR_FORMAT for a predict.yaml without cases; ERR_IO, ERR_NOMEM. */
int unfinished_note(Summary *s, const char *predictions, Err *e);

#endif
