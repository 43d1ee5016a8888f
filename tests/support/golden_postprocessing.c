/* postprocessing: the components that are kept, and the steps that nnU-Net chooses. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "inference/choice.h"
#include "inference/postprocess.h"
#include "tests/support/golden_nnunet.h"
#include "tests/support/golden_scores.h"

enum { MOST_LABELS = 64 };

/* A label, or a list of them. */
static int read_labels(int *labels, const DocNode *node)
{
    const bool is_list = node && node->kind == DOC_SEQUENCE;
    int count = 0;
    for (const DocNode *n = is_list ? node->first : node; n && count < MOST_LABELS; n = is_list ? n->next : NULL) {
        int64_t value = 0;
        doc_get_int(n, 0, INT16_MAX, &value, NULL);
        labels[count++] = (int)value;
    }
    return count;
}

static void expect_same(Golden *g, const char *what, const Array *found, const Array *wanted)
{
    double differ = array_count(found) != array_count(wanted);
    for (int64_t i = 0; i < array_count(found) && !differ; i++)
        differ += golden_value(found, i) != golden_value(wanted, i);
    golden_expect(g, what, differ, 0);
}

static void run_removal(Golden *g, const DocNode *item)
{
    int labels[MOST_LABELS];
    Postprocessing p = {0};
    Array image, wanted = {0};
    Err e = {0};
    const int count = read_labels(labels, doc_find(item, "labels_or_regions"));
    if (golden_labels(&image, g, &e, "postprocessing/%s.npy", golden_string(item, "input")) ||
        golden_labels(&wanted, g, &e, "postprocessing/%s.npy", golden_string(item, "output")) ||
        postprocessing_add(&p, labels, count, &e) || postprocessing_apply(&p, &image, &e))
        golden_fail(g, "%s", e.text);
    else expect_same(g, "voxels that differ", &image, &wanted);
    postprocessing_free(&p);
    array_free(&image);
    array_free(&wanted);
}

/* ---- decisions ---- */

/* The cases of a scenario: KIND_ref_0.npy, KIND_pred_0.npy (or KIND_post_0.npy) … */
typedef struct Scenario {
    const Golden *g;
    const char *kind, *which;
} Scenario;

static int load(void *context, int index, Array *reference, Array *prediction, Err *e)
{
    const Scenario *s = context;
    *prediction = (Array){0};
    TRY(golden_labels(reference, s->g, e, "postprocessing/%s_ref_%d.npy", s->kind, index));
    const int code = golden_labels(prediction, s->g, e, "postprocessing/%s_%s_%d.npy", s->kind, s->which, index);
    if (code) array_free(reference);
    return code;
}

static int count_cases(const Scenario *s)
{
    Array reference, prediction;
    int count = 0;
    while (!load((void *)s, count, &reference, &prediction, NULL)) {
        array_free(&reference);
        array_free(&prediction);
        count++;
    }
    return count;
}

static void compare_steps(Golden *g, const Postprocessing *p, const DocNode *steps)
{
    const DocNode *n = steps ? steps->first : NULL;
    golden_expect(g, "steps", steps ? abs(steps->count - p->count) : 1, 0);
    for (int i = 0; i < p->count && n; i++, n = n->next) {
        int labels[MOST_LABELS];
        const int count = read_labels(labels, doc_find(n, "labels_or_regions"));
        const bool same =
            count == p->steps[i].label_count && !memcmp(labels, p->steps[i].labels, (size_t)count * sizeof *labels);
        golden_expect(g, "labels of a step", !same, 0);
    }
}

static void expect_result(Golden *g, const Scenario *before, const Scenario *after, const Postprocessing *p, int index)
{
    Array reference, found, wanted = {0};
    Err e = {0};
    if (load((void *)before, index, &reference, &found, &e)) {
        golden_fail(g, "%s", e.text);
        return;
    }
    array_free(&reference);
    if (load((void *)after, index, &reference, &wanted, &e) || postprocessing_apply(p, &found, &e))
        golden_fail(g, "%s", e.text);
    else expect_same(g, "voxels that differ", &found, &wanted);
    array_free(&reference);
    array_free(&found);
    array_free(&wanted);
}

static void compare_decision(Golden *g, const DocNode *item, const Structures *s, const Scenario *before)
{
    Scenario after = {g, before->kind, "post"};
    const int count = count_cases(before);
    const LabelledCases cases = {count, load, (void *)before}, results = {count, load, &after};
    Postprocessing p = {0};
    DiceScore score;
    Err e = {0};
    if (postprocessing_choose(&p, &score, s, &cases, &e)) {
        golden_fail(g, "%s", e.text);
        return;
    }
    compare_steps(g, &p, doc_find(item, "kwargs"));
    golden_expect_scores(g, s, &cases, doc_find(item, "before"));
    golden_expect_scores(g, s, &results, doc_find(item, "after"));
    const double wanted = golden_number(doc_find(doc_find(item, "after"), "foreground_mean"), "Dice", -1);
    golden_expect(g, "Dice afterwards", fabs(score.foreground_mean - wanted), 0);
    for (int i = 0; i < count; i++) expect_result(g, before, &after, &p, i);
    postprocessing_free(&p);
    dice_score_free(&score);
}

static void run_decision(Golden *g, const DocNode *item)
{
    const Scenario before = {g, golden_string(item, "kind"), "pred"};
    Structures s;
    Err e = {0};
    if (golden_structures_of_keys(&s, doc_find(doc_find(item, "before"), "mean"), &e)) golden_fail(g, "%s", e.text);
    else compare_decision(g, item, &s, &before);
    structures_free(&s);
}

/* ---- the part ---- */

static const struct {
    const char *key;
    void (*run)(Golden *g, const DocNode *item);
} kinds[] = {{"remove_all_but_largest", run_removal}, {"determine", run_decision}};

static void run_kind(Golden *g, const DocNode *kind)
{
    size_t k = 0;
    int index = 0;
    while (k < sizeof kinds / sizeof *kinds && strcmp(kinds[k].key, kind->key)) k++;
    for (const DocNode *n = kind->first; n; n = n->next, index++) {
        if (!golden_begin(g, "postprocessing/%s/%d", kind->key, index)) continue;
        if (k < sizeof kinds / sizeof *kinds) kinds[k].run(g, n);
        else golden_fail(g, "unknown kind of entry");
        golden_end(g);
    }
}

void golden_postprocessing(Golden *g)
{
    FileList list;
    golden_files(g, "postprocessing", &list);
    for (int i = 0; i < list.count; i++) {
        Doc doc;
        if (!path_ends_with(list.names[i], ".json")) continue;
        const DocNode *root = golden_document(g, &doc, "postprocessing", list.names[i]);
        for (const DocNode *kind = root ? root->first : NULL; kind; kind = kind->next) run_kind(g, kind);
        doc_free(&doc);
    }
    file_list_free(&list);
}
