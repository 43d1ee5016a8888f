/* Comparison of golden weight files with manifest_files.json: names, types, shapes and values of every tensor, and the
 * notes of the file. */
#ifndef TESTS_SUPPORT_WEIGHTS_REFERENCE_H
#define TESTS_SUPPORT_WEIGHTS_REFERENCE_H

#include "formats/yaml.h"
#include "weights/weights.h"

/* Element i as a double. Half precision: normal numbers and zero only. */
double weights_reference_element(const Array *a, int64_t i);

/* 0, or ERR_VALUE with the first difference between the weights and the entry ("tensors", "scalars"). */
int weights_reference_compare(const WeightsFile *w, const DocNode *entry, Err *e);

/* The entry that describes the content of this one: itself, or the one given by its "same_as", or NULL. */
const DocNode *weights_reference_entry(const DocNode *files, const DocNode *entry);

#endif
