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
    Box *boxes;         /* (slots): of the label in either */
    int slots;
} Histogram;

static void histogram_free(Histogram *h)
{
    mem_free(h->slot_of);
    mem_free(h->label_of);
    mem_free(h->counts);
    mem_free(h->boxes);
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
    h->boxes = mem_zalloc((size_t)h->slots, sizeof *h->boxes, e);
    return h->counts && h->boxes ? 0 : ERR_NOMEM;
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

static bool box_is_empty(const Box *b) { return b->past[0] == 0; }

static void box_add(Box *box, const Box *more)
{
    if (box_is_empty(more)) return;
    if (box_is_empty(box)) *box = *more;
    for (int d = 0; d < 3; d++) {
        if (more->first[d] < box->first[d]) box->first[d] = more->first[d];
        if (more->past[d] > box->past[d]) box->past[d] = more->past[d];
    }
}

static void histogram_fill(Histogram *h, const int16_t *reference, const int16_t *prediction,
                           const int64_t shape_zyx[3])
{
    const int64_t ny = shape_zyx[1], nx = shape_zyx[2];
    for (int64_t row = 0; row < shape_zyx[0] * ny; row++, reference += nx, prediction += nx) {
        const int64_t z = row / ny, y = row % ny;
        for (int64_t x = 0; x < nx;) {
            const int64_t run = run_length(reference + x, prediction + x, nx - x);
            const int r = h->slot_of[reference[x] - INT16_MIN], p = h->slot_of[prediction[x] - INT16_MIN];
            const Box box = {{z, y, x}, {z + 1, y + 1, x + run}};
            h->counts[r * h->slots + p] += run;
            box_add(&h->boxes[r], &box);
            box_add(&h->boxes[p], &box);
            x += run;
        }
    }
}

static Box box_of(const Histogram *h, const Structure *structure)
{
    Box box = {0};
    for (int i = 1; i < h->slots; i++)
        if (structure_has(structure, h->label_of[i])) box_add(&box, &h->boxes[i]);
    return box;
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

int overlap_count(Overlap *overlaps, Box *boxes, UnknownLabels *unknown, const Structures *s,
                  const int16_t *reference, const int16_t *prediction, const int64_t shape_zyx[3], Err *e)
{
    Histogram h;
    const int code = histogram_new(&h, s, e);
    if (code) goto done;
    histogram_fill(&h, reference, prediction, shape_zyx);
    for (int i = 0; i < s->count; i++) {
        overlaps[i] = overlap_of(&h, &s->items[i], s);
        if (boxes) boxes[i] = box_of(&h, &s->items[i]);
    }
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

void overlap_metrics(MetricRow row, const Overlap *o)
{
    row[METRIC_DICE] = overlap_dice(o);
    row[METRIC_IOU] = overlap_iou(o);
    row[METRIC_TP] = (double)o->tp;
    row[METRIC_FP] = (double)o->fp;
    row[METRIC_FN] = (double)o->fn;
    row[METRIC_TN] = (double)o->tn;
    row[METRIC_N_PRED] = (double)(o->tp + o->fp);
    row[METRIC_N_REF] = (double)(o->tp + o->fn);
}
