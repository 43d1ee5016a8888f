/* report.html: an evaluation as one self-contained page.
 *
 * Tables per label that sort by a click, box plots (SVG), and the worst and best cases with contours of reference
 * and prediction on chosen slices. It needs no other file and no network, follows the browser's light or dark
 * setting, and shows tables and figures without scripts too. */
#ifndef EVALUATION_REPORT_H
#define EVALUATION_REPORT_H

#include "base/error.h"
#include "evaluation/pairs.h"
#include "evaluation/summary.h"

typedef struct Report {
    const Summary *summary;             /* with means; borrowed, as all here */
    const Pairs *pairs;                 /* of the summary */
    const char *images;                 /* folder of the images (CASE_0000.* or CASE.*), or NULL: contours alone */
    const char *reference, *prediction; /* what was compared, as given */
} Report;

/* Writes the report atomically; shown cases are read again, one at a time. For a case that cannot be shown, the
 * reason is shown instead. Fails: ERR_IO, ERR_NOMEM. */
int report_write(const Report *r, const char *path, Err *e);

#endif
