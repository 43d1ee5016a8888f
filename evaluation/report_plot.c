/* Box plots of report.html. */
#include <math.h>
#include <stdio.h>

#include "base/memory.h"
#include "evaluation/report_parts.h"

enum { ROW = 30, LEFT = 110, WIDTH = 420, RIGHT = 14, TOP = 6, AXIS = 22, BOX = 8, NAME = 14 };

typedef struct Scale {
    double low, high, step;
} Scale;

static double to_x(const Scale *scale, double value)
{
    return LEFT + (value - scale->low) / (scale->high - scale->low) * (WIDTH - LEFT - RIGHT);
}

/* A step of 1, 2 or 5 times a power of ten that gives at most six ticks or so: their numbers do not touch. */
static double tick_step(double range)
{
    const double power = pow(10, floor(log10(range / 5 * (1 + 1e-9)))), count = range / 5 / power * (1 - 1e-9);
    return (count <= 1 ? 1 : count <= 2 ? 2 : count <= 5 ? 5 : 10) * power;
}

static bool is_shown(const CaseResult *c, int structure, Metric metric)
{
    return c->done && isfinite(c->metrics[structure][metric]);
}

static Scale find_scale(const Summary *s, const ReportLabels *labels, Metric metric)
{
    const bool is_share = metric == METRIC_DICE || metric == METRIC_IOU || metric == METRIC_NSD;
    Scale scale = {is_share ? 1 : 0, is_share ? 1 : 0, 0};
    for (int c = 0; c < s->case_count; c++) {
        for (int i = 0; i < labels->count; i++) {
            if (!is_shown(&s->cases[c], labels->index[i], metric)) continue;
            const double value = s->cases[c].metrics[labels->index[i]][metric];
            if (value < scale.low) scale.low = value;
            if (value > scale.high) scale.high = value;
        }
    }
    if (scale.high - scale.low < (is_share ? 0.05 : 1e-6)) {
        if (is_share) scale.low = scale.high - 0.05;
        else scale.high = scale.low + 1;
    }
    scale.step = tick_step(scale.high - scale.low);
    scale.low = floor(scale.low / scale.step + 1e-9) * scale.step;
    scale.high = ceil(scale.high / scale.step - 1e-9) * scale.step;
    return scale;
}

static int tick_count(const Scale *scale) { return (int)lround((scale->high - scale->low) / scale->step) + 1; }

static void add_grid(Text *out, const Scale *scale, int bottom)
{
    for (int k = 0; k < tick_count(scale); k++)
        text_add(out, "<path class=grid d=\"M%.1f %dV%d\"/>\n", to_x(scale, scale->low + k * scale->step), TOP, bottom);
}

/* A separate picture, so that it stays visible when many rows are scrolled. */
static void add_ticks(Text *out, const Scale *scale)
{
    text_add(out, "<svg class=axis viewBox=\"0 0 %d %d\" aria-hidden=true>", WIDTH, AXIS);
    for (int k = 0; k < tick_count(scale); k++) {
        const double value = scale->low + k * scale->step;
        text_add(out, "<text class=tick x=%.1f y=16>%g</text>", to_x(scale, value),
                 fabs(value) < scale->step / 2 ? 0 : value);
    }
    text_add(out, "</svg>");
}

/* Quartiles, median and whiskers to the last value within 1.5 times the box (Tukey). */
static void add_box(Text *out, const Scale *scale, const double *sorted, int64_t n, double y)
{
    const double q1 = quantile(sorted, n, 0.25), q3 = quantile(sorted, n, 0.75), reach = 1.5 * (q3 - q1);
    double low = q1, high = q3;
    for (int64_t i = n - 1; i >= 0 && sorted[i] >= q1 - reach; i--) low = fmin(low, sorted[i]);
    for (int64_t i = 0; i < n && sorted[i] <= q3 + reach; i++) high = fmax(high, sorted[i]);
    text_add(out, "<path class=whisker d=\"M%.1f %.1fH%.1fM%.1f %.1fH%.1f\"/>", to_x(scale, low), y, to_x(scale, q1),
             to_x(scale, q3), y, to_x(scale, high));
    text_add(out, "<rect class=box x=%.1f y=%.1f width=%.1f height=%d rx=2 />", to_x(scale, q1), y - BOX,
             fmax(1, to_x(scale, q3) - to_x(scale, q1)), 2 * BOX);
    text_add(out, "<path class=median d=\"M%.1f %.1fV%.1f\"/>\n", to_x(scale, quantile(sorted, n, 0.5)), y - BOX,
             y + BOX);
}

/* A dot per case, spread over the row's height in a fixed pattern; its title names the case. */
static void add_dots(Text *out, const Summary *s, int structure, Metric metric, const Scale *scale, double y)
{
    for (int c = 0; c < s->case_count; c++) {
        if (!is_shown(&s->cases[c], structure, metric)) continue;
        const double value = s->cases[c].metrics[structure][metric];
        const double shift = (c * 7 % 11 - 5) * 1.2;
        text_add(out, "<circle cx=%.1f cy=%.1f r=2.2><title>", to_x(scale, value), y + shift);
        text_add_html(out, s->cases[c].id);
        text_add(out, ": %.4g</title></circle>", value);
    }
    text_add(out, "\n");
}

/* Names too long for the margin are cut between characters (UTF-8); the title has all of it. */
static void add_row_name(Text *out, const char *name, double y)
{
    char cut[4 * NAME + 1];
    int bytes = 0, characters = 0;
    for (; name[bytes]; bytes++) {
        characters += (name[bytes] & 0xC0) != 0x80;
        if (characters > NAME || bytes == sizeof cut - 1) break;
        cut[bytes] = name[bytes];
    }
    cut[bytes] = '\0';
    text_add(out, "<text class=row x=%d y=%.1f><title>", LEFT - 8, y + 4);
    text_add_html(out, name);
    text_add(out, "</title>");
    text_add_html(out, cut);
    text_add(out, "%s</text>", name[bytes] ? "…" : "");
}

/* values (cases) is scratch. */
static void add_row(Text *out, const Summary *s, int structure, Metric metric, const Scale *scale, double y,
                    double *values)
{
    int64_t n = 0;
    for (int c = 0; c < s->case_count; c++)
        if (is_shown(&s->cases[c], structure, metric)) values[n++] = s->cases[c].metrics[structure][metric];
    add_row_name(out, s->structures->items[structure].name, y);
    n = sort_values(values, n);
    if (n) add_box(out, scale, values, n, y);
    add_dots(out, s, structure, metric, scale, y);
}

void report_add_plot(Text *out, const Summary *s, const ReportLabels *labels, Metric metric)
{
    const int rows = labels->count, bottom = TOP + rows * ROW;
    const Scale scale = find_scale(s, labels, metric);
    double *values = mem_alloc((size_t)s->case_count * sizeof *values, NULL);
    if (!values) {
        out->failed = true;
        return;
    }
    text_add(out, "<figure class=plot><figcaption>");
    report_add_metric(out, metric, labels);
    text_add(out,
             "</figcaption><div class=rows><svg viewBox=\"0 0 %d %d\" role=img "
             "aria-label=\"Box plot of %s per label\">\n",
             WIDTH, bottom, metric_info[metric].key);
    add_grid(out, &scale, bottom);
    for (int i = 0; i < rows; i++) add_row(out, s, labels->index[i], metric, &scale, TOP + (i + 0.5) * ROW, values);
    text_add(out, "</svg>");
    add_ticks(out, &scale);
    text_add(out, "</div></figure>\n");
    mem_free(values);
}
