/* Inputs: which cases a prediction was asked for, from folders and single files. */
#ifndef INFERENCE_INPUTS_H
#define INFERENCE_INPUTS_H

#include "data/dataset.h"

/* Adds the cases of one path: of a folder all CASE_0000 + ending; of a file its case, with the sibling
 * files of the other channels where it is named so, else the file alone. What is odd about a folder goes
 * to faults. Fails: ERR_IO, ERR_NOMEM; ERR_VALUE for a file that is no image, or a case given twice. */
int inputs_add(CaseList *list, const char *path, const char *ending, FaultList *faults, Err *e);

#endif
