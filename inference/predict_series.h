/* Prediction of DICOM series (part of inference/predict.c): their images and labels are in memory (series_images.h). */
#ifndef INFERENCE_PREDICT_SERIES_H
#define INFERENCE_PREDICT_SERIES_H

#include "inference/predict_options.h"

/* Predicts the series as one case, and writes the labels as DICOM-SEG or as an image. Fails: ERR_UNSUPPORTED, before anything is
 * read, if c has several models; ERR_VALUE if the output exists; as series_images_open, prediction_run and
 * series_images_write. */
int predict_series_run(const PredictOptions *o, const Configuration *c, Err *e);

#endif
