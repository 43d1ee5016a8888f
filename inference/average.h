/* Average: label images from the probabilities that several models saved (inference/probabilities.h). */
#ifndef INFERENCE_AVERAGE_H
#define INFERENCE_AVERAGE_H

#include "base/file.h"
#include "inference/batch.h"
#include "inference/postprocess.h"
#include "inference/probabilities.h"

enum { AVERAGE_MEMBERS = 64 };

/* The case's labels by the mean of its probabilities in all folders: new, uint8 or uint16 (Z,Y,X) with the
 * axes of its file, the caller's. A row at a time is in memory. Fails: as probabilities_read; ERR_SHAPE where
 * the members differ in shape or order of axes; ERR_VALUE for more than AVERAGE_MEMBERS. */
int average_labels(Array *labels, const char *const *folders, int folder_count, const char *id,
                   const DatasetInfo *info, Err *e);

/* All cases of all folders, into label images in `output`. A case that a folder lacks, that was not finished there or
 * that was made from other images (predict.yaml) is an error of that case. */
typedef struct AverageJob {
    const char *folders[AVERAGE_MEMBERS];
    int folder_count;
    const char *output;
    const char *dataset;                    /* dataset.json; NULL: the one in the first folder */
    const Postprocessing *postprocessing;
    bool overwrite, quiet;
    void (*report)(const char *id, const Err *fault);   /* of a case that failed; the rest goes on */
    int case_count, kept;                   /* result; kept: were there already */
} AverageJob;

/* Each image has the place in the world of the first folder's label image. Fails: ERR_IO, ERR_FORMAT; ERR_VALUE where
 * the labels of the folders do not mean the same (inference/meaning.h), and at the end if some case failed. */
int average_run(AverageJob *job, Err *e);

#endif
