/* Tables of report.html. */
#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "evaluation/report_parts.h"

/* ---- values ---- */

static bool is_distance(Metric m) { return m == METRIC_HD || m == METRIC_HD95 || m == METRIC_ASD; }

void report_add_metric(Text *out, Metric m, const ReportLabels *labels)
{
    const char *unit = is_distance(m) ? labels->length_unit : m == METRIC_VD ? labels->volume_unit : NULL;
    text_add(out, "%s", metric_info[m].key);
    if (unit) text_add(out, " <small>(%s)</small>", unit);
}

void report_add_value(Text *out, Metric m, double value)
{
    if (isnan(value)) text_add(out, "–");
    else if (isinf(value)) text_add(out, "∞");
    else text_add(out, "%.*f", metric_info[m].is_count ? 0 : m == METRIC_VD ? 1 : is_distance(m) ? 2 : 4, value);
}

/* A table cell whose sorting key is exact. */
static void begin_cell(Text *out, Metric m, double value)
{
    text_add(out, "<td data-v=\"");
    text_add_double(out, value);
    text_add(out, "\">");
    report_add_value(out, m, value);
}

static void add_cell(Text *out, Metric m, double value)
{
    begin_cell(out, m, value);
    text_add(out, "</td>");
}

/* "0.7697 to 0.7961"; nothing without an interval. */
void report_add_interval(Text *out, Metric m, const Interval *interval)
{
    if (isnan(interval->low)) return;
    report_add_value(out, m, interval->low);
    text_add(out, " to ");
    report_add_value(out, m, interval->high);
}

/* The interval is below the mean. */
static void add_mean_cell(Text *out, Metric m, const Mean *mean)
{
    begin_cell(out, m, mean->value);
    text_add(out, "<small>");
    report_add_interval(out, m, &mean->interval);
    text_add(out, "</small></td>");
}

/* Mean of a case's Dice over the structures that it has. */
double report_case_dice(const Summary *s, const CaseResult *c)
{
    double sum = 0;
    int count = 0;
    for (int i = 0; i < s->structures->count; i++) {
        const double dice = c->metrics[i][METRIC_DICE];
        if (isnan(dice)) continue;
        sum += dice;
        count++;
    }
    return count ? sum / count : NAN;
}

/* ---- tables ---- */

static const Metric shown[] = {METRIC_DICE, METRIC_IOU, METRIC_NSD,   METRIC_HD95,  METRIC_HD,
                               METRIC_ASD,  METRIC_VD,  METRIC_N_REF, METRIC_N_PRED};
enum { SHOWN = sizeof shown / sizeof *shown };

static void add_column_heads(Text *out, const Summary *s, const ReportLabels *labels)
{
    for (int k = 0; k < SHOWN; k++) {
        if (!summary_has(s, shown[k])) continue;
        text_add(out, "<th>");
        report_add_metric(out, shown[k], labels);
        text_add(out, "</th>");
    }
}

/* ---- notes below the means ---- */

static int by_tolerance(const void *a, const void *b)
{
    const Structure *p = *(Structure *const *)a, *q = *(Structure *const *)b;
    if (p->tolerance_mm != q->tolerance_mm) return p->tolerance_mm < q->tolerance_mm ? -1 : 1;
    return (p > q) - (p < q);
}

/* "liver, spleen and 50 more" */
static void add_some_names(Text *out, const Structure *const *items, int count)
{
    enum { NAMED = 12 };
    for (int i = 0; i < count && i < NAMED; i++) {
        text_add(out, "%s", i ? ", " : "");
        text_add_html(out, items[i]->name);
    }
    if (count > NAMED) text_add(out, " and %d more", count - NAMED);
}

/* sorted (count of them) is scratch. */
static void add_tolerances(Text *out, const Structures *s, const Structure **sorted)
{
    for (int i = 0; i < s->count; i++) sorted[i] = &s->items[i];
    qsort(sorted, (size_t)s->count, sizeof *sorted, by_tolerance);
    text_add(out, " NSD at a tolerance of");
    for (int first = 0, past; first < s->count; first = past) {
        for (past = first; past < s->count && sorted[past]->tolerance_mm == sorted[first]->tolerance_mm;) past++;
        text_add(out, "%s %g mm", first ? "," : "", sorted[first]->tolerance_mm);
        if (past - first == s->count) break; /* of all labels */
        text_add(out, " (");
        add_some_names(out, sorted + first, past - first);
        text_add(out, ")");
    }
    text_add(out, ". Distances of images without a spacing (PNG) are in pixels.");
}

/* Names the labels in no case, and the number of labels that only the means show. */
static void add_label_notes(Text *out, const ReportLabels *labels, const Summary *s, const Structure **some)
{
    int absent = 0;
    for (int i = 0; i < s->structures->count; i++)
        if (s->absent[i]) some[absent++] = &s->structures->items[i];
    if (absent) {
        text_add(out, "<p class=note>In no case, neither in a reference nor in a prediction, and left out: ");
        add_some_names(out, some, absent);
        text_add(out, ".</p>");
    }
    if (labels->count < s->structures->count - absent)
        text_add(out,
                 "<p class=note>Below, only the %d labels with the lowest mean Dice are shown; per_case.csv has "
                 "all.</p>",
                 labels->count);
}

/* ---- the tables ---- */

static void add_means_row(Text *out, const Summary *s, int index)
{
    const Lost lost = summary_lost(s, index);
    text_add(out, "<tr><th>");
    text_add_html(out, s->structures->items[index].name);
    text_add(out, "</th>");
    for (int k = 0; k < SHOWN; k++)
        if (summary_has(s, shown[k])) add_mean_cell(out, shown[k], &s->mean[index][shown[k]]);
    text_add(out, "<td data-v=%d>%d</td><td data-v=%d>%d</td></tr>\n", lost.missed, lost.missed, lost.invented,
             lost.invented);
}

void report_add_means(Text *out, const Summary *s, const ReportLabels *labels)
{
    text_add(out, "<section><h2>Means</h2><div class=scroll><table class=\"sortable means\"><thead><tr>"
                  "<th>label</th>");
    add_column_heads(out, s, labels);
    text_add(out, "<th>missed</th><th>invented</th></tr></thead><tbody>\n");
    for (int i = 0; i < s->structures->count; i++)
        if (!s->absent[i]) add_means_row(out, s, i);
    text_add(out, "</tbody></table></div><p class=note>Means over the cases that have the label in the "
                  "reference or the prediction, with their 95 %% intervals. Missed and invented: cases with the "
                  "label only in the reference, only in the prediction; their infinite distances are not in the "
                  "means.");
    const Structure **scratch = mem_alloc((size_t)s->structures->count * sizeof *scratch, NULL);
    if (!scratch) out->failed = true;
    if (scratch && !s->only_overlap) add_tolerances(out, s->structures, scratch);
    text_add(out, "</p>");
    if (scratch) add_label_notes(out, labels, s, scratch);
    text_add(out, "</section>\n");
    mem_free(scratch);
}

static void add_overview_table(Text *out, const Summary *s, const ReportLabels *labels)
{
    text_add(out, "<div class=\"scroll tab\" data-tab=\"all labels\"><table class=sortable>"
                  "<caption>Dice</caption><thead><tr><th>case</th><th>mean</th>");
    for (int i = 0; i < labels->count; i++) {
        text_add(out, "<th>");
        text_add_html(out, s->structures->items[labels->index[i]].name);
        text_add(out, "</th>");
    }
    text_add(out, "</tr></thead><tbody>\n");
    for (int c = 0; c < s->case_count; c++) {
        if (!s->cases[c].done) continue;
        text_add(out, "<tr><th>");
        text_add_html(out, s->cases[c].id);
        text_add(out, "</th>");
        add_cell(out, METRIC_DICE, report_case_dice(s, &s->cases[c]));
        for (int i = 0; i < labels->count; i++)
            add_cell(out, METRIC_DICE, s->cases[c].metrics[labels->index[i]][METRIC_DICE]);
        text_add(out, "</tr>\n");
    }
    text_add(out, "</tbody></table></div>\n");
}

static void add_label_table(Text *out, const Summary *s, const ReportLabels *labels, int index)
{
    text_add(out, "<div class=\"scroll tab\" data-tab=\"");
    text_add_html(out, s->structures->items[index].name);
    text_add(out, "\"><table class=sortable><caption>");
    text_add_html(out, s->structures->items[index].name);
    text_add(out, "</caption><thead><tr><th>case</th>");
    add_column_heads(out, s, labels);
    text_add(out, "</tr></thead><tbody>\n");
    for (int c = 0; c < s->case_count; c++) {
        if (!s->cases[c].done) continue;
        text_add(out, "<tr><th>");
        text_add_html(out, s->cases[c].id);
        text_add(out, "</th>");
        for (int k = 0; k < SHOWN; k++)
            if (summary_has(s, shown[k])) add_cell(out, shown[k], s->cases[c].metrics[index][shown[k]]);
        text_add(out, "</tr>\n");
    }
    text_add(out, "</tbody></table></div>\n");
}

void report_add_instances(Text *out, const Summary *s)
{
    text_add(out, "<section><h2>Instances</h2><div class=scroll><table class=means><thead><tr>"
                  "<th>IoU at least</th>");
    for (int t = 0; t < INSTANCE_THRESHOLDS; t++) text_add(out, "<th>%.1f</th>", instance_thresholds[t]);
    text_add(out, "</tr></thead><tbody>\n");
    for (int k = 0; k < INSTANCE_METRICS; k++) {
        text_add(out, "<tr><th>%s</th>", instance_metric_keys[k]);
        for (int t = 0; t < INSTANCE_THRESHOLDS; t++)
            add_mean_cell(out, METRIC_DICE, &s->instance_mean[k][t]); /* written alike */
        text_add(out, "</tr>\n");
    }
    text_add(out, "</tbody></table></div></section>\n");
}

void report_add_cases(Text *out, const Summary *s, const ReportLabels *labels)
{
    text_add(out, "<section id=tables><h2>Cases</h2><nav hidden></nav>\n");
    add_overview_table(out, s, labels);
    for (int i = 0; i < labels->count; i++) add_label_table(out, s, labels, labels->index[i]);
    text_add(out, "</section>\n");
}

/* ---- notes of the cases ---- */

void report_add_notes(Text *out, const Summary *s)
{
    bool any = false;
    for (int c = 0; c < s->case_count; c++) {
        if (!s->cases[c].notes.length) continue;
        text_add(out, any ? "" : "<section><h2>Notes</h2><ul class=note>\n");
        any = true;
        text_add(out, "<li>");
        text_add_html(out, s->cases[c].id);
        text_add(out, ": ");
        text_add_html(out, s->cases[c].notes.data);
        text_add(out, "</li>\n");
    }
    if (any) text_add(out, "</ul></section>\n");
}
