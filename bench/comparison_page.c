/* The table of a comparison as an HTML page, in the style of evaluate's report. */
#include <math.h>

#include "bench/comparison_table.h"
#include "evaluation/report_parts.h"

/* ---- cells ---- */

static void add_name(Text *out, const ComparisonTable *t, int row)
{
    const char *name = t->comparison.names[row];
    text_add(out, "<tr><th><a href=\"");
    text_add_html(out, name);
    text_add(out, "/evaluation/report.html\">");
    text_add_html(out, name);
    text_add(out, "</a></th>");
}

/* The range of a column's intervals, widened to means without one. */
static Interval column_range(const ComparisonTable *t, int metric, int label)
{
    const TableScores *s = comparison_table_scores(t, metric, label);
    Interval range = {INFINITY, -INFINITY};
    for (int i = 0; i < t->count; i++) {
        range.low = fmin(range.low, fmin(s->row.mean[i], s->intervals[i].low));
        range.high = fmax(range.high, fmax(s->row.mean[i], s->intervals[i].high));
    }
    return range;
}

/* Interval and mean on the column's scale; a line marks the reference's mean. */
static void add_bar(Text *out, const TableScores *s, int row, int reference, Interval range)
{
    enum { WIDTH = 180, MARGIN = 6, HEIGHT = 16 };
    const double scale = (WIDTH - 2 * MARGIN) / fmax(range.high - range.low, 1e-9);
    const Interval *interval = &s->intervals[row];
#define X(value) (MARGIN + scale * ((value)-range.low))
    text_add(out, "<svg viewBox=\"0 0 %d %d\" aria-hidden=true>", WIDTH, HEIGHT);
    if (!isnan(s->row.mean[reference]))
        text_add(out, "<path class=grid d=\"M%.1f 0V%d\"/>", X(s->row.mean[reference]), HEIGHT);
    if (!isnan(interval->low))
        text_add(out, "<path class=whisker d=\"M%.1f %dH%.1f\"/>", X(interval->low), HEIGHT / 2, X(interval->high));
    text_add(out, "<path class=median d=\"M%.1f 3V%d\"/></svg>", X(s->row.mean[row]), HEIGHT - 3);
#undef X
}

static void add_score(Text *out, const ComparisonTable *t, int metric, int label, int row)
{
    const TableScores *s = comparison_table_scores(t, metric, label);
    const double mean = s->row.mean[row];
    const bool best = t->count > 1 && comparison_table_best(t, metric, label) == row;
    text_add(out, "<td data-v=\"");
    text_add_double(out, mean);
    text_add(out, "\">%s", best ? "<b>" : "");
    report_add_value(out, table_metrics[metric], mean);
    text_add(out, "%s<small>", best ? "</b>" : "");
    report_add_interval(out, table_metrics[metric], &s->intervals[row]);
    text_add(out, "</small>");
    if (!isnan(mean)) add_bar(out, s, row, t->comparison.reference, column_range(t, metric, label));
    text_add(out, "</td>");
}

static void add_p(Text *out, const ComparisonTable *t, int metric, int row)
{
    const double p = comparison_table_scores(t, metric, t->comparison.label_count)->row.p[row];
    const bool has_p = row != t->comparison.reference && !isnan(p);
    text_add(out, "<td data-v=\"");
    text_add_double(out, has_p ? p : NAN);
    text_add(out, "\">");
    if (has_p) text_add(out, p < 1e-3 ? "%.1e" : "%.3f", p);
    else text_add(out, row == t->comparison.reference ? "reference" : "–");
    text_add(out, "</td>");
}

/* ---- tables ---- */

static void add_overview(Text *out, const ComparisonTable *t)
{
    const int mean = t->comparison.label_count;
    text_add(out, "<section><h2>Networks</h2><div class=scroll style=\"max-height: none\">"
                  "<table class=\"sortable means\"><thead><tr><th>network</th>"
                  "<th>parameters</th><th>multiply-adds</th><th>patch</th><th>iterations</th><th>CPU minutes</th>"
                  "<th>Dice</th><th>p</th><th>NSD</th><th>p</th></tr></thead><tbody>\n");
    for (int row = 0; row < t->count; row++) {
        const TableCost *cost = &t->costs[row];
        add_name(out, t, row);
        text_add(out, "<td data-v=%lld>%.1f M</td><td data-v=%.0f>%.2f G</td>", (long long)cost->parameters,
                 (double)cost->parameters * 1e-6, cost->multiply_adds, cost->multiply_adds * 1e-9);
        text_add(out, "<td data-v=%d>%d×%d</td><td data-v=%d>%d</td><td data-v=%.4f>%.1f</td>",
                 cost->patch[0] * cost->patch[1], cost->patch[0], cost->patch[1], cost->iterations, cost->iterations,
                 cost->cpu_minutes, cost->cpu_minutes);
        for (int m = 0; m < TABLE_METRICS; m++) {
            add_score(out, t, m, mean, row);
            add_p(out, t, m, row);
        }
        text_add(out, "</tr>\n");
    }
    text_add(out, "</tbody></table></div></section>\n");
}

static void add_labels(Text *out, const ComparisonTable *t, int metric)
{
    text_add(out,
             "<section><h2>%s by label</h2><div class=scroll style=\"max-height: none\">"
             "<table class=\"sortable means\"><thead><tr><th>network</th>",
             metric_info[table_metrics[metric]].key);
    for (int label = 0; label < t->comparison.label_count; label++) {
        text_add(out, "<th>");
        text_add_html(out, comparison_table_label(t, label));
        text_add(out, "</th>");
    }
    text_add(out, "</tr></thead><tbody>\n");
    for (int row = 0; row < t->count; row++) {
        add_name(out, t, row);
        for (int label = 0; label < t->comparison.label_count; label++) add_score(out, t, metric, label, row);
        text_add(out, "</tr>\n");
    }
    text_add(out, "</tbody></table></div></section>\n");
}

void comparison_table_html(const ComparisonTable *t, Text *out)
{
    Text notes = {0};
    comparison_table_notes(t, &notes);
    report_begin_page(out, "Comparison of networks");
    text_add(out, "<body><header><h1>Comparison of networks</h1>\n<p>");
    text_add_html(out, t->caption);
    text_add(out, ": %d cases</p>", t->comparison.case_count);
    report_add_theme_button(out);
    text_add(out, "</header>\n");
    add_overview(out, t);
    text_add(out, "<p class=note>");
    if (notes.data) text_add_html(out, notes.data);
    else out->failed = true;
    text_add(out,
             " The bars show means and intervals; the line is the mean of the reference. A name leads to its report."
             "</p>\n");
    for (int m = 0; m < TABLE_METRICS && t->comparison.label_count > 1; m++) add_labels(out, t, m);
    report_end_page(out);
    text_free(&notes);
}
