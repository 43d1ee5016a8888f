/* Between dataset.c and where it finds its cases: in the folders (dataset_folders.c), by the map of dataset.json
 * (dataset_map.c); what is said of files whose names do not fit (dataset_unpaired.c), and where there is no dataset (dataset_place.c). */
#ifndef DATA_DATASET_SEARCH_H
#define DATA_DATASET_SEARCH_H

#include "data/dataset.h"
#include "plans/name_list.h"

/* Besides the sound cases, which stand in d->training. */
typedef struct Search {
    int broken;          /* cases with an error of their own */
    int ignored;         /* cases that would be there if files were not ignored */
    Text ignored_text;   /* what is to be said of these */
} Search;

/* Fill d->training and add to faults; broken cases are left out. Fail: ERR_IO, ERR_NOMEM; ERR_VALUE. */
int dataset_find_in_folders(Dataset *d, Search *search, FaultList *faults, Err *e);
int dataset_find_by_map(Dataset *d, Search *search, FaultList *faults, Err *e);

/* Where dataset.json has the lists `training` and `test` of the Medical Segmentation Decathlon, which nobody uses: a
 * warning if they name other files than those taken. Fails: ERR_NOMEM. */
int dataset_compare_lists(const Dataset *d, FaultList *faults, Err *e);

/* Refuses what is no folder with a dataset.json in it, and says where one is: in the folder above, or in those below.
 * Fails: ERR_IO, ERR_NOMEM. */
int dataset_expect_folder(const char *folder, Err *e);

/* How much of an image's name is the case, 0 if it is not CASE_NNNN + ending; *channel is NNNN. */
size_t dataset_split_name(const char *name, const char *ending, int *channel);

/* Labels without an image and cases without a label, as they are left when all else is explained. Borrowed. */
typedef struct Unpaired {
    const CaseList *cases;       /* sorted */
    const NameList *lonely;      /* labels, without their ending */
    const NameList *orphans;     /* ids of cases */
    const char *labels, *ending; /* the folder; of all files */
} Unpaired;

/* A fault for each label. Where an image without a label is called alike, it is told of there too, and its case added to
 * paired: image and label of one case that are both named wrongly are one fault. Fails: ERR_NOMEM. */
int dataset_tell_lonely(FaultList *faults, NameList *paired, const Unpaired *u, Err *e);

/* A case that lacks a channel between others; and what its label should be called, where that is named otherwise. */
void dataset_tell_gap(FaultList *faults, const Case *c, const char *ending);

void dataset_free_case(Case *c);
void dataset_sort_cases(CaseList *list);
Case *dataset_find_case(const CaseList *list, const char *id); /* in a sorted list; NULL */

#endif
