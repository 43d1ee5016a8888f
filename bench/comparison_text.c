/* The table of a comparison as Markdown and LaTeX. */
#include <math.h>
#include <string.h>

#include "bench/comparison_table.h"

static bool is_reference(const ComparisonTable *t, int row) { return row == t->comparison.reference; }

/* "0.8512"; bold for the best. */
static void add_mean(const ComparisonTable *t, Text *out, int metric, int label, int row, const char *bold,
                     const char *bold_end)
{
    const bool best = t->count > 1 && comparison_table_best(t, metric, label) == row;
    const double mean = comparison_table_scores(t, metric, label)->row.mean[row];
    if (isnan(mean)) text_add(out, "–");
    else text_add(out, "%s%.4f%s", best ? bold : "", mean, best ? bold_end : "");
}

/* The interval of the mean over labels, with texts around its ends. */
static void add_interval(const ComparisonTable *t, Text *out, int metric, int row, const char *before,
                         const char *between, const char *end)
{
    const Interval *interval = &comparison_table_scores(t, metric, t->comparison.label_count)->intervals[row];
    if (!isnan(interval->low)) text_add(out, "%s%.3f%s%.3f%s", before, interval->low, between, interval->high, end);
}

/* ---- Markdown ---- */

static void add_markdown_p(const ComparisonTable *t, Text *out, int metric, int row)
{
    const double p = comparison_table_scores(t, metric, t->comparison.label_count)->row.p[row];
    if (is_reference(t, row)) text_add(out, " reference |");
    else if (isnan(p)) text_add(out, " – |"); /* no pair differs */
    else text_add(out, p < 1e-3 ? " %.1e |" : " %.3f |", p);
}

static void add_markdown_row(const ComparisonTable *t, Text *out, int row)
{
    const TableCost *cost = &t->costs[row];
    const int mean = t->comparison.label_count;
    text_add(out, "| `%s` | %.1f M | %.2f G | %d | %.1f |", t->comparison.names[row], (double)cost->parameters * 1e-6,
             cost->multiply_adds * 1e-9, cost->iterations, cost->cpu_minutes);
    for (int m = 0; m < TABLE_METRICS; m++) {
        text_add(out, " ");
        add_mean(t, out, m, mean, row, "**", "**");
        add_interval(t, out, m, row, " (", " to ", ")");
        text_add(out, " |");
        add_markdown_p(t, out, m, row);
    }
    text_add(out, "\n");
}

/* A cell's text: a '|' would end the cell. */
static void add_markdown_text(Text *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '|') text_add(out, "\\");
        text_add_bytes(out, text, 1);
    }
}

static void add_markdown_labels(const ComparisonTable *t, Text *out)
{
    const int labels = t->comparison.label_count;
    text_add(out, "\n| network |");
    for (int i = 0; i < labels * TABLE_METRICS; i++) {
        text_add(out, " ");
        add_markdown_text(out, comparison_table_label(t, i / TABLE_METRICS));
        text_add(out, ": %s |", metric_info[table_metrics[i % TABLE_METRICS]].key);
    }
    text_add(out, "\n|---|");
    for (int i = 0; i < labels * TABLE_METRICS; i++) text_add(out, "---|");
    for (int row = 0; row < t->count; row++) {
        text_add(out, "\n| `%s` |", t->comparison.names[row]);
        for (int i = 0; i < labels * TABLE_METRICS; i++) {
            text_add(out, " ");
            add_mean(t, out, i % TABLE_METRICS, i / TABLE_METRICS, row, "**", "**");
            text_add(out, " |");
        }
    }
    text_add(out, "\n");
}

void comparison_table_markdown(const ComparisonTable *t, Text *out)
{
    text_add(out, "| network | parameters | multiply-adds | iterations | CPU minutes | Dice | p | NSD | p |\n"
                  "|---|---|---|---|---|---|---|---|---|\n");
    for (int row = 0; row < t->count; row++) add_markdown_row(t, out, row);
    text_add(out, "\n");
    comparison_table_notes(t, out);
    text_add(out, "\n");
    if (t->comparison.label_count > 1) add_markdown_labels(t, out);
}

/* ---- LaTeX ---- */

static void add_latex_text(Text *out, const char *text)
{
    for (; *text; text++) {
        if (strchr("_%&#${}", *text)) text_add(out, "\\%c", *text);
        else if (*text == '~') text_add(out, "\\textasciitilde{}");
        else if (*text == '^') text_add(out, "\\textasciicircum{}");
        else if (*text == '\\') text_add(out, "\\textbackslash{}");
        else if (*text == '<') text_add(out, "\\textless{}");
        else if (*text == '>') text_add(out, "\\textgreater{}");
        else if (*text == '|') text_add(out, "\\textbar{}");
        else text_add_bytes(out, text, 1);
    }
}

static void add_latex_p(const ComparisonTable *t, Text *out, int metric, int row)
{
    const double p = comparison_table_scores(t, metric, t->comparison.label_count)->row.p[row];
    if (is_reference(t, row) || isnan(p)) text_add(out, " & --");
    else if (p < 1e-3) text_add(out, " & $<$0.001");
    else text_add(out, " & %.3f", p);
}

static void add_latex_row(const ComparisonTable *t, Text *out, int row)
{
    const TableCost *cost = &t->costs[row];
    add_latex_text(out, t->comparison.names[row]);
    text_add(out, " & %.1fM & %.1fG", (double)cost->parameters * 1e-6, cost->multiply_adds * 1e-9);
    for (int m = 0; m < TABLE_METRICS; m++) {
        text_add(out, " & ");
        add_mean(t, out, m, t->comparison.label_count, row, "\\textbf{", "}");
        add_interval(t, out, m, row, " {\\footnotesize ", "--", "}"); /* narrow: the table has to fit a page */
        add_latex_p(t, out, m, row);
    }
    text_add(out, " \\\\\n");
}

void comparison_table_latex(const ComparisonTable *t, Text *out)
{
    Text notes = {0};
    comparison_table_notes(t, &notes);
    text_add(out, "%% \\usepackage{booktabs,graphicx}\n\\begin{table}\n\\centering\n\\setlength{\\tabcolsep}{4pt}\n"
                  "%% A table that is wider than the page is made smaller.\n"
                  "\\resizebox{\\ifdim\\width>\\linewidth \\linewidth\\else\\width\\fi}{!}{%%\n"
                  "\\begin{tabular}{lrrcrcr}\n\\toprule\nNetwork & \\#param & multiply-adds & "
                  "DSC (95\\,\\%% interval) & $p$ & NSD (95\\,\\%% interval) & $p$ \\\\\n\\midrule\n");
    for (int row = 0; row < t->count; row++) add_latex_row(t, out, row);
    text_add(out, "\\bottomrule\n\\end{tabular}}\n\\caption{");
    if (notes.data) add_latex_text(out, notes.data);
    else out->failed = true;
    text_add(out, "}\n\\end{table}\n");
    text_free(&notes);
}
