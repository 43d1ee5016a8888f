/* Labels: from a label image and its dataset.json to a DICOM Segmentation of the series (dicom/segmentation.h). */
#ifndef DICOM_LABELS_H
#define DICOM_LABELS_H

#include "dicom/series.h"
#include "plans/dataset_json.h"

typedef struct LabelFiles {
    const char *labels, *output;
    const char *description; /* of the new series; NULL: by the dataset's name */
} LabelFiles;

/* Brings the labels onto the grid of the series, which they must share up to the order of axes, and writes the object.
 * Each label of the dataset is a segment, whether it occurs or not: so segment 3 is label 3. Fails: ERR_SHAPE,
 * ERR_VALUE for labels of another grid or with a value that the dataset does not have; ERR_UNSUPPORTED for a series
 * without places; as segmentation_write. */
int labels_write(const LabelFiles *files, const DatasetInfo *info, const Series *s, const DicomSources *source, Err *e);

#endif
