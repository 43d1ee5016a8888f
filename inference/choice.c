#include "inference/choice.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "evaluation/overlap.h"
#include "evaluation/statistics.h"

/* ---- scores ---- */

/* dice (structures, cases): column `index` is written. */
static int score_case(double *dice, int index, const Structures *s, const LabelledCases *cases,
                      const Postprocessing *p, Err *e)
{
    Array reference, prediction;
    Overlap *overlaps = mem_alloc((size_t)s->count * sizeof *overlaps, e);
    if (!overlaps) return ERR_NOMEM;
    int code = cases->load(cases->context, index, &reference, &prediction, e);
    if (!code) {
        code = postprocessing_apply(p, &prediction, e);
        if (!code)
            code = overlap_count(overlaps, NULL, NULL, s, reference.data, prediction.data, reference.shape,
                                 e);
        array_free(&reference);
        array_free(&prediction);
    }
    for (int i = 0; i < s->count && !code; i++) dice[i * cases->count + index] = overlap_dice(&overlaps[i]);
    mem_free(overlaps);
    return code;
}

static void means(DiceScore *score, const double *dice, int structures, int cases)
{
    bool all = true;
    for (int i = 0; i < structures; i++) {
        score->mean[i] = mean_without_nan(dice + (int64_t)i * cases, cases);
        all = all && !isnan(score->mean[i]);
    }
    score->foreground_mean = all ? mean_without_nan(score->mean, structures) : NAN;
}

int dice_score(DiceScore *score, const Structures *s, const LabelledCases *cases, const Postprocessing *p,
               Err *e)
{
    if (s->count > CHOICE_STRUCTURES)
        return err_set(e, ERR_VALUE, "%d labels, at most %d are possible", s->count, CHOICE_STRUCTURES);
    double *dice = mem_alloc((size_t)s->count * (size_t)cases->count * sizeof *dice, e);
    if (!dice) return ERR_NOMEM;
    int failed = 0;
#pragma omp parallel for schedule(dynamic)
    for (int i = 0; i < cases->count; i++) {
        Err own = {0};
        if (!score_case(dice, i, s, cases, p, &own)) continue;
#pragma omp critical(dice_score_failed)
        {
            if (!failed && e) *e = own;
            failed = own.code;
        }
    }
    if (!failed) means(score, dice, s->count, cases->count);
    mem_free(dice);
    return failed;
}

/* ---- post-processing ---- */

/* The labels of all structures, each once. Returns their number; labels has room for them all. */
static int all_labels(int *labels, const Structures *s)
{
    int count = 0;
    for (int i = 0; i < s->count; i++)
        for (int k = 0; k < s->items[i].label_count; k++) {
            const int label = s->items[i].labels[k];
            int known = 0;
            while (known < count && labels[known] != label) known++;
            if (known == count) labels[count++] = label;
        }
    return count;
}

static bool none_lost(const DiceScore *with, const DiceScore *without, int structures)
{
    for (int i = 0; i < structures; i++)
        if (with->mean[i] < without->mean[i]) return false;
    return true;
}

/* One more step, kept only if it helps; structure -1: all labels together. */
static int try_step(Postprocessing *p, DiceScore *score, const Structures *s, int structure,
                    const int *labels, int label_count, const LabelledCases *cases, Err *e)
{
    DiceScore with;
    TRY(postprocessing_add(p, labels, label_count, e));
    TRY(dice_score(&with, s, cases, p, e));
    const bool helps = structure >= 0 ? with.mean[structure] > score->mean[structure]
                                      : with.foreground_mean > score->foreground_mean &&
                                            none_lost(&with, score, s->count);
    if (helps) *score = with;
    else postprocessing_drop(p);
    return 0;
}

static int try_all(Postprocessing *p, DiceScore *score, int *labels, const Structures *s,
                   const LabelledCases *cases, Err *e)
{
    TRY(dice_score(score, s, cases, p, e));
    TRY(try_step(p, score, s, -1, labels, all_labels(labels, s), cases, e));
    for (int i = 0; i < s->count && s->count > 1; i++) {
        for (int k = 0; k < s->items[i].label_count; k++) labels[k] = s->items[i].labels[k];
        TRY(try_step(p, score, s, i, labels, s->items[i].label_count, cases, e));
    }
    return 0;
}

int postprocessing_choose(Postprocessing *p, DiceScore *score, const Structures *s,
                          const LabelledCases *cases, Err *e)
{
    *p = (Postprocessing){0};
    size_t most = 0;
    for (int i = 0; i < s->count; i++) most += (size_t)s->items[i].label_count;
    int *labels = mem_alloc(most * sizeof *labels, e);
    if (!labels) return ERR_NOMEM;
    const int code = try_all(p, score, labels, s, cases, e);
    mem_free(labels);
    if (code) postprocessing_free(p);
    return code;
}
