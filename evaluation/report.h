/* report.html: an evaluation for people, in one self-contained file.
 *
 * Tables per label that sort by a click, box plots (SVG), and the worst and best cases with contours of
 * reference and prediction on the slices that matter. It needs no other file and no network, follows the
 * reader's light or dark setting, and keeps its tables and figures where scripts are off. */
#ifndef EVALUATION_REPORT_H
#define EVALUATION_REPORT_H

#include "base/error.h"
#include "evaluation/pairs.h"
#include "evaluation/summary.h"

typedef struct Report {
    const Summary *summary;     /* with means; borrowed, as all here */
    const Pairs *pairs;         /* of the summary */
    const char *images;         /* folder of the images (CASE_0000.* or CASE.*), or NULL: contours alone */
    const char *reference, *prediction;   /* what was compared, as given */
} Report;

/* Writes the report atomically; shown cases are read again, one at a time. A case that cannot be shown is
 * left out with the reason in its place. Fails: ERR_IO, ERR_NOMEM. */
int report_write(const Report *r, const char *path, Err *e);

#endif
