/* Meaning of labels: whether the labels of two dataset.json have the same names and values. */
#ifndef PLANS_MEANING_H
#define PLANS_MEANING_H

#include "base/error.h"
#include "base/text.h"
#include "plans/dataset_json.h"

/* Adds the first difference between two, with the files: "label 'a' is 1 in a.json, 2 in b.json". Adds nothing
 * where both have the same names for the same values. Background and ignore are not compared. Regions must also
 * have the same order, since it numbers the heads. */
void meaning_add_difference(Text *out, const DatasetInfo *first, const char *first_file, const DatasetInfo *second,
                            const char *second_file);

/* Whether the classes of several models have the same meaning. Fails: ERR_VALUE with the first difference. */
int meaning_expect_same(const DatasetInfo *first, const char *first_file, const DatasetInfo *second,
                        const char *second_file, Err *e);

/* The same of FOLDER/dataset.json of each folder, which results of training and saved probabilities contain. Fails:
 * as dataset_info_read, too. */
int meaning_expect_same_in(const char *const *folders, int count, Err *e);

#endif
