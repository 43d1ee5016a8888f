#include "bench/comparison_table.h"

#include <math.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "model/describe.h"
#include "model/model.h"
#include "trainer/history.h"

const Metric table_metrics[TABLE_METRICS] = {METRIC_DICE, METRIC_NSD};

/* ---- costs ---- */

/* Counts as network_info does: with all heads, also where deep supervision is off. */
static int count_network(TableCost *cost, const Plan *plan, const DatasetInfo *info, Err *e)
{
    NetworkSpec spec;
    Graph *g;
    Executor *x;
    TRY(model_spec(&spec, plan, info, e));
    spec.deep_supervision = true;
    TRY(network_build(&g, &spec, e));
    cost->parameters = graph_parameter_elements(g);
    const int code = describe_plan(&x, g, (Shape){1, spec.height, spec.width, spec.channels}, e);
    if (!code) {
        cost->multiply_adds = (double)executor_multiply_adds(x, SCAN_RULE_PAPER);
        executor_free(x);
    }
    graph_free(g);
    return code;
}

static int add_training(TableCost *cost, const Plan *plan, const char *folder, const char *fold, Err *e)
{
    char *path = path_format(e, "%s/results/fold_%s/metrics.csv", folder, fold), *text = NULL;
    size_t bytes;
    History history = {0};
    int code = path ? file_get(path, &text, &bytes, e) : ERR_NOMEM;
    if (!code && (code = history_parse(&history, text, e))) err_context(e, "%s", path);
    cost->iterations = history.count * plan->training.iterations_per_epoch;
    for (int i = 0; i < history.count; i++) cost->cpu_minutes += history.records[i].cpu_seconds / 60;
    history_free(&history);
    mem_free(text);
    mem_free(path);
    return code;
}

static int read_cost(TableCost *cost, Structures *structures, const char *folder, const char *fold, Err *e)
{
    Plan plan;
    DatasetInfo info = {0};
    char *plans = path_format(e, "%s/results/plans.yaml", folder);
    char *dataset = path_format(e, "%s/results/dataset.json", folder);
    int code = plans && dataset ? plan_read(&plan, plans, NULL, e) : ERR_NOMEM;
    if (!code) code = dataset_info_read(&info, dataset, e);
    if (!code) {
        memcpy(cost->patch, plan.configuration.patch_size, sizeof cost->patch);
        code = count_network(cost, &plan, &info, e);
        if (!code) code = add_training(cost, &plan, folder, fold, e);
        if (!code && !structures->count) code = structures_from_dataset(structures, &info, e);
        dataset_info_free(&info);
    }
    mem_free(plans);
    mem_free(dataset);
    return code;
}

/* ---- making ---- */

static int find_finished(ComparisonTable *t, const ComparisonRow *rows, int count, int reference, Err *e)
{
    int referred = 0;
    for (int i = 0; i < count; i++) {
        if (rows[i].failed) {
            text_add(&t->missing, "%s%s (%s)", t->missing.length ? ", " : "", comparison_row_name(&rows[i]),
                     rows[i].failed);
            continue;
        }
        if (i == reference) referred = t->count;
        t->rows[t->count++] = &rows[i];
    }
    t->comparison.reference = referred;
    return text_check(&t->missing, e);
}

static int read_evaluations(ComparisonTable *t, Err *e)
{
    char *paths[COMPARISON_MOST];
    const int reference = t->comparison.reference;
    int code = 0, count = 0;
    for (; count < t->count && !code; count++) {
        paths[count] = path_format(e, "%s/evaluation", t->rows[count]->folder);
        if (!paths[count]) code = ERR_NOMEM;
    }
    if (!code) code = comparison_read(&t->comparison, (const char *const *)paths, count, e);
    t->comparison.reference = reference;
    for (int i = 0; i < t->comparison.count; i++) t->comparison.names[i] = comparison_row_name(t->rows[i]);
    while (count-- > 0) mem_free(paths[count]);
    return code;
}

static int score(ComparisonTable *t, Err *e)
{
    enum { SEED = 1 }; /* evaluate's default */
    const int rows = t->comparison.label_count + 1;
    t->scores = mem_zalloc((size_t)(TABLE_METRICS * rows), sizeof *t->scores, e);
    if (!t->scores) return ERR_NOMEM;
    for (int m = 0; m < TABLE_METRICS; m++) {
        for (int label = 0; label < rows; label++) {
            TableScores *s = &t->scores[m * rows + label];
            TRY(comparison_row(&s->row, &t->comparison, table_metrics[m], label, e));
            TRY(comparison_intervals(s->intervals, &t->comparison, table_metrics[m], label, SEED, e));
        }
    }
    return 0;
}

int comparison_table_make(ComparisonTable *t, const ComparisonRow *rows, int count, int reference, const char *fold,
                          Err *e)
{
    *t = (ComparisonTable){0};
    int code = find_finished(t, rows, count, reference, e);
    for (int i = 0; i < t->count && !code; i++)
        code = read_cost(&t->costs[i], &t->structures, t->rows[i]->folder, fold, e);
    if (!code) code = read_evaluations(t, e);
    if (!code) code = score(t, e);
    if (code) comparison_table_free(t);
    return code;
}

void comparison_table_free(ComparisonTable *t)
{
    comparison_free(&t->comparison);
    structures_free(&t->structures);
    text_free(&t->missing);
    mem_free(t->scores);
    *t = (ComparisonTable){0};
}

/* ---- reading ---- */

const TableScores *comparison_table_scores(const ComparisonTable *t, int metric, int label)
{
    return &t->scores[metric * (t->comparison.label_count + 1) + label];
}

const char *comparison_table_label(const ComparisonTable *t, int label)
{
    if (label == t->comparison.label_count) return "mean";
    for (int i = 0; i < t->structures.count; i++)
        if (!strcmp(t->structures.items[i].key, t->comparison.labels[label])) return t->structures.items[i].name;
    return t->comparison.labels[label];
}

int comparison_table_best(const ComparisonTable *t, int metric, int label)
{
    const double *mean = comparison_table_scores(t, metric, label)->row.mean;
    int best = 0;
    for (int i = 1; i < t->count; i++)
        if (isnan(mean[best]) || mean[i] > mean[best]) best = i;
    return best;
}

/* Below this the intervals are about a tenth or more too short: at 20 cases a percentile bootstrap interval of a mean has about
 * 1.96 sqrt(19/20) / 2.09 = 0.91 of the length of Student's, at 10 cases 0.82, at 5 cases 0.63. */
enum { FEW_CASES = 20 };

/* The smallest p of n pairs is 2 / 2^n: all differences have the same sign. */
static void add_few_cases(Text *out, int cases)
{
    const double smallest = ldexp(2, -cases);
    if (cases >= FEW_CASES) return;
    text_add(
        out,
        " These are few cases: below %d the intervals are about a tenth or more too short, and a single case can change "
        "p much; do not rank networks by them.",
        FEW_CASES);
    if (smallest > 0.05)
        text_add(out, " With %d case%s p cannot be below %.2g, however different the networks are.", cases,
                 cases == 1 ? "" : "s", fmin(smallest, 1));
}

void comparison_table_notes(const ComparisonTable *t, Text *out)
{
    const Comparison *c = &t->comparison;
    text_add(out,
             "%s. Means over %d cases and all labels, with 95 %% bootstrap intervals over the cases. p: Wilcoxon's "
             "signed-rank test of the cases' means against %s, two-sided, not corrected for the number of tests. "
             "Multiply-adds of one image of the size of a patch, all heads included, as network_info counts them.",
             t->caption, c->case_count, c->names[c->reference]);
    add_few_cases(out, c->case_count);
    if (t->missing.length) text_add(out, " Not in the table, because a program failed: %s.", t->missing.data);
}

/* ---- the files ---- */

static int write_one(const ComparisonTable *t, const char *folder, const char *ending,
                     void (*add)(const ComparisonTable *, Text *), Err *e)
{
    Text out = {0};
    add(t, &out);
    char *path = path_format(e, "%s/comparison.%s", folder, ending);
    int code = path ? text_check(&out, e) : ERR_NOMEM;
    if (!code) code = file_put(path, out.data, out.length, e);
    mem_free(path);
    text_free(&out);
    return code;
}

int comparison_table_write(const ComparisonTable *t, const char *folder, Err *e)
{
    TRY(write_one(t, folder, "md", comparison_table_markdown, e));
    TRY(write_one(t, folder, "tex", comparison_table_latex, e));
    return write_one(t, folder, "html", comparison_table_html, e);
}
