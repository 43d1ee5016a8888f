/* One case from raw to preprocessed, and its predictions back (nnU-Net's DefaultPreprocessor;
 * docs/reference.md, Preprocessing and Export).
 *
 * Raw arrays have the axes of the file, (C,Z,Y,X); everything preprocessed has the plan's order of axes
 * (transpose_forward). CaseProperties says how the case was cropped and resampled, and undoes it. A case is
 * handled by one thread; run several cases side by side. Memory beside the case itself: a byte per voxel
 * (the nonzero mask), the cropped labels, and the result. */
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
    Box box;          /* of the nonzero region */
    int64_t shape[3]; /* preprocessed */
    GridAxes axes;    /* from the file's to those that are read (plan_reader_axes) */
    int transpose_forward[3]; /* of the axes that are read */
    double spacing_mm[3]; /* of the file, in the file's order of axes */
} CaseProperties;

typedef struct PreprocessedCase {
    Array image;     /* float32 (Z,Y,X,C) */
    Array labels;    /* int16 (Z,Y,X), -1 outside; empty for a case without labels */
    Array locations; /* class_locations.h; empty likewise */
    CaseProperties properties;
} PreprocessedCase;

/* image: float32 (C,Z,Y,X), is used as working memory: its values are lost. axes: how it is read (grid_axes_read);
 * NULL: as it is stored. labels: int16 (Z,Y,X), or NULL; info is needed with labels only. out: new arrays, case_free.
 * Fails: ERR_NOMEM; ERR_SHAPE where image, labels and plan do not fit; ERR_VALUE where intensities are out of range. */
int case_preprocess(PreprocessedCase *out, Array *image, const double spacing_mm[3], const GridAxes *axes,
                    const Array *labels, const Plan *plan, const DatasetInfo *info, Err *e);
void case_free(PreprocessedCase *c);

/* The most memory that case_preprocess takes for an image of that shape (as it is read) without labels, the image and
 * the result included. out_shape: the result's largest shape, in the plan's order of axes (nothing is cropped). */
int64_t case_preprocess_bytes(int64_t out_shape[3], const int64_t shape[3], const double spacing_mm[3],
                              const Plan *plan);

/* What CASE.yaml tells beside the properties. made_from: of what the case was made, files and settings
 * (case_settings.h). content: "image", "labels", "locations", each array's hash (hash_sampled), so that a file
 * of another case or of another run is noticed. Both are empty where a file does not tell them. */
typedef struct CaseRecord {
    MadeFrom made_from, content;
} CaseRecord;

void case_record_free(CaseRecord *r);

/* FOLDER/CASE.npy, CASE_seg.npy, CASE_locations.npy and, last, CASE.yaml, each atomically. made_from is
 * borrowed. Fails: ERR_IO, ERR_NOMEM. */
int case_write(const PreprocessedCase *c, const char *folder, const char *id, const MadeFrom *made_from, Err *e);

/* CASE.yaml alone. record may be NULL; when reading it is new, the caller's (case_record_free). Fail: ERR_IO,
 * ERR_NOMEM; ERR_FORMAT. */
int case_properties_write(const CaseProperties *p, const char *path, const CaseRecord *record, Err *e);
int case_properties_read(CaseProperties *p, const char *path, CaseRecord *record, Err *e);

/* Whether an array is the one that the record's content tells under this key; where the content tells
 * nothing of it, it is not. */
bool case_content_is(const CaseRecord *record, const char *key, const Array *a);

/* One channel of a prediction (float16, float32 or float64, preprocessed shape) to the shape of the crop, by
 * the plan's resampling of probabilities. Fails: ERR_NOMEM, ERR_SHAPE, ERR_VALUE. */
int case_resample_back(const Volume *prediction, const Volume *cropped, const Plan *plan,
                       const CaseProperties *p, Err *e);

/* The axis that resampling a prediction handles apart (with order_z), or -1. */
int case_separate_axis_back(const Plan *plan, const CaseProperties *p);

/* Pastes an array of the crop's shape into one of the raw shape, in the file's order of axes. raw: any dtype,
 * the caller's array of the file's shape, filled by the caller with what stands outside the crop. */
void case_paste(const Volume *cropped, const CaseProperties *p, const Volume *raw);

/* An array of the file's shape and axes, seen in the plan's order of axes. */
Volume case_view(const CaseProperties *p, Volume raw);

/* The file's shape (Z,Y,X), and the crop's in the plan's order of axes. */
void case_raw_shape(const CaseProperties *p, int64_t shape[3]);
void case_crop_shape(const CaseProperties *p, int64_t shape[3]);

#endif
