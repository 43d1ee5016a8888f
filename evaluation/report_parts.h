/* The parts of report.html; only report*.c include this. All append to `out`, whose failure sticks. */
#ifndef EVALUATION_REPORT_PARTS_H
#define EVALUATION_REPORT_PARTS_H

#include "base/text.h"
#include "evaluation/report.h"

extern const char *const report_css[], *const report_script[];   /* lines, NULL behind the last */

/* Text with &, <, > and quotes escaped. */
void html_add(Text *out, const char *text);

/* A box plot of one metric: a row per structure, a dot per case. */
void report_add_plot(Text *out, const Summary *s, Metric metric);

/* The figures of one case: an <svg> per slice that matters. Fails where the case cannot be read, with
 * nothing appended; ERR_NOMEM. */
int report_add_overlays(Text *out, const Report *r, int index, Err *e);

#endif
