/* Inputs: which cases a prediction was asked for, from folders and single files.
 *
 * Names (nnU-Net's, and what people have besides): NAME_0001.nii.gz is channel 1 of the case NAME if channel 0,
 * NAME_0000, is in the same folder or was given too, and the model has more than one channel. Every other file is
 * a case by its whole name, with all channels in it: IXI_0012.nii.gz alone is the case IXI_0012. A file brings the
 * other channels of its case along. The same file given twice counts once.
 *   InputList list;
 *   inputs_list(&list, paths, count, info, e); … inputs_free(&list); */
#ifndef INFERENCE_INPUTS_H
#define INFERENCE_INPUTS_H

#include "data/dataset.h"

typedef struct InputCase {
    Case files;      /* its label is NULL */
    char *fault;     /* why it cannot be predicted, with the files' names; NULL */
} InputCase;

typedef struct InputList {
    InputCase *cases;      /* sorted by id, each id once */
    int count;
    FaultList warnings;    /* files that are not used, or not as their names suggest */
} InputList;

/* info: of the model: its channels and, in folders, the ending of its images (in small letters or capitals). list is
 * new. Takes n log n for n files. Fails: ERR_IO, ERR_NOMEM; ERR_VALUE for a path that is neither a folder nor an
 * image, and for a folder without an image of that ending, with what is there. */
int inputs_list(InputList *list, const char *const *paths, int count, const DatasetInfo *info, Err *e);
void inputs_free(InputList *list);

#endif
