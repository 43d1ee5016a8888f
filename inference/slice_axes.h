/* SliceAxes: prediction by slices across several axes of a volume. The logits of a voxel are the mean over the axes.
 *
 * With one axis, the first, nothing is stored: rows go through as they come. Else the sum of the logits has the size of the volume, and the
 * image is copied with its axes in another order (plan_slice_order). */
#ifndef INFERENCE_SLICE_AXES_H
#define INFERENCE_SLICE_AXES_H

#include "inference/sliding_window.h"
#include "plans/plan.h"

/* Predicts an image (Z, Y, X, channels) by slices across its first axis; passes rows (X, classes) on. */
typedef struct SlicePredictor {
    int (*predict)(void *context, const float *image, const int64_t shape_zyx[3], const RowSink *sink, Err *e);
    void *context;
    int channels, classes; /* of the image; of a row that it passes on */
} SlicePredictor;

/* image (Z, Y, X, channels), borrowed. Fails: ERR_NOMEM, or as the predictor or the sink does. */
int slice_axes_predict(const PlanConfiguration *c, const SlicePredictor *predictor, const float *image,
                       const int64_t shape_zyx[3], const RowSink *sink, Err *e);

/* The number of tiles, as window_tiles. */
int64_t slice_axes_tiles(const PlanConfiguration *c, const WindowOptions *o, const int64_t shape_zyx[3]);

/* The memory of window_predict in bytes, as window_bytes: for the axis that needs most; and that of slice_axes_predict itself, on the host. */
WindowBytes slice_axes_bytes(const PlanConfiguration *c, const WindowOptions *o, const Device *device,
                             int window_classes, int channels, int classes, const int64_t shape_zyx[3]);

#endif
