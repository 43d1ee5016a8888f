/* Between dataset.c and where it finds its cases: in the folders (dataset_folders.c), by the map of dataset.json
 * (dataset_map.c); what is said where there is no dataset (dataset_place.c). */
#ifndef DATA_DATASET_SEARCH_H
#define DATA_DATASET_SEARCH_H

#include "data/dataset.h"

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

void dataset_free_case(Case *c);
void dataset_sort_cases(CaseList *list);
Case *dataset_find_case(const CaseList *list, const char *id); /* in a sorted list; NULL */

#endif
