#include "tests/support/golden_scores.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "evaluation/overlap.h"
#include "evaluation/summary.h"

enum { MOST = 64 };

static int add_structure(Structures *s, const DocNode *node, Err *e)
{
    const bool is_region = node->kind == DOC_SEQUENCE;
    int16_t labels[MOST];
    int count = 0;
    for (const DocNode *n = is_region ? node->first : node; n && count < MOST; n = is_region ? n->next : NULL) {
        int64_t value;
        TRY(doc_get_int(n, INT16_MIN, INT16_MAX, &value, e));
        labels[count++] = (int16_t)value;
    }
    return structures_add(s, NULL, labels, count, is_region, e);
}

int golden_structures(Structures *s, const DocNode *labels_or_regions, Err *e)
{
    *s = (Structures){0};
    if (!labels_or_regions) return err_set(e, ERR_FORMAT, "no list of labels");
    for (const DocNode *n = labels_or_regions->first; n; n = n->next) TRY(add_structure(s, n, e));
    return s->count <= MOST ? 0 : err_set(e, ERR_VALUE, "more than %d labels", MOST);
}

int golden_structures_of_keys(Structures *s, const DocNode *node, Err *e)
{
    *s = (Structures){0};
    if (!node || node->count > MOST) return err_set(e, ERR_FORMAT, "no scores of labels, or too many");
    for (const DocNode *n = node->first; n; n = n->next) {
        int16_t labels[MOST];
        int count = 0;
        for (const char *at = n->key; *at && count < MOST; at += strspn(at, "0123456789")) {
            at += strcspn(at, "0123456789");
            if (*at) labels[count++] = (int16_t)atoi(at);
        }
        TRY(structures_add(s, NULL, labels, count, *n->key == '(', e));
    }
    return 0;
}

/* Equal, or both NaN; infinite and NaN are stored as words. */
static void expect_row(Golden *g, const double *row, const DocNode *wanted)
{
    if (!wanted) golden_fail(g, "scores of a structure are missing");
    for (const DocNode *entry = wanted ? wanted->first : NULL; entry; entry = entry->next) {
        double value = 0;
        int m = 0;
        while (m < METRIC_COUNT && strcmp(metric_info[m].key, entry->key)) m++;
        if (m == METRIC_COUNT || doc_get_double(entry, &value, NULL)) {
            golden_fail(g, "%s: not the value of a metric", entry->key);
            return;
        }
        golden_expect(g, entry->key, row[m] == value || (isnan(row[m]) && isnan(value)) ? 0 : fabs(row[m] - value), 0);
    }
}

static void expect_means(Golden *g, const Mean *means, const DocNode *wanted)
{
    MetricRow row;
    for (int m = 0; m < METRIC_COUNT; m++) row[m] = means[m].value;
    expect_row(g, row, wanted);
}

static int score_case(CaseResult *result, const Structures *s, const LabelledCases *cases, int index, Err *e)
{
    Overlap overlaps[MOST];
    Array reference, prediction;
    TRY(cases->load(cases->context, index, &reference, &prediction, e));
    const int code = overlap_count(overlaps, NULL, NULL, s, reference.data, prediction.data, reference.shape, e);
    for (int i = 0; i < s->count && !code; i++) overlap_metrics(result->metrics[i], &overlaps[i]);
    result->done = !code;
    array_free(&reference);
    array_free(&prediction);
    return code;
}

static void compare_summary(Golden *g, const Summary *s, const DocNode *item)
{
    const DocNode *per_case = doc_find(item, "per_case"), *one = per_case ? per_case->first : NULL;
    const DocNode *mean = doc_find(item, "mean");
    for (int c = 0; c < s->case_count && one; c++, one = one->next)
        for (int i = 0; i < s->structures->count; i++)
            expect_row(g, s->cases[c].metrics[i], doc_find(one, s->structures->items[i].key));
    for (int i = 0; i < s->structures->count; i++)
        expect_means(g, s->mean[i], doc_find(mean, s->structures->items[i].key));
    expect_means(g, s->foreground_mean, doc_find(item, "foreground_mean"));
}

void golden_expect_scores(Golden *g, const Structures *s, const LabelledCases *cases, const DocNode *item)
{
    Pair pairs[MOST] = {{0}};
    Summary summary;
    Err e = {0};
    if (cases->count > MOST || summary_new(&summary, s, &(Pairs){.items = pairs, .count = cases->count}, &e)) {
        golden_fail(g, "%d cases: %s", cases->count, e.text);
        return;
    }
    int code = 0;
    for (int c = 0; c < cases->count && !code; c++) code = score_case(&summary.cases[c], s, cases, c, &e);
    if (!code) code = summary_means(&summary, 1, &e);
    if (code) golden_fail(g, "%s", e.text);
    else compare_summary(g, &summary, item);
    summary_free(&summary);
}
