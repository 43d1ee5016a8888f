/* Overlays: the pictures of predict --overlay, FOLDER/CASE.png: slices of the image with the predicted labels
 * (pictures/case_sheet.h; part of inference/prediction.c).
 *
 *   Overlays v;
 *   overlays_open(&v, o, &cases, "results", e);     // before anything is computed
 *   … the cases are predicted …
 *   overlays_draw(&v, e);                           // from the images and the written labels
 *   overlays_close(&v, e);
 * The folder has its own predict.yaml (prediction_record.h): a picture is drawn again if image, labels or names have
 * changed. */
#ifndef INFERENCE_OVERLAYS_H
#define INFERENCE_OVERLAYS_H

#include "inference/prediction.h"
#include "inference/prediction_cases.h"
#include "inference/prediction_record.h"

typedef struct Overlays {
    const PredictionOptions *o; /* borrowed, as cases */
    PredictionCases *cases;
    DatasetInfo info; /* owned, as all below */
    bool has_info;
    MadeFrom made_from;
    PredictionRecord *record;
    bool made_folder;       /* it did not exist before */
    int *turns, turn_count; /* the cases that are drawn */
} Overlays;

/* results: of the first model, for the labels' names. v must be closed, also on failure. Fails: ERR_VALUE if the folder is
 * that of the labels, or has a file with a picture's name that was not drawn here or belongs to an image; ERR_IO if
 * nothing can be written there; as dataset_info_read. In a watched folder (o->watch) the files are looked at by overlays_draw. */
int overlays_open(Overlays *v, const PredictionOptions *o, PredictionCases *cases, const char *results, Err *e);

/* Draws all cases that have labels. A case that cannot be drawn is reported and marked as failed, or left to a later round of a
 * watched folder. Fails: ERR_IO if the
 * record cannot be written, ERR_NOMEM. */
int overlays_draw(Overlays *v, Err *e);

/* A folder that was made, and in which nothing was drawn, is removed. v may be {0}. */
int overlays_close(Overlays *v, Err *e);

#endif
