/* Probabilities of every class and voxel: passed on row by row, stored in files, averaged.
 *
 * A file is FOLDER/CASE.npy, float32 (Z,Y,X,classes) on the image's whole grid in the plan's order of axes. The case's
 * properties are in CASE.yaml beside it, which is written last: if it exists, both files are complete. */
#ifndef INFERENCE_PROBABILITIES_H
#define INFERENCE_PROBABILITIES_H

#include "base/array.h"
#include "base/file.h"
#include "inference/sliding_window.h"
#include "plans/dataset_json.h"
#include "preprocess/case.h"

/* Receives the probabilities of one case: begin is called once, then rows with the rows (box width, classes) of the
 * predicted box, slice by slice, in ascending order; coordinates are relative to the box. */
typedef struct ProbabilitySink {
    int (*begin)(void *context, const CaseProperties *p, const DatasetInfo *info, Err *e);
    RowSink rows; /* its context is also passed to begin */
} ProbabilitySink;

/* ---- to a file */

typedef struct ProbabilityFile {
    const char *folder, *id; /* borrowed */
    CaseProperties properties;
    OutFile out;
    float *row;         /* (width of the grid, classes) */
    int64_t row_values; /* of one row */
    float *outside;     /* the same, for rows outside the box */
    int64_t next_row;   /* row of the grid to write next */
    int heads;
} ProbabilityFile;

/* f is owned by the caller and must not move; nothing is written before begin. Rows fail as file_write. */
ProbabilitySink probability_file_sink(ProbabilityFile *f, const char *folder, const char *id);

/* Completes the files of a successful prediction (code 0); removes those of a failed one. Returns code, or the error of
 * completing them: ERR_IO, ERR_NOMEM. */
int probability_file_finish(ProbabilityFile *f, int code, Err *e);

/* *there: the folder has the case's probabilities. Fails: ERR_IO if that cannot be determined; ERR_NOMEM. */
int probabilities_exist(bool *there, const char *folder, const char *id, Err *e);

/* Maps a file read-only. Fails: as npy_read and case_properties_read; ERR_SHAPE if array, properties and dataset do not fit
 * each other. */
int probabilities_read(Array *a, CaseProperties *p, const char *folder, const char *id, const DatasetInfo *info,
                       Err *e);

/* ---- to memory */

/* Sink into memory. values: float32 (Z,Y,X,classes) in the file's order of axes; freed by the caller, also on failure. */
typedef struct ProbabilityArray {
    float *memory; /* borrowed: values are there; NULL: begin allocates them */
    Array values;
    CaseProperties properties;
} ProbabilityArray;

ProbabilitySink probability_array_sink(ProbabilityArray *a, float *memory);

/* ---- averages */

/* Computes mean (count): the sum of the members' values from index `first` on, in float32 and in their order, divided by
 * their number (nnU-Net's rule). Members are float32 or float16. */
void probabilities_mean(float *mean, const Array *members, int member_count, int64_t first, int64_t count);

#endif
