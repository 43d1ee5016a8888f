/* One case from raw to preprocessed, and its predictions back (nnU-Net's DefaultPreprocessor;
 * docs/reference.md, Preprocessing and Export).
 *
 * Raw arrays have the axes of the file, (C,Z,Y,X); everything preprocessed has the plan's order of axes
 * (transpose_forward). CaseProperties records how the case was cropped and resampled, so that it can be undone. A
 * case is processed by one thread; several cases may be processed in parallel. Memory besides the case itself: a
 * byte per voxel (the nonzero mask), the cropped labels, and the result. */
#ifndef PREPROCESS_CASE_H
#define PREPROCESS_CASE_H

#include "base/array.h"
#include "plans/dataset_json.h"
#include "plans/made_from.h"
#include "plans/plan.h"
#include "preprocess/volume.h"

/* All but spacing_mm in the plan's order of axes. A plain value, nothing to free. */
typedef struct CaseProperties {
    int64_t shape_before_crop[3];
    Box box;                  /* of the nonzero region */
    int64_t shape[3];         /* preprocessed */
    GridAxes axes;            /* from the file's axes to those that are read (plan_reader_axes) */
    int transpose_forward[3]; /* applied to the axes that are read */
    double spacing_mm[3];     /* of the file, in the file's order of axes */
} CaseProperties;

typedef struct PreprocessedCase {
    Array image;     /* float32 (Z,Y,X,C) */
    Array labels;    /* int16 (Z,Y,X), -1 outside; empty for a case without labels */
    Array locations; /* class_locations.h; empty for a case without labels */
    CaseProperties properties;
} PreprocessedCase;

/* image: float32 (C,Z,Y,X), is used as working memory: its values are lost. axes: the order in which it is read
 * (grid_axes_read); NULL: as stored. labels: int16 (Z,Y,X), or NULL; info is needed only with labels. out: new
 * arrays, case_free. Fails: ERR_NOMEM; ERR_SHAPE where image, labels and plan do not match; ERR_VALUE where
 * intensities are out of range. */
int case_preprocess(PreprocessedCase *out, Array *image, const double spacing_mm[3], const GridAxes *axes,
                    const Array *labels, const Plan *plan, const DatasetInfo *info, Err *e);
void case_free(PreprocessedCase *c);

/* Upper bound of the memory of case_preprocess for an image of that shape (as read) without labels, in bytes, image
 * and result included. out_shape: the result's largest possible shape (nothing cropped), in the plan's order of
 * axes. */
int64_t case_preprocess_bytes(int64_t out_shape[3], const int64_t shape[3], const double spacing_mm[3],
                              const Plan *plan);

/* The content of CASE.yaml besides the properties. made_from: the files and settings that the case was made from
 * (case_settings.h). content: the hash (hash_sampled) of each array, "image", "labels", "locations", so that a file
 * of another case or run is noticed. Both are empty if the file does not have them. */
typedef struct CaseRecord {
    MadeFrom made_from, content;
} CaseRecord;

void case_record_free(CaseRecord *r);

/* FOLDER/CASE.npy, CASE_seg.npy, CASE_locations.npy and, last, CASE.yaml, each atomically. made_from is
 * borrowed. Fails: ERR_IO, ERR_NOMEM. */
int case_write(const PreprocessedCase *c, const char *folder, const char *id, const MadeFrom *made_from, Err *e);

/* CASE.yaml alone. record may be NULL; when reading it is new, owned by the caller (case_record_free). Fail:
 * ERR_IO, ERR_NOMEM; ERR_FORMAT. */
int case_properties_write(const CaseProperties *p, const char *path, const CaseRecord *record, Err *e);
int case_properties_read(CaseProperties *p, const char *path, CaseRecord *record, Err *e);

/* Whether an array has the hash that the record's content has under this key; false if there is none. */
bool case_content_is(const CaseRecord *record, const char *key, const Array *a);

/* One channel of a prediction (float16, float32 or float64, preprocessed shape) to the shape of the crop, by
 * the plan's resampling of probabilities. Fails: ERR_NOMEM, ERR_SHAPE, ERR_VALUE. */
int case_resample_back(const Volume *prediction, const Volume *cropped, const Plan *plan, const CaseProperties *p,
                       Err *e);

/* The axis that is resampled separately (with order_z) for a prediction, or -1. */
int case_separate_axis_back(const Plan *plan, const CaseProperties *p);

/* Pastes an array of the crop's shape into one of the raw shape, in the file's order of axes. raw: any dtype, the
 * caller's array of the file's shape, filled by the caller with the values outside the crop. */
void case_paste(const Volume *cropped, const CaseProperties *p, const Volume *raw);

/* A view of an array of the file's shape and axes in the plan's order of axes. */
Volume case_view(const CaseProperties *p, Volume raw);

/* The file's shape (Z,Y,X), and the crop's in the plan's order of axes. */
void case_raw_shape(const CaseProperties *p, int64_t shape[3]);
void case_crop_shape(const CaseProperties *p, int64_t shape[3]);

#endif
