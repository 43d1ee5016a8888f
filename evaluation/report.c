#include "evaluation/report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "data/image_io.h"
#include "evaluation/report_parts.h"

/* ---- head ---- */

static void add_tile(Text *out, const Summary *s, const ReportLabels *labels, Metric m)
{
    const Mean *mean = &s->foreground_mean[m];
    text_add(out, "<div class=tile><span>mean ");
    report_add_metric(out, m, labels);
    text_add(out, "</span><b>");
    if (isnan(mean->value)) text_add(out, "none");
    else report_add_value(out, m, mean->value);
    text_add(out, "</b><small>%s", isnan(mean->interval.low) ? "" : "95 % interval ");
    report_add_interval(out, m, &mean->interval);
    if (isnan(mean->value)) text_add(out, "no label has one");
    else if (s->foreground_count[m] < s->structures->count)
        text_add(out, "<br>over %d of %d labels", s->foreground_count[m], s->structures->count);
    text_add(out, "</small></div>\n");
}

static void add_missing(Text *out, const Summary *s)
{
    if (!s->missing_count) return;
    text_add(out, " <strong>%d reference%s no prediction</strong> (", s->missing_count,
             s->missing_count == 1 ? " has" : "s have");
    for (int i = 0; i < s->missing_count; i++) {
        text_add(out, "%s", i ? ", " : "");
        text_add_html(out, s->missing[i]);
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
        text_add_html(out, s->cases[c].id);
    }
    text_add(out, "%s.", named ? ")" : "");
    add_missing(out, s);
    text_add(out, "</p>");
}

static void add_head(Text *out, const Report *r, const ReportLabels *labels)
{
    const Summary *s = r->summary;
    Text title = {0};
    text_add(&title, "Evaluation of %s", r->prediction);
    out->failed |= title.failed;
    report_begin_page(out, title.data ? title.data : "");
    text_free(&title);
    text_add(out, "<body><header><h1>Evaluation</h1>\n<p>");
    text_add_html(out, r->prediction);
    text_add(out, " against ");
    text_add_html(out, r->reference);
    add_case_count(out, s);
    report_add_theme_button(out);
    text_add(out, "</header>\n<section class=tiles>\n");
    add_tile(out, s, labels, METRIC_DICE);
    add_tile(out, s, labels, METRIC_IOU);
    if (!s->only_overlap) {
        add_tile(out, s, labels, METRIC_NSD);
        add_tile(out, s, labels, METRIC_HD95);
    }
    text_add(out, "</section>\n");
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
    text_add_html(out, c->id);
    text_add(out, " <small>Dice %.4f</small></h3>\n", ranked->dice);
    Err failure = {0};
    const int code = report_add_overlays(out, r, ranked->index, &failure);
    if (code == ERR_NOMEM) return err_set(e, ERR_NOMEM, "%s", failure.text);
    if (code) text_add_html(out, failure.text);
    text_add(out, "</article>\n");
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
        const double dice = s->cases[c].done ? report_case_dice(s, &s->cases[c]) : NAN;
        if (!isnan(dice)) list[n++] = (Ranked){dice, c};
    }
    qsort(list, (size_t)n, sizeof *list, by_dice);
    const int worst = n < WORST ? n : WORST, best = n - worst < BEST ? n - worst : BEST;
    text_add(out, "<section id=cases><h2>Worst and best cases</h2><p class=legend>"
                  "<label><input type=checkbox data-hide=no-ref checked> <i class=ref></i> reference: areas</label> "
                  "<label><input type=checkbox data-hide=no-pred checked> <i class=pred></i> prediction: lines</label>"
                  "</p>\n<h3>Lowest mean Dice</h3>\n");
    for (int k = 0; k < worst && !code; k++) code = add_case(out, r, &list[k], e);
    if (best) text_add(out, "<h3>Highest mean Dice</h3>\n");
    for (int k = 0; k < best && !code; k++) code = add_case(out, r, &list[n - 1 - k], e);
    text_add(out, "</section>\n");
    mem_free(list);
    return code;
}

/* ---- labels that are shown ---- */

static int by_index(const void *a, const void *b) { return ((const Ranked *)a)->index - ((const Ranked *)b)->index; }

static int choose_labels(ReportLabels *labels, const Summary *s, Err *e)
{
    enum { MOST = 120, CELLS = 60000, FEWEST = 8 }; /* so that a browser shows the page without delay */
    const int rows = s->case_count ? CELLS / s->case_count : MOST;
    const int most = rows > MOST ? MOST : rows < FEWEST ? FEWEST : rows;
    const size_t count = (size_t)s->structures->count;
    Ranked *list = mem_alloc(count * sizeof *list, e);
    *labels = (ReportLabels){.index = mem_alloc(count * sizeof *labels->index, e)};
    if (!list || !labels->index) {
        mem_free(list);
        mem_free(labels->index);
        return ERR_NOMEM;
    }
    int n = 0;
    for (int i = 0; i < s->structures->count; i++) {
        const double dice = s->mean[i][METRIC_DICE].value;
        if (!s->absent[i]) list[n++] = (Ranked){isnan(dice) ? INFINITY : dice, i};
    }
    qsort(list, (size_t)n, sizeof *list, by_dice);
    labels->count = n < most ? n : most;
    qsort(list, (size_t)labels->count, sizeof *list, by_index);
    for (int i = 0; i < labels->count; i++) labels->index[i] = list[i].index;
    mem_free(list);
    return 0;
}

/* The units of the first reference; all have the same, as a rule. One that cannot be read is a failed case, and is told there. */
static int choose_units(ReportLabels *labels, const Pairs *pairs, Err *e)
{
    Geometry g = {0};
    Err unreadable = {0};
    const char *first = pairs->count ? pairs->items[0].reference : NULL;
    const bool is_read = first && !image_probe_labels(&g, first, &unreadable);
    if (unreadable.code == ERR_NOMEM) return err_set(e, ERR_NOMEM, "%s", unreadable.text);
    const Geometry plain = geometry_plane(g.shape_zyx[1], g.shape_zyx[2]);
    const bool is_plane = is_read && g.dimensions == 2;
    const bool is_plain = is_plane && !grid_has_place(&g) && geometry_same_spacing(&g, &plain);
    labels->length_unit = is_plain ? "pixels" : "mm";
    labels->volume_unit = is_plain ? "pixels" : is_plane ? "mm²" : "mm³";
    return 0;
}

/* ---- the file ---- */

int report_write(const Report *r, const char *path, Err *e)
{
    Text out = {0};
    ReportLabels labels;
    const Summary *s = r->summary;
    TRY(choose_labels(&labels, s, e));
    int code = choose_units(&labels, r->pairs, e);
    if (code) {
        mem_free(labels.index);
        return code;
    }
    add_head(&out, r, &labels);
    report_add_means(&out, s, &labels);
    report_add_notes(&out, s);
    if (s->has_instances) report_add_instances(&out, s);
    text_add(&out, "<section><h2>Distributions</h2><div class=plots>\n");
    report_add_plot(&out, s, &labels, METRIC_DICE);
    report_add_plot(&out, s, &labels, s->only_overlap ? METRIC_IOU : METRIC_NSD);
    if (!s->only_overlap) report_add_plot(&out, s, &labels, METRIC_HD95);
    text_add(&out, "</div></section>\n");
    code = add_cases(&out, r, e);
    report_add_cases(&out, s, &labels);
    mem_free(labels.index);
    report_end_page(&out);
    if (!code) code = text_check(&out, e);
    if (!code) code = file_put(path, out.data, out.length, e);
    text_free(&out);
    return code;
}
