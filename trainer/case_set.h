/* CaseSet: the preprocessed cases that a fold trains or validates on, mapped read-only.
 *
 * case_set_open … case_set_close. The set owns its names and mappings. Opening reads headers only;
 * which label lies where is found out when a case is first asked for it. All but opening and closing
 * may be called by several threads. */
#ifndef TRAINER_CASE_SET_H
#define TRAINER_CASE_SET_H

#include <pthread.h>
#include <stdbool.h>

#include "base/array.h"
#include "base/error.h"
#include "trainer/foreground.h"

typedef struct TrainingCase {
    char *name;
    Array image;              /* float32 (Z,Y,X,C) */
    Array labels;             /* int16 (Z,Y,X), -1 outside */
    ForegroundIndex index;
    bool is_indexed;          /* guarded by the set's lock */
} TrainingCase;

typedef struct CaseSet {
    TrainingCase *cases;
    int count;
    int channels;
    pthread_mutex_t lock;
} CaseSet;

/* The names of all cases in a folder of preprocessed cases, sorted: *names is an array of `count`
 * strings and owned by the caller (case_names_free). Fails: ERR_IO, ERR_NOMEM; ERR_VALUE if there is none. */
int case_names(char ***names, int *count, const char *folder, Err *e);
void case_names_free(char **names, int count);

/* Maps folder/NAME.npy and folder/NAME_seg.npy of each name. Fails: ERR_IO, ERR_FORMAT, ERR_NOMEM;
 * ERR_SHAPE if a case's files do not fit each other or the number of channels. */
int case_set_open(CaseSet *set, const char *folder, char *const *names, int count, int channels, Err *e);
void case_set_close(CaseSet *set);

/* Where the labels of the i-th case lie; borrowed, made on the first call. Fails: ERR_VALUE, ERR_NOMEM. */
int case_set_index(CaseSet *set, int i, const ForegroundIndex **index, Err *e);

#endif
