#include <math.h>
#include <string.h>

#include "evaluation/summary_files.h"

static const CaseResult *worst_case(const Summary *s, int structure)
{
    const CaseResult *worst = NULL;
    for (int c = 0; c < s->case_count; c++) {
        const CaseResult *one = &s->cases[c];
        if (!one->done || isnan(one->metrics[structure][METRIC_DICE])) continue;
        if (!worst || one->metrics[structure][METRIC_DICE] < worst->metrics[structure][METRIC_DICE]) worst = one;
    }
    return worst;
}

/* A number, or - if there is none, since the label is in no case. */
static void add_number(Text *out, int width, int digits, double value)
{
    if (isnan(value)) text_add(out, " %*s", width, "-");
    else text_add(out, " %*.*f", width, digits, value);
}

static void add_columns(Text *out, const Summary *s, const Mean *row)
{
    const Mean *dice = &row[METRIC_DICE];
    add_number(out, 7, 4, dice->value);
    if (isnan(dice->interval.low)) text_add(out, "  %16s", "-"); /* of a single case */
    else text_add(out, "  %.4f to %.4f", dice->interval.low, dice->interval.high);
    add_number(out, 7, 4, row[METRIC_IOU].value);
    if (s->only_overlap) return;
    add_number(out, 7, 4, row[METRIC_NSD].value);
    add_number(out, 8, 3, row[METRIC_HD95].value);
    add_number(out, 8, 3, row[METRIC_HD].value);
    add_number(out, 8, 3, row[METRIC_ASD].value);
}

static int name_width(const Structures *s)
{
    int width = (int)strlen("foreground mean");
    for (int i = 0; i < s->count; i++) {
        const int used = (int)strlen(s->items[i].key) + 1 + text_columns(s->items[i].name);
        if (used > width) width = used;
    }
    return width;
}

static void add_instances(const Summary *s, Text *out)
{
    text_add(out, "\ninstances        ");
    for (int t = 0; t < INSTANCE_THRESHOLDS; t++) text_add(out, "  IoU %.1f", instance_thresholds[t]);
    text_add(out, "\n");
    for (int k = 0; k < INSTANCE_METRICS; k++) {
        text_add(out, "%-17s", instance_metric_keys[k]);
        for (int t = 0; t < INSTANCE_THRESHOLDS; t++) add_number(out, 8, 4, s->instance_mean[k][t].value);
        text_add(out, "\n");
    }
}

static void add_scores(Text *out, const char *name, double dsc, double nsd)
{
    text_add(out, "%-15s", name);
    add_number(out, 8, 4, dsc);
    add_number(out, 8, 4, nsd);
    text_add(out, "\n");
}

static void add_paper(const Summary *s, Text *out)
{
    const int columns = paper_columns(s->paper);
    text_add(out, "\nas in the paper      DSC      NSD\n");
    for (int k = 0; k < columns && columns > 1; k++)
        add_scores(out, paper_column(s->paper, k), s->paper_mean.dsc[k], s->paper_mean.nsd[k]);
    add_scores(out, "average", mean_without_nan(s->paper_mean.dsc, columns),
               mean_without_nan(s->paper_mean.nsd, columns));
}

void summary_add_table(const Summary *s, Text *out)
{
    const int width = name_width(s->structures);
    text_add(out, "%-*s %7s  %-16s %7s", width, "mean over cases", "Dice", "95 % interval", "IoU");
    if (!s->only_overlap) text_add(out, " %7s %8s %8s %8s", "NSD", "HD95", "HD", "ASD");
    text_add(out, "  missed  lowest Dice\n");
    for (int i = 0; i < s->structures->count; i++) {
        const Structure *structure = &s->structures->items[i];
        const int used = (int)strlen(structure->key) + 1;
        text_add(out, "%s ", structure->key);
        text_add_padded(out, structure->name, width - used);
        add_columns(out, s, s->mean[i]);
        text_add(out, "  %6d", summary_lost(s, i).missed);
        const CaseResult *worst = worst_case(s, i);
        if (worst) text_add(out, "  %.4f %s", worst->metrics[i][METRIC_DICE], worst->id);
        text_add(out, "\n");
    }
    text_add(out, "%-*s", width, "foreground mean");
    add_columns(out, s, s->foreground_mean);
    text_add(out, "\n");
    if (s->has_instances) add_instances(s, out);
    if (s->paper != PAPER_NONE) add_paper(s, out);
}
