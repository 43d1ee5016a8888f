/* How dataset.c finds its cases: in the folders (dataset_folders.c), or by the map of dataset.json (dataset_map.c).
 * Messages about names that do not fit (dataset_unpaired.c), and about folders without a dataset (dataset_place.c). */
#ifndef DATA_DATASET_SEARCH_H
#define DATA_DATASET_SEARCH_H

#include "data/dataset.h"
#include "plans/name_list.h"

/* Counts of the cases that are not in d->training. */
typedef struct DatasetSearch {
    int broken;        /* cases with an error of their own */
    int ignored;       /* cases that would exist if files were not ignored */
    Text ignored_text; /* the message about them */
} DatasetSearch;

/* Fill d->training and add to faults; broken cases are left out. Fail: ERR_IO, ERR_NOMEM; ERR_VALUE. */
int dataset_find_in_folders(Dataset *d, DatasetSearch *search, FaultList *faults, Err *e);
int dataset_find_by_map(Dataset *d, DatasetSearch *search, FaultList *faults, Err *e);

/* Where dataset.json has the lists `training` and `test` of the Medical Segmentation Decathlon, which are not used:
 * a warning if they name other files than those used. Fails: ERR_NOMEM. */
int dataset_compare_lists(const Dataset *d, FaultList *faults, Err *e);

/* Fails for a path that is no folder with a dataset.json; the message names a dataset in the folder above or in
 * those below. Fails: ERR_IO, ERR_NOMEM. */
int dataset_expect_folder(const char *folder, Err *e);

/* Length of the case's name in an image's name, 0 if that is not CASE_NNNN + ending; *channel is NNNN. */
size_t dataset_split_name(const char *name, const char *ending, int *channel);

/* Labels without an image and cases without a label that no other fault explains. Borrowed. */
typedef struct Unpaired {
    const CaseList *cases;       /* sorted */
    const NameList *lonely;      /* labels, without their ending */
    const NameList *orphans;     /* ids of cases */
    const char *labels, *ending; /* folder of the labels; ending of all files */
} Unpaired;

/* A fault for each label. Where an image without a label has a similar name, the same fault reports it, and its
 * case is added to paired: an image and a label of one case with differing names are one fault. Fails: ERR_NOMEM. */
int dataset_tell_lonely(FaultList *faults, NameList *paired, const Unpaired *u, Err *e);

/* Adds a fault for a case that lacks a channel; it also says how the label should be named, if its name is wrong. */
void dataset_tell_gap(FaultList *faults, const Case *c, const char *ending);

void dataset_free_case(Case *c);
void dataset_sort_cases(CaseList *list);
Case *dataset_find_case(const CaseList *list, const char *id); /* in a sorted list; NULL: none */

#endif
