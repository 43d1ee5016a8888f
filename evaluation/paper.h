/* The conventions of the paper's own scores (U-Mamba's evaluation scripts, used by Swin-UMamba), where they
 * differ from nnU-Net's: docs/reference.md, Scores of the paper. Cells are scored by evaluation/instances.h.
 *
 * AbdomenMRI: 13 organs by their labels 1 … 13, each with its tolerance. A score is 1 if both sides lack the organ,
 * 0 if only the reference lacks it. Aorta, IVC and esophagus: only the slices (last axis of the file) from the
 * reference's first to the one before its last. Endoscopy: the mean over the labels that the reference or the
 * prediction has, each without its smallest value; tolerance 2 pixels, surfaces in 3D. Scores are rounded to 4
 * digits. */
#ifndef EVALUATION_PAPER_H
#define EVALUATION_PAPER_H

#include <stdbool.h>

#include "base/error.h"
#include "evaluation/mask.h"

typedef enum Paper { PAPER_NONE, PAPER_ABDOMEN_MRI, PAPER_ENDOSCOPY } Paper;

enum { PAPER_ORGANS = 13 };

/* DSC and NSD of one case, of its organs or (Endoscopy) of the whole image at [0]. */
typedef struct PaperScores {
    double dsc[PAPER_ORGANS], nsd[PAPER_ORGANS];
    bool has_slices; /* Endoscopy: the case is a volume, not a picture */
} PaperScores;

int paper_columns(Paper paper);                    /* 13 or 1 */
const char *paper_column(Paper paper, int column); /* "Liver"; "" for Endoscopy's only one */

/* The convention of that name ("abdomen_mri", "endoscopy"), or PAPER_NONE. */
Paper paper_by_name(const char *name);

/* Fails: ERR_NOMEM. */
int paper_score(PaperScores *scores, Paper paper, const LabelPair *pair, Err *e);

#endif
