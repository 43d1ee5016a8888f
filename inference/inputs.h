/* Inputs: the cases of a prediction, from folders and single files.
 *
 * NAME_0001.nii.gz is channel 1 of the case NAME if channel 0, NAME_0000, is in the same folder or was given too, and the
 * model has more than one channel (nnU-Net's names). Every other file is a case of its own, with all channels in it:
 * IXI_0012.nii.gz alone is the case IXI_0012. For a single file, the other channels of its case are added. A file given
 * twice is used once.
 *   InputList list;
 *   inputs_list(&list, paths, count, info, e); … inputs_free(&list); */
#ifndef INFERENCE_INPUTS_H
#define INFERENCE_INPUTS_H

#include "base/file.h"
#include "data/dataset.h"

typedef struct InputCase {
    Case files;      /* its label is NULL */
    char *fault;     /* the reason, with the files' names, if it cannot be predicted; NULL */
    bool incomplete; /* the fault is that a channel is missing between those that are there */
    bool may_grow;   /* by its files' names there may be more channels than these */
} InputCase;

typedef struct InputList {
    InputCase *cases; /* sorted by id, each id once */
    int count;
    FaultList warnings; /* about files that are not used, or used in another way than their names suggest */
} InputList;

/* info: of the model: its channels, and the ending of images in folders (small or capital letters). list is new. Time:
 * n log n for n files. Fails: ERR_IO, ERR_NOMEM; ERR_VALUE for a path that is neither a folder nor an image, and for a
 * folder without images of that ending, with its content. */
int inputs_list(InputList *list, const char *const *paths, int count, const DatasetInfo *info, Err *e);

/* The same for those of the names in one folder that have the ending of the model's images. There may be none. */
int inputs_list_names(InputList *list, const char *folder, const FileList *names, const DatasetInfo *info, Err *e);

/* Removes the cases that are not to be kept (list->count of them). */
void inputs_keep(InputList *list, const bool *kept);
void inputs_free(InputList *list);

#endif
