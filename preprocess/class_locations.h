/* Class locations: a sample of the voxels of each class, from which training draws patches that show
 * foreground (nnU-Net's rule; docs/reference.md, Preprocessing).
 *
 * An int32 array of shape (N,4), its rows (class, z, y, x) in ascending order of class, within a class in the order
 * in which they were drawn; the file is CASE_locations.npy. Classes count from 0: the label values from 1 on in
 * ascending order, or, for a dataset with regions, its regions in the order of dataset.json; a dataset with an
 * ignore label has one more class, all voxels that are not ignored. A class that does not occur in the case has no
 * rows. */
#ifndef PREPROCESS_CLASS_LOCATIONS_H
#define PREPROCESS_CLASS_LOCATIONS_H

#include "base/array.h"
#include "plans/dataset_json.h"

/* Number of these classes. */
int class_locations_classes(const DatasetInfo *info);

/* labels: int16 (Z,Y,X). Of each class's n voxels, max(min(10000, n), ceil(n / 100)) are drawn by one NumPy
 * generator of seed 1234. locations: a new array, the caller frees it. Fails: ERR_NOMEM; ERR_UNSUPPORTED for
 * 2^32 voxels and more. */
int class_locations_sample(Array *locations, const Array *labels, const DatasetInfo *info, Err *e);

/* The rows of one class: from *first up to before *past (equal if there are none). */
void class_locations_range(const Array *locations, int class_index, int64_t *first, int64_t *past);

#endif
