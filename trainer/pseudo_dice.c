#include "trainer/pseudo_dice.h"

#include <math.h>

#include "base/memory.h"

int pseudo_dice_new(PseudoDice *d, int classes, PseudoDiceKind kind, Err *e)
{
    *d = (PseudoDice){classes, kind, mem_zalloc((size_t)classes, sizeof *d->counts, e),
                      mem_zalloc((size_t)classes, sizeof *d->left_out, e)};
    if (d->counts && d->left_out) return 0;
    pseudo_dice_free(d);
    return ERR_NOMEM;
}

void pseudo_dice_free(PseudoDice *d)
{
    mem_free(d->counts);
    mem_free(d->left_out);
    *d = (PseudoDice){0};
}

void pseudo_dice_clear(PseudoDice *d)
{
    for (int k = 0; k < d->classes; k++) d->counts[k] = (ClassCounts){0};
}

void pseudo_dice_add(PseudoDice *d, const float *counts, int64_t images)
{
    const int64_t classes = d->classes;
    for (int64_t n = 0; n < images; n++, counts += 3 * classes)
        for (int64_t k = 0; k < classes; k++) {
            d->counts[k].tp += (int64_t)counts[k];
            d->counts[k].fp += (int64_t)counts[classes + k];
            d->counts[k].fn += (int64_t)counts[2 * classes + k];
        }
}

void pseudo_dice_leave_out(PseudoDice *d, int class_index) { d->left_out[class_index] = true; }

int pseudo_dice_first(const PseudoDice *d) { return d->kind == PSEUDO_DICE_LABELS; }

int pseudo_dice_number(const PseudoDice *d, int class_index) { return class_index - pseudo_dice_first(d) + 1; }

double pseudo_dice_of(const PseudoDice *d, int class_index)
{
    const ClassCounts *c = &d->counts[class_index];
    const int64_t all = 2 * c->tp + c->fp + c->fn;
    return all && !d->left_out[class_index] ? 2 * (double)c->tp / (double)all : NAN;
}

static double accuracy(const PseudoDice *d)
{
    int64_t right = 0, all = 0;
    for (int k = 0; k < d->classes; k++) {
        right += d->counts[k].tp;
        all += d->counts[k].tp + d->counts[k].fn;
    }
    return all ? (double)right / (double)all : NAN;
}

double pseudo_dice_mean(const PseudoDice *d)
{
    double sum = 0;
    int count = 0;
    if (d->kind == PSEUDO_DICE_IMAGES) return accuracy(d);
    for (int k = pseudo_dice_first(d); k < d->classes; k++) {
        const double dice = pseudo_dice_of(d, k);
        if (isnan(dice)) continue;
        sum += dice;
        count++;
    }
    return count ? sum / count : NAN;
}

static void add_dice(Text *text, double dice, int digits)
{
    if (isnan(dice)) text_add(text, " –");
    else text_add(text, " %.*f", digits, dice);
}

static void add_classes(const PseudoDice *d, int digits, Text *text)
{
    for (int k = pseudo_dice_first(d); k < d->classes; k++) add_dice(text, pseudo_dice_of(d, k), digits);
}

void pseudo_dice_text(const PseudoDice *d, double ema, Text *text)
{
    if (!d->classes) return;
    text_add(text, d->kind == PSEUDO_DICE_IMAGES ? ", accuracy" : ", pseudo Dice");
    if (d->kind != PSEUDO_DICE_IMAGES) {
        add_classes(d, 4, text);
        text_add(text, ", mean");
    }
    add_dice(text, pseudo_dice_mean(d), 4);
    text_add(text, ", EMA");
    add_dice(text, ema, 4);
}

/* The class after (dice, class) in ascending order of Dice, equal ones by their number; -1: none. */
static int next_worst(const PseudoDice *d, double dice, int class_index)
{
    int next = -1;
    for (int k = pseudo_dice_first(d); k < d->classes; k++) {
        const double own = pseudo_dice_of(d, k);
        if (isnan(own) || own < dice || (own == dice && k <= class_index)) continue;
        if (next < 0 || own < pseudo_dice_of(d, next)) next = k;
    }
    return next;
}

static void add_worst(const PseudoDice *d, Text *text)
{
    enum { WORST = 5 };
    double dice = -1;
    text_add(text, " of %d classes: mean", d->classes - pseudo_dice_first(d));
    add_dice(text, pseudo_dice_mean(d), 3);
    for (int i = 0, k = -1; i < WORST && (k = next_worst(d, dice, k)) >= 0; i++) {
        dice = pseudo_dice_of(d, k);
        text_add(text, "%s %d:", i ? "," : ", worst", pseudo_dice_number(d, k));
        add_dice(text, dice, 3);
    }
}

void pseudo_dice_summary(const PseudoDice *d, double ema, Text *text)
{
    if (!d->classes) return;
    text_add(text, d->kind == PSEUDO_DICE_IMAGES ? ", accuracy" : ", pseudo Dice");
    if (d->kind == PSEUDO_DICE_IMAGES) add_dice(text, accuracy(d), 3);
    else if (d->classes - pseudo_dice_first(d) <= PSEUDO_DICE_SHOWN) add_classes(d, 3, text);
    else add_worst(d, text);
    text_add(text, ", EMA");
    add_dice(text, ema, 3);
}
