/* The parts of report.html, and of other pages in its style. All append to `out`, which keeps a failure. */
#ifndef EVALUATION_REPORT_PARTS_H
#define EVALUATION_REPORT_PARTS_H

#include "base/text.h"
#include "evaluation/report.h"

extern const char *const report_css[], *const report_script[]; /* lines, NULL behind the last */

/* A page from its doctype to the style; the body follows. */
void report_begin_page(Text *out, const char *title);
/* The button that changes between light and dark: for a header. */
void report_add_theme_button(Text *out);
/* Footer and script, to the page's end. */
void report_end_page(Text *out);

/* The structures that are shown in more than the table of means: all that occur in some case or, if they are many,
 * those with the lowest mean Dice; ascending. */
typedef struct ReportLabels {
    int *index; /* owned by the report */
    int count;
    const char *length_unit, *volume_unit; /* of the metrics: "mm", "mm³" */
} ReportLabels;

/* A metric's name with its unit, if it has one. */
void report_add_metric(Text *out, Metric m, const ReportLabels *labels);

/* "0.7697"; a word if there is no number. */
void report_add_value(Text *out, Metric m, double value);
/* "0.7697 to 0.7961"; nothing without an interval. */
void report_add_interval(Text *out, Metric m, const Interval *interval);

/* Mean of a case's Dice over the structures that it has. */
double report_case_dice(const Summary *s, const CaseResult *c);

void report_add_means(Text *out, const Summary *s, const ReportLabels *labels);
void report_add_instances(Text *out, const Summary *s);
void report_add_cases(Text *out, const Summary *s, const ReportLabels *labels);
void report_add_notes(Text *out, const Summary *s);

/* A box plot of one metric: a row per structure, a dot per case. */
void report_add_plot(Text *out, const Summary *s, const ReportLabels *labels, Metric metric);

/* The figures of one case, an <svg> per chosen slice, and the names of their labels. Fails where the case cannot be read, with nothing appended;
 * ERR_NOMEM. */
int report_add_overlays(Text *out, const Report *r, int index, Err *e);

#endif
