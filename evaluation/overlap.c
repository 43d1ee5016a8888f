#include "evaluation/overlap.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"

/* The labels that matter, numbered: slot 0 is every other label. */
enum { OTHER = 0, LABELS = 65536 };

typedef struct Histogram {
    int16_t *slot_of;   /* (LABELS), by label - INT16_MIN */
    int16_t *label_of;  /* (slots); [OTHER] is not used */
    int64_t *counts;    /* (slots of reference, slots of prediction) */
    int slots;
} Histogram;

static void histogram_free(Histogram *h)
{
    mem_free(h->slot_of);
    mem_free(h->label_of);
    mem_free(h->counts);
}

static void name_label(Histogram *h, int16_t label)
{
    int16_t *slot = &h->slot_of[label - INT16_MIN];
    if (*slot != OTHER) return;
    h->label_of[h->slots] = label;
    *slot = (int16_t)h->slots++;
}

static int histogram_new(Histogram *h, const Structures *s, Err *e)
{
    size_t most = 3; /* other, background, ignore */
    for (int i = 0; i < s->count; i++) most += (size_t)s->items[i].label_count;
    *h = (Histogram){.slots = 1};
    h->slot_of = mem_zalloc(LABELS, sizeof *h->slot_of, e);
    h->label_of = mem_zalloc(most, sizeof *h->label_of, e);
    if (!h->slot_of || !h->label_of) return ERR_NOMEM;
    name_label(h, 0);
    if (s->has_ignore) name_label(h, s->ignore);
    for (int i = 0; i < s->count; i++)
        for (int j = 0; j < s->items[i].label_count; j++) name_label(h, s->items[i].labels[j]);
    h->counts = mem_zalloc((size_t)h->slots * (size_t)h->slots, sizeof *h->counts, e);
    return h->counts ? 0 : ERR_NOMEM;
}

/* Length of the run of equal pairs at the start; neighbours mostly agree, so four are looked at at once. */
static int64_t run_length(const int16_t *reference, const int16_t *prediction, int64_t left)
{
    const uint64_t four = 0x0001000100010001u;
    const uint64_t r = four * (uint16_t)reference[0], p = four * (uint16_t)prediction[0];
    int64_t run = 1;
    for (; run + 4 <= left; run += 4) {
        uint64_t next_r, next_p;
        memcpy(&next_r, reference + run, sizeof next_r);
        memcpy(&next_p, prediction + run, sizeof next_p);
        if ((next_r ^ r) | (next_p ^ p)) break;
    }
    while (run < left && reference[run] == reference[0] && prediction[run] == prediction[0]) run++;
    return run;
}

static void histogram_fill(Histogram *h, const int16_t *reference, const int16_t *prediction, int64_t voxels)
{
    for (int64_t i = 0; i < voxels;) {
        const int64_t run = run_length(reference + i, prediction + i, voxels - i);
        const int r = h->slot_of[reference[i] - INT16_MIN], p = h->slot_of[prediction[i] - INT16_MIN];
        h->counts[r * h->slots + p] += run;
        i += run;
    }
}

static Overlap overlap_of(const Histogram *h, const Structure *structure, const Structures *s)
{
    Overlap o = {0};
    for (int r = 0; r < h->slots; r++) {
        if (s->has_ignore && r != OTHER && h->label_of[r] == s->ignore) continue;
        const bool in_reference = r != OTHER && structure_has(structure, h->label_of[r]);
        for (int p = 0; p < h->slots; p++) {
            const bool in_prediction = p != OTHER && structure_has(structure, h->label_of[p]);
            int64_t *count = in_reference ? in_prediction ? &o.tp : &o.fn : in_prediction ? &o.fp : &o.tn;
            *count += h->counts[r * h->slots + p];
        }
    }
    return o;
}

int overlap_count(Overlap *overlaps, UnknownLabels *unknown, const Structures *s, const int16_t *reference,
                  const int16_t *prediction, int64_t voxels, Err *e)
{
    Histogram h;
    const int code = histogram_new(&h, s, e);
    if (code) goto done;
    histogram_fill(&h, reference, prediction, voxels);
    for (int i = 0; i < s->count; i++) overlaps[i] = overlap_of(&h, &s->items[i], s);
    if (unknown) {
        *unknown = (UnknownLabels){0};
        for (int i = 0; i < h.slots; i++) {
            unknown->in_reference += h.counts[OTHER * h.slots + i];
            unknown->in_prediction += h.counts[i * h.slots + OTHER];
        }
    }
done:
    histogram_free(&h);
    return code;
}

static double share(int64_t part, int64_t whole) { return whole ? (double)part / (double)whole : NAN; }

double overlap_dice(const Overlap *o) { return share(2 * o->tp, 2 * o->tp + o->fp + o->fn); }

double overlap_iou(const Overlap *o) { return share(o->tp, o->tp + o->fp + o->fn); }
