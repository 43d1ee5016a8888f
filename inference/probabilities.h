/* Probabilities of every class and voxel: handed out row by row, kept in files, averaged.
 *
 * A file is FOLDER/CASE.npy, float32 (Z,Y,X,classes) on the image's whole grid in the plan's order of axes,
 * with the case's properties beside it in CASE.yaml, which is written last: where it stands, all does. */
#ifndef INFERENCE_PROBABILITIES_H
#define INFERENCE_PROBABILITIES_H

#include "base/array.h"
#include "base/file.h"
#include "inference/sliding_window.h"
#include "plans/dataset_json.h"
#include "preprocess/case.h"

/* Takes the probabilities of one case: begin once, then rows (box width, classes) of the predicted box, slice
 * by slice, from top to bottom; coordinates count from the box. */
typedef struct ProbabilitySink {
    int (*begin)(void *context, const CaseProperties *p, const DatasetInfo *info, Err *e);
    RowSink rows;    /* context is also begin's */
} ProbabilitySink;

/* ---- to a file */

typedef struct ProbabilityFile {
    const char *folder, *id;   /* borrowed */
    CaseProperties properties;
    OutFile out;
    float *row;                /* (width of the grid, classes) */
    int64_t row_values;        /* of one row */
    float *outside;            /* the same, of a row outside the box */
    int64_t next_row;          /* of the grid */
    int heads;
} ProbabilityFile;

/* f is the caller's and must stay in place; nothing is written before begin. Rows fail as file_write. */
ProbabilitySink probability_file_sink(ProbabilityFile *f, const char *folder, const char *id);

/* Ends the files of a prediction that went well: code 0; of another nothing is kept. Returns code, or what
 * failed now: ERR_IO, ERR_NOMEM. */
int probability_file_finish(ProbabilityFile *f, int code, Err *e);

/* Whether a case's probabilities stand in a folder. Fails: ERR_IO where that cannot be told; ERR_NOMEM. */
int probabilities_exist(bool *there, const char *folder, const char *id, Err *e);

/* Maps a file read-only. Fails: as npy_read and case_properties_read; ERR_SHAPE where they do not fit each
 * other or the dataset. */
int probabilities_read(Array *a, CaseProperties *p, const char *folder, const char *id,
                       const DatasetInfo *info, Err *e);

/* ---- to memory */

/* Sink into values: a new array float32 (Z,Y,X,classes) in the file's order of axes, made by begin; the
 * caller frees it, on failure too. */
typedef struct ProbabilityArray {
    Array values;
    CaseProperties properties;
} ProbabilityArray;

ProbabilitySink probability_array_sink(ProbabilityArray *a);

/* ---- averages */

/* mean (count) = the sum of the members' values from `first` on, in float32 and in their order, divided by
 * their number (nnU-Net's rule). Members are float32 or float16. */
void probabilities_mean(float *mean, const Array *members, int member_count, int64_t first, int64_t count);

#endif
