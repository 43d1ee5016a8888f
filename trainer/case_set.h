/* CaseSet: the preprocessed cases for training or validation of a fold, mapped read-only.
 *
 * case_set_open … case_set_close. The set owns its names and mappings; opening reads headers only. It is not changed after
 * opening, so threads may share it. */
#ifndef TRAINER_CASE_SET_H
#define TRAINER_CASE_SET_H

#include "base/array.h"
#include "base/error.h"

typedef struct TrainingCase {
    char *name;
    Array image;     /* float32 (Z,Y,X,C) */
    Array labels;    /* int16 (Z,Y,X), -1 outside */
    Array locations; /* int32 (N,4): voxels of each class (preprocess/class_locations.h) */
} TrainingCase;

typedef struct CaseSet {
    TrainingCase *cases;
    int count;
    int channels;
} CaseSet;

/* Maps folder/NAME.npy, NAME_seg.npy and NAME_locations.npy for each name. Fails: ERR_IO, ERR_FORMAT, ERR_NOMEM; ERR_SHAPE
 * if a case's files do not fit each other or the number of channels. */
int case_set_open(CaseSet *set, const char *folder, char *const *names, int count, int channels, Err *e);
void case_set_close(CaseSet *set);

#endif
