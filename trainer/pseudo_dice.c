#include "trainer/pseudo_dice.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "base/memory.h"
#include "network/ops/ops.h"

int pseudo_dice_new(PseudoDice *d, int classes, const uint64_t *regions, Err *e)
{
    *d = (PseudoDice){classes, regions, mem_zalloc((size_t)classes, sizeof *d->counts, e)};
    return d->counts ? 0 : ERR_NOMEM;
}

void pseudo_dice_free(PseudoDice *d)
{
    mem_free(d->counts);
    *d = (PseudoDice){0};
}

void pseudo_dice_clear(PseudoDice *d) { memset(d->counts, 0, (size_t)d->classes * sizeof *d->counts); }

static void add_regions(PseudoDice *d, const float *pixel, int label)
{
    const uint64_t truth = label < LOSS_LABELS ? d->regions[label] : 0;
    for (int k = 0; k < d->classes; k++) {
        const bool predicted = pixel[k] > 0, there = truth >> k & 1;
        d->counts[k].tp += predicted && there;
        d->counts[k].fp += predicted && !there;
        d->counts[k].fn += !predicted && there;
    }
}

static void add_class(PseudoDice *d, const float *pixel, int label)
{
    int predicted = 0;
    if (label >= d->classes) return;
    for (int k = 1; k < d->classes; k++)
        if (pixel[k] > pixel[predicted]) predicted = k;
    if (predicted == label) {
        d->counts[label].tp++;
    } else {
        d->counts[predicted].fp++;
        d->counts[label].fn++;
    }
}

void pseudo_dice_add(PseudoDice *d, const float *logits, const int16_t *labels, int64_t pixels,
                     int ignore_label)
{
    for (int64_t i = 0; i < pixels; i++) {
        const int label = labels[i] > 0 ? labels[i] : 0;
        if (label != ignore_label) (d->regions ? add_regions : add_class)(d, logits + i * d->classes, label);
    }
}

int pseudo_dice_first(const PseudoDice *d) { return d->regions ? 0 : 1; }

double pseudo_dice_of(const PseudoDice *d, int class_index)
{
    const ClassCounts *c = &d->counts[class_index];
    return 2 * (double)c->tp / (double)(2 * c->tp + c->fp + c->fn); /* 0 / 0 is NaN */
}

double pseudo_dice_mean(const PseudoDice *d)
{
    double sum = 0;
    int count = 0;
    for (int k = pseudo_dice_first(d); k < d->classes; k++) {
        const double dice = pseudo_dice_of(d, k);
        if (isnan(dice)) continue;
        sum += dice;
        count++;
    }
    return count ? sum / count : NAN;
}
