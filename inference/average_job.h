/* AverageJob: the label images of an ensemble (part of inference/ensemble.c). */
#ifndef INFERENCE_AVERAGE_JOB_H
#define INFERENCE_AVERAGE_JOB_H

#include "inference/average.h"
#include "inference/batch.h"
#include "inference/postprocess.h"

/* All cases of all folders, into label images in `output`. A case that a folder lacks, that was not finished there,
 * that was made from other images or is no longer what predict wrote (predict.yaml) is an error of that case. */
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

/* Labels that are there are kept only if predict.yaml in `output` says that they were made from the very same
 * probabilities, by the same post-processing; what was made from another model, or by hand, is refused unless
 * overwrite is set. Each image has the place in the world of the first folder's label image. Fails: ERR_IO,
 * ERR_FORMAT; ERR_VALUE for that, where the labels of the folders do not mean the same (plans/meaning.h), and at
 * the end if some case failed. */
int average_run(AverageJob *job, Err *e);

#endif
