#include "evaluation/overlap.h"

#include <math.h>

#include "base/memory.h"
#include "evaluation/joint_histogram.h"

/* The structures that contain a slot's label: list[start[slot]] up to before list[end[slot]], ascending. */
typedef struct Members {
    int *start, *end; /* (slots) */
    int *list;
} Members;

static void members_free(Members *m)
{
    mem_free(m->start);
    mem_free(m->end);
    mem_free(m->list);
}

static int members_new(Members *m, const JointHistogram *h, const Structures *s, Err *e)
{
    size_t all = 0;
    for (int i = 0; i < s->count; i++) all += (size_t)s->items[i].label_count;
    m->start = mem_zalloc((size_t)h->slots + 1, sizeof *m->start, e);
    m->end = mem_alloc((size_t)h->slots * sizeof *m->end, e);
    m->list = mem_alloc(all * sizeof *m->list, e);
    if (!m->start || !m->end || !m->list) return ERR_NOMEM;
    for (int i = 0; i < s->count; i++)
        for (int k = 0; k < s->items[i].label_count; k++) m->start[histogram_slot(h, s->items[i].labels[k]) + 1]++;
    for (int slot = 0; slot < h->slots; slot++) {
        m->start[slot + 1] += m->start[slot];
        m->end[slot] = m->start[slot];
    }
    for (int i = 0; i < s->count; i++)
        for (int k = 0; k < s->items[i].label_count; k++) {
            const int slot = histogram_slot(h, s->items[i].labels[k]), last = m->end[slot] - 1;
            if (last < m->start[slot] || m->list[last] != i) m->list[m->end[slot]++] = i; /* each label once */
        }
    return 0;
}

/* ---- sums ---- */

/* Adds a pair's voxels to the structures of its labels: tp if both labels are in the structure, else fn or fp. Both
 * lists are ascending, so one pass is enough. */
static void add_cell(Overlap *overlaps, const Members *m, const HistogramCell *cell)
{
    int r = m->start[cell->reference], p = m->start[cell->prediction];
    const int r_end = m->end[cell->reference], p_end = m->end[cell->prediction];
    while (r < r_end || p < p_end) {
        const int in_reference = r < r_end ? m->list[r] : INT32_MAX;
        const int in_prediction = p < p_end ? m->list[p] : INT32_MAX;
        if (in_reference == in_prediction) overlaps[in_reference].tp += cell->count;
        else if (in_reference < in_prediction) overlaps[in_reference].fn += cell->count;
        else overlaps[in_prediction].fp += cell->count;
        r += in_reference <= in_prediction;
        p += in_prediction <= in_reference;
    }
}

static void sum_up(Overlap *overlaps, UnknownLabels *unknown, const JointHistogram *h, const Members *m,
                   const Structures *s)
{
    const int ignored = s->has_ignore ? histogram_slot(h, s->ignore) : -1;
    int64_t voxels = 0, at = 0;
    HistogramCell cell;
    *unknown = (UnknownLabels){0};
    for (int i = 0; i < s->count; i++) overlaps[i] = (Overlap){0};
    while (histogram_next(h, &at, &cell)) {
        if (cell.reference == HISTOGRAM_OTHER) unknown->in_reference += cell.count;
        if (cell.prediction == HISTOGRAM_OTHER) unknown->in_prediction += cell.count;
        if ((int)cell.reference == ignored) continue;
        voxels += cell.count;
        add_cell(overlaps, m, &cell);
    }
    for (int i = 0; i < s->count; i++) overlaps[i].tn = voxels - overlaps[i].tp - overlaps[i].fn - overlaps[i].fp;
}

static Box box_of(const JointHistogram *h, const Structure *structure)
{
    Box box = {0};
    for (int i = 0; i < structure->label_count; i++) box_join(&box, &h->boxes[histogram_slot(h, structure->labels[i])]);
    return box;
}

int overlap_count(Overlap *overlaps, Box *boxes, UnknownLabels *unknown, const Structures *s, const int16_t *reference,
                  const int16_t *prediction, const int64_t shape_zyx[3], Err *e)
{
    JointHistogram h;
    Members members = {0};
    UnknownLabels others;
    int code = histogram_new(&h, e);
    if (code) goto done;
    histogram_name(&h, 0);
    if (s->has_ignore) histogram_name(&h, s->ignore);
    for (int i = 0; i < s->count; i++)
        for (int k = 0; k < s->items[i].label_count; k++) histogram_name(&h, s->items[i].labels[k]);
    code = members_new(&members, &h, s, e);
    if (!code) code = histogram_fill(&h, reference, prediction, shape_zyx, e);
    if (code) goto done;
    sum_up(overlaps, unknown ? unknown : &others, &h, &members, s);
    for (int i = 0; i < s->count && boxes; i++) boxes[i] = box_of(&h, &s->items[i]);
done:
    members_free(&members);
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
