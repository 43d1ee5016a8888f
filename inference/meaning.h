/* Meaning of labels: whether several models mean the same by the classes that they predict. */
#ifndef INFERENCE_MEANING_H
#define INFERENCE_MEANING_H

#include "base/error.h"
#include "plans/dataset_json.h"

/* Whether both have the same names for the same values, background and ignore aside; of regions also the same order,
 * by which their heads are numbered. The files are named in the message, with the first difference. Fails:
 * ERR_VALUE. */
int meaning_expect_same(const DatasetInfo *first, const char *first_file, const DatasetInfo *second,
                        const char *second_file, Err *e);

/* The same of FOLDER/dataset.json of each folder, as results of training and saved probabilities have it. Fails: as
 * dataset_info_read, too. */
int meaning_expect_same_in(const char *const *folders, int count, Err *e);

#endif
