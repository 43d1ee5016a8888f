#include "inference/choice.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "evaluation/overlap.h"
#include "evaluation/statistics.h"

/* ---- scores ---- */

/* dice (structures, cases): column `index` is written. */
static int score_case(double *dice, int index, const Structures *s, const LabelledCases *cases, const Postprocessing *p,
                      Err *e)
{
    Array reference, prediction;
    Overlap *overlaps = mem_alloc((size_t)s->count * sizeof *overlaps, e);
    if (!overlaps) return ERR_NOMEM;
    int code = cases->load(cases->context, index, &reference, &prediction, e);
    if (!code) {
        code = postprocessing_apply(p, &prediction, e);
        if (!code) code = overlap_count(overlaps, NULL, NULL, s, reference.data, prediction.data, reference.shape, e);
        array_free(&reference);
        array_free(&prediction);
    }
    for (int i = 0; i < s->count && !code; i++) dice[i * cases->count + index] = overlap_dice(&overlaps[i]);
    mem_free(overlaps);
    return code;
}

static int means(DiceScore *score, const double *dice, int structures, int cases, Err *e)
{
    score->mean = mem_alloc((size_t)structures * sizeof *score->mean, e);
    if (!score->mean) return ERR_NOMEM;
    score->count = structures;
    for (int i = 0; i < structures; i++) score->mean[i] = mean_without_nan(dice + (int64_t)i * cases, cases);
    score->foreground_mean = mean_without_nan(score->mean, structures);
    return 0;
}

int dice_score(DiceScore *score, const Structures *s, const LabelledCases *cases, const Postprocessing *p, Err *e)
{
    *score = (DiceScore){0};
    double *dice = mem_alloc(mem_product((size_t)s->count * sizeof *dice, (size_t)cases->count), e);
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
    if (!failed) failed = means(score, dice, s->count, cases->count, e);
    mem_free(dice);
    return failed;
}

void dice_score_free(DiceScore *score)
{
    mem_free(score->mean);
    *score = (DiceScore){0};
}

bool dice_score_common(const DiceScore *const *scores, int count, int structure)
{
    for (int i = 0; i < count; i++)
        if (isnan(scores[i]->mean[structure])) return false;
    return true;
}

double dice_score_mean(const DiceScore *of, const DiceScore *const *scores, int count)
{
    double sum = 0;
    int counted = 0;
    for (int i = 0; i < of->count; i++) {
        if (!dice_score_common(scores, count, i)) continue;
        sum += of->mean[i];
        counted++;
    }
    if (counted == of->count) return of->foreground_mean; /* summed in nnU-Net's order */
    return counted ? sum / counted : NAN;
}

/* ---- post-processing ---- */

/* Collects the labels of all structures, each once. Returns their number; labels must have room for all. */
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

/* Whether the foreground mean increases and that of no structure decreases; a structure that no case has any more is left
 * out. */
static bool helps_all(const DiceScore *with, const DiceScore *without)
{
    const DiceScore *const both[] = {with, without};
    for (int i = 0; i < with->count; i++)
        if (with->mean[i] < without->mean[i]) return false;
    return dice_score_mean(with, both, 2) > dice_score_mean(without, both, 2);
}

/* Adds a step, and removes it again if it does not help. structure -1: all labels together. */
static int try_step(Postprocessing *p, DiceScore *score, const Structures *s, int structure, const int *labels,
                    int label_count, const LabelledCases *cases, Err *e)
{
    DiceScore with;
    TRY(postprocessing_add(p, labels, label_count, e));
    TRY(dice_score(&with, s, cases, p, e));
    const bool helps = structure >= 0 ? with.mean[structure] > score->mean[structure] : helps_all(&with, score);
    if (!helps) postprocessing_drop(p);
    dice_score_free(helps ? score : &with);
    if (helps) *score = with;
    return 0;
}

static int try_all(Postprocessing *p, DiceScore *score, int *labels, const Structures *s, const LabelledCases *cases,
                   Err *e)
{
    TRY(dice_score(score, s, cases, p, e));
    TRY(try_step(p, score, s, -1, labels, all_labels(labels, s), cases, e));
    for (int i = 0; i < s->count && s->count > 1; i++) {
        for (int k = 0; k < s->items[i].label_count; k++) labels[k] = s->items[i].labels[k];
        TRY(try_step(p, score, s, i, labels, s->items[i].label_count, cases, e));
    }
    return 0;
}

int postprocessing_choose(Postprocessing *p, DiceScore *score, const Structures *s, const LabelledCases *cases, Err *e)
{
    *p = (Postprocessing){0};
    *score = (DiceScore){0};
    size_t most = 0;
    for (int i = 0; i < s->count; i++) most += (size_t)s->items[i].label_count;
    int *labels = mem_alloc(most * sizeof *labels, e);
    if (!labels) return ERR_NOMEM;
    const int code = try_all(p, score, labels, s, cases, e);
    mem_free(labels);
    if (code) {
        postprocessing_free(p);
        dice_score_free(score);
    }
    return code;
}
