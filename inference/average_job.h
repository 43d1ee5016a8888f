/* AverageJob: the label images of an ensemble (part of inference/ensemble.c). */
#ifndef INFERENCE_AVERAGE_JOB_H
#define INFERENCE_AVERAGE_JOB_H

#include "inference/average.h"
#include "inference/batch.h"
#include "inference/postprocess.h"

/* Averages all cases of all folders and writes label images to `output`. It is an error of a case if a folder lacks it,
 * if it was not finished there, was made from other images, or was changed since predict wrote it (predict.yaml). */
typedef struct AverageJob {
    const char *folders[AVERAGE_MEMBERS];
    int folder_count;
    const char *output;
    const char *dataset; /* dataset.json; NULL: the one in the first folder */
    const Postprocessing *postprocessing;
    bool overwrite, quiet;
    void (*report)(void *context, const char *id,
                   const Err *fault); /* called for a case that failed; the others continue */
    void *context;                    /* of report */
    int case_count, kept;             /* result; kept: cases whose labels existed already */
} AverageJob;

/* Existing labels are kept only if they were made from the same probabilities with the same post-processing, by
 * predict.yaml in `output`. Labels of another model, or edited ones, are an error unless overwrite is set. Each image
 * gets the geometry of the first folder's label image. Fails: ERR_IO, ERR_FORMAT; ERR_VALUE for such labels, if the
 * labels of the folders have different meanings (plans/meaning.h), and at the end if some case failed. */
int average_run(AverageJob *job, Err *e);

#endif
