/* The image files of a case, for an opened predictor: what its prediction costs, reading, warnings.
 *
 * A case without an id ("") has files that were named one by one: messages then say nothing about names with channel
 * numbers. */
#ifndef INFERENCE_CASE_IMAGES_H
#define INFERENCE_CASE_IMAGES_H

#include "base/text.h"
#include "data/dataset.h"
#include "inference/postprocess.h"
#include "inference/predictor.h"

/* Tiles and memory of one case, from the headers of its images. Fails: as image_read_header, image_expect_channels,
 * spacing_check and predictor_cost. */
int case_images_cost(Predictor *p, const Case *c, const Postprocessing *postprocessing, PredictionCost *cost, Err *e);

/* Reads all channels, on the grid of the first. warnings: of image_read_channels, of a unit other than mm, of
 * spacing_check, of channels of which the network sees nothing; each names its file. image is new (image_free). Fails: as
 * image_read_channels and spacing_check. */
int case_images_read(Image *image, const Predictor *p, const Case *c, FaultList *warnings, Err *e);

/* How the plan's reader takes the axes of an image on this grid. */
GridAxes case_images_axes(const Plan *plan, const Geometry *g);

/* A warning of an implausible voxel size, or nothing. Fails: as spacing_check. */
int case_images_spacing(Text *note, const Plan *plan, const Geometry *g, Err *e);

/* A warning of channels of which the network sees nothing (data/channel_values.h), or nothing. voxels: float32 (C,Z,Y,X). */
void case_images_values(Text *note, const Plan *plan, const Array *voxels);

/* A warning of an orientation that did not occur in training, or nothing: the network may confuse left and right. Nothing
 * is compared if the training images had no orientation, or if all are reoriented to one. name: of the image. code: its
 * orientation (grid_axes_code). */
void case_images_orientation(Text *note, char code[GRID_CODE_BYTES], const char *name, const Geometry *g,
                             const Plan *plan);

#endif
