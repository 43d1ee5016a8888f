/* The golden weight files' contents as manifest_files.json describes them: names, types, shapes and numbers
 * of every tensor, and the notes beside them. */
#ifndef TESTS_SUPPORT_WEIGHTS_REFERENCE_H
#define TESTS_SUPPORT_WEIGHTS_REFERENCE_H

#include "formats/yaml.h"
#include "weights/weights.h"

/* Element i as a double. Half precision: normal numbers and zero only. */
double weights_reference_element(const Array *a, int64_t i);

/* 0, or ERR_VALUE with the first difference between the weights and the entry ("tensors", "scalars"). */
int weights_reference_compare(const WeightsFile *w, const DocNode *entry, Err *e);

/* The entry that describes this one's content: itself, or the one that its "same_as" names, or NULL. */
const DocNode *weights_reference_entry(const DocNode *files, const DocNode *entry);

#endif
