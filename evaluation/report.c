#include "evaluation/report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "evaluation/report_parts.h"

void html_add(Text *out, const char *text)
{
    for (; *text; text++) {
        switch (*text) {
        case '&': text_add(out, "&amp;"); break;
        case '<': text_add(out, "&lt;"); break;
        case '>': text_add(out, "&gt;"); break;
        case '"': text_add(out, "&quot;"); break;
        default: text_add_bytes(out, text, 1);
        }
    }
}

static void add_lines(Text *out, const char *const *lines)
{
    for (; *lines; lines++) text_add(out, "%s\n", *lines);
}

/* ---- values ---- */

static void add_value(Text *out, Metric m, double value)
{
    const bool is_mm = m == METRIC_HD || m == METRIC_HD95 || m == METRIC_ASD;
    if (isnan(value)) text_add(out, "–");
    else if (isinf(value)) text_add(out, "∞");
    else text_add(out, "%.*f", metric_info[m].is_count ? 0 : m == METRIC_VD ? 1 : is_mm ? 2 : 4, value);
}

/* A table cell whose sorting key is exact. */
static void begin_cell(Text *out, Metric m, double value)
{
    text_add(out, "<td data-v=\"");
    text_add_double(out, value);
    text_add(out, "\">");
    add_value(out, m, value);
}

static void add_cell(Text *out, Metric m, double value)
{
    begin_cell(out, m, value);
    text_add(out, "</td>");
}

/* "0.7697 to 0.7961"; nothing where there is no interval. */
static void add_interval(Text *out, Metric m, const Interval *interval)
{
    if (isnan(interval->low)) return;
    add_value(out, m, interval->low);
    text_add(out, " to ");
    add_value(out, m, interval->high);
}

/* The interval stands below the mean. */
static void add_mean_cell(Text *out, Metric m, const Mean *mean)
{
    begin_cell(out, m, mean->value);
    text_add(out, "<small>");
    add_interval(out, m, &mean->interval);
    text_add(out, "</small></td>");
}

/* Mean of a case's Dice over the structures that it has. */
static double case_dice(const Summary *s, const CaseResult *c)
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

/* ---- head ---- */

static void add_tile(Text *out, const Summary *s, Metric m, const char *name)
{
    const Mean *mean = &s->foreground_mean[m];
    text_add(out, "<div class=tile><span>%s</span><b>", name);
    add_value(out, m, mean->value);
    text_add(out, "</b><small>%s", isnan(mean->interval.low) ? "" : "95 % interval ");
    add_interval(out, m, &mean->interval);
    text_add(out, "</small></div>\n");
}

static void add_missing(Text *out, const Summary *s)
{
    if (!s->missing_count) return;
    text_add(out, " <strong>%d reference%s no prediction</strong> (", s->missing_count,
             s->missing_count == 1 ? " has" : "s have");
    for (int i = 0; i < s->missing_count; i++) {
        text_add(out, "%s", i ? ", " : "");
        html_add(out, s->missing[i]);
    }
    text_add(out, ").");
}

/* ": 38 cases, 2 more could not be evaluated (a, b)." */
static void add_case_count(Text *out, const Summary *s)
{
    const int done = summary_done(s);
    int named = 0;
    text_add(out, ": %d case%s", done, done == 1 ? "" : "s");
    if (done < s->case_count)
        text_add(out, ", <strong>%d more could not be evaluated</strong> (", s->case_count - done);
    for (int c = 0; c < s->case_count; c++) {
        if (s->cases[c].done) continue;
        text_add(out, "%s", named++ ? ", " : "");
        html_add(out, s->cases[c].id);
    }
    text_add(out, "%s.", named ? ")" : "");
    add_missing(out, s);
    text_add(out, "</p>");
}

static void add_head(Text *out, const Report *r)
{
    const Summary *s = r->summary;
    text_add(out, "<!doctype html>\n<html lang=en><head><meta charset=utf-8>\n"
             "<meta name=viewport content=\"width=device-width,initial-scale=1\">\n<title>Evaluation of ");
    html_add(out, r->prediction);
    text_add(out, "</title>\n<style>\n");
    add_lines(out, report_css);
    text_add(out, "</style></head>\n<body><header><h1>Evaluation</h1>\n<p>");
    html_add(out, r->prediction);
    text_add(out, " against ");
    html_add(out, r->reference);
    add_case_count(out, s);
    text_add(out, "<button id=theme type=button hidden>light / dark</button></header>\n"
             "<section class=tiles>\n");
    add_tile(out, s, METRIC_DICE, "mean Dice");
    add_tile(out, s, METRIC_IOU, "mean IoU");
    if (!s->only_overlap) {
        add_tile(out, s, METRIC_NSD, "mean NSD");
        add_tile(out, s, METRIC_HD95, "mean HD95");
    }
    text_add(out, "</section>\n");
}

/* ---- tables ---- */

static const Metric shown[] = {METRIC_DICE, METRIC_IOU, METRIC_NSD, METRIC_HD95, METRIC_HD,
                               METRIC_ASD, METRIC_VD, METRIC_N_REF, METRIC_N_PRED};
enum { SHOWN = sizeof shown / sizeof *shown };

static void add_column_heads(Text *out, const Summary *s)
{
    for (int k = 0; k < SHOWN; k++)
        if (summary_has(s, shown[k])) text_add(out, "<th>%s</th>", metric_info[shown[k]].key);
}

static void add_means_table(Text *out, const Summary *s)
{
    text_add(out, "<section><h2>Means</h2><div class=scroll><table class=\"sortable means\"><thead><tr>"
             "<th>label</th>");
    add_column_heads(out, s);
    text_add(out, "<th>missed</th><th>invented</th></tr></thead><tbody>\n");
    for (int i = 0; i < s->structures->count; i++) {
        const Structure *structure = &s->structures->items[i];
        const Lost lost = summary_lost(s, i);
        text_add(out, "<tr><th>");
        html_add(out, structure->name);
        text_add(out, "</th>");
        for (int k = 0; k < SHOWN; k++)
            if (summary_has(s, shown[k])) add_mean_cell(out, shown[k], &s->mean[i][shown[k]]);
        text_add(out, "<td data-v=%d>%d</td><td data-v=%d>%d</td></tr>\n", lost.missed, lost.missed,
                 lost.invented, lost.invented);
    }
    text_add(out, "</tbody></table></div><p class=note>Means over the cases that have the label in the "
             "reference or the prediction, with their 95 %% intervals. Missed and invented: cases with the "
             "label only in the reference, only in the prediction; their infinite distances are not in the "
             "means.");
    if (!s->only_overlap) {
        text_add(out, " NSD at a tolerance of");
        for (int i = 0; i < s->structures->count; i++) {
            text_add(out, "%s %g (", i ? "," : "", s->structures->items[i].tolerance_mm);
            html_add(out, s->structures->items[i].name);
            text_add(out, ")");
        }
        text_add(out, ". Distances are in mm, in images without a spacing (PNG) in pixels.");
    }
    text_add(out, "</p></section>\n");
}

static void add_overview_table(Text *out, const Summary *s)
{
    text_add(out, "<div class=\"scroll tab\" data-tab=\"all labels\"><table class=sortable>"
             "<caption>Dice</caption><thead><tr><th>case</th><th>mean</th>");
    for (int i = 0; i < s->structures->count; i++) {
        text_add(out, "<th>");
        html_add(out, s->structures->items[i].name);
        text_add(out, "</th>");
    }
    text_add(out, "</tr></thead><tbody>\n");
    for (int c = 0; c < s->case_count; c++) {
        if (!s->cases[c].done) continue;
        text_add(out, "<tr><th>");
        html_add(out, s->cases[c].id);
        text_add(out, "</th>");
        add_cell(out, METRIC_DICE, case_dice(s, &s->cases[c]));
        for (int i = 0; i < s->structures->count; i++)
            add_cell(out, METRIC_DICE, s->cases[c].metrics[i][METRIC_DICE]);
        text_add(out, "</tr>\n");
    }
    text_add(out, "</tbody></table></div>\n");
}

static void add_label_table(Text *out, const Summary *s, int index)
{
    text_add(out, "<div class=\"scroll tab\" data-tab=\"");
    html_add(out, s->structures->items[index].name);
    text_add(out, "\"><table class=sortable><caption>");
    html_add(out, s->structures->items[index].name);
    text_add(out, "</caption><thead><tr><th>case</th>");
    add_column_heads(out, s);
    text_add(out, "</tr></thead><tbody>\n");
    for (int c = 0; c < s->case_count; c++) {
        if (!s->cases[c].done) continue;
        text_add(out, "<tr><th>");
        html_add(out, s->cases[c].id);
        text_add(out, "</th>");
        for (int k = 0; k < SHOWN; k++)
            if (summary_has(s, shown[k])) add_cell(out, shown[k], s->cases[c].metrics[index][shown[k]]);
        text_add(out, "</tr>\n");
    }
    text_add(out, "</tbody></table></div>\n");
}

static void add_instance_table(Text *out, const Summary *s)
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

/* ---- cases ---- */

typedef struct Ranked {
    double dice;
    int index;
} Ranked;

static int by_dice(const void *a, const void *b)
{
    const Ranked *p = a, *q = b;
    if (p->dice != q->dice) return p->dice < q->dice ? -1 : 1;
    return p->index - q->index;
}

static int add_case(Text *out, const Report *r, const Ranked *ranked, Err *e)
{
    const CaseResult *c = &r->summary->cases[ranked->index];
    text_add(out, "<article><h3>");
    html_add(out, c->id);
    text_add(out, " <small>Dice %.4f</small></h3><div class=slices>\n", ranked->dice);
    Err failure = {0};
    const int code = report_add_overlays(out, r, ranked->index, &failure);
    if (code == ERR_NOMEM) return err_set(e, ERR_NOMEM, "%s", failure.text);
    if (code) html_add(out, failure.text);
    text_add(out, "</div></article>\n");
    return 0;
}

static int add_cases(Text *out, const Report *r, Err *e)
{
    enum { WORST = 4, BEST = 2 };
    const Summary *s = r->summary;
    Ranked *list = mem_alloc((size_t)s->case_count * sizeof *list, e);
    if (!list) return ERR_NOMEM;
    int n = 0, code = 0;
    for (int c = 0; c < s->case_count; c++) {
        const double dice = s->cases[c].done ? case_dice(s, &s->cases[c]) : NAN;
        if (!isnan(dice)) list[n++] = (Ranked){dice, c};
    }
    qsort(list, (size_t)n, sizeof *list, by_dice);
    const int worst = n < WORST ? n : WORST, best = n - worst < BEST ? n - worst : BEST;
    text_add(out, "<section id=cases><h2>Worst and best cases</h2><p class=legend>"
             "<label><input type=checkbox data-hide=no-ref checked> <i class=ref></i> reference</label> "
             "<label><input type=checkbox data-hide=no-pred checked> <i class=pred></i> prediction</label>"
             "</p>\n<h3>Lowest mean Dice</h3>\n");
    for (int k = 0; k < worst && !code; k++) code = add_case(out, r, &list[k], e);
    if (best) text_add(out, "<h3>Highest mean Dice</h3>\n");
    for (int k = 0; k < best && !code; k++) code = add_case(out, r, &list[n - 1 - k], e);
    text_add(out, "</section>\n");
    mem_free(list);
    return code;
}

/* ---- the file ---- */

int report_write(const Report *r, const char *path, Err *e)
{
    Text out = {0};
    const Summary *s = r->summary;
    add_head(&out, r);
    add_means_table(&out, s);
    if (s->has_instances) add_instance_table(&out, s);
    text_add(&out, "<section><h2>Distributions</h2><div class=plots>\n");
    report_add_plot(&out, s, METRIC_DICE);
    report_add_plot(&out, s, s->only_overlap ? METRIC_IOU : METRIC_NSD);
    if (!s->only_overlap) report_add_plot(&out, s, METRIC_HD95);
    text_add(&out, "</div></section>\n");
    int code = add_cases(&out, r, e);
    text_add(&out, "<section id=tables><h2>Cases</h2><nav hidden></nav>\n");
    add_overview_table(&out, s);
    for (int i = 0; i < s->structures->count; i++) add_label_table(&out, s, i);
    text_add(&out, "</section>\n<footer>Swin-UMamba in C</footer>\n<script>\n");
    add_lines(&out, report_script);
    text_add(&out, "</script></body></html>\n");
    if (!code) code = text_check(&out, e);
    if (!code) code = file_put(path, out.data, out.length, e);
    text_free(&out);
    return code;
}
