/* Meaning of labels: whether two dataset.json mean the same by their labels. */
#ifndef PLANS_MEANING_H
#define PLANS_MEANING_H

#include "base/error.h"
#include "base/text.h"
#include "plans/dataset_json.h"

/* Adds the first difference between two, with the files: "label 'a' is 1 in a.json, 2 in b.json". Nothing where both
 * have the same names for the same values, background and ignore aside; of regions also the same order, by which their
 * heads are numbered. */
void meaning_add_difference(Text *out, const DatasetInfo *first, const char *first_file, const DatasetInfo *second,
                            const char *second_file);

/* Whether several models mean the same by the classes that they predict. Fails: ERR_VALUE with the first difference. */
int meaning_expect_same(const DatasetInfo *first, const char *first_file, const DatasetInfo *second,
                        const char *second_file, Err *e);

/* The same of FOLDER/dataset.json of each folder, as results of training and saved probabilities have it. Fails: as
 * dataset_info_read, too. */
int meaning_expect_same_in(const char *const *folders, int count, Err *e);

#endif
