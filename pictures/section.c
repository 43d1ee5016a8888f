#include "pictures/section.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

/* ---- axes ---- */

/* The world's axis of an array's axis: 0 left and right, 1 front and back, 2 up and down. */
static int world_axis(const char *code, int axis)
{
    static const char letters[] = "LRPAIS";
    return (int)(strchr(letters, code[2 - axis]) - letters) / 2;
}

/* Whether the axis leads to the right, to the front or up: pictures show these the other way. */
static bool is_against(const char *code, int axis) { return strchr("RAS", code[2 - axis]); }

static int axis_across(const Geometry *g)
{
    const double *mm = g->spacing_zyx_mm;
    int axis = 0;
    if (grid_axis_across(g) >= 0) return grid_axis_across(g);
    for (int i = 1; i < 3 && g->dimensions == 3; i++)
        if (mm[i] > mm[axis] * 1.001) axis = i;
    return axis;
}

Section section_of(const Geometry *g)
{
    Section s = {.axis = axis_across(g)};
    char code[GRID_CODE_BYTES];
    s.rows = s.axis == 0 ? 1 : 0;
    s.columns = s.axis == 2 ? 1 : 2;
    grid_axes_code(g, code);
    if (g->dimensions == 3 && strcmp(code, "none")) {
        if (world_axis(code, s.rows) < world_axis(code, s.columns)) {
            const int first = s.rows;
            s.rows = s.columns;
            s.columns = first;
        }
        s.flip_rows = is_against(code, s.rows);
        s.flip_columns = is_against(code, s.columns);
        s.up = "RAS"[world_axis(code, s.rows)];
        s.left = "RAS"[world_axis(code, s.columns)];
    }
    memcpy(s.shape_zyx, g->shape_zyx, sizeof s.shape_zyx);
    s.slices = g->shape_zyx[s.axis];
    s.height = g->shape_zyx[s.rows];
    s.width = g->shape_zyx[s.columns];
    s.row_mm = g->spacing_zyx_mm[s.rows];
    s.column_mm = g->spacing_zyx_mm[s.columns];
    return s;
}

/* ---- choice of slices ---- */

/* Voxels of each label in each slice; labels that occur are numbered from 0. */
typedef struct Shares {
    int32_t *number; /* (SECTION_LARGEST_LABEL + 1): a label's number, or -1 */
    int labels;
    int64_t *voxels; /* (slices, labels) */
    int64_t *totals; /* (labels) */
    bool *shown;     /* (labels): in a chosen slice */
} Shares;

static void free_shares(Shares *h)
{
    mem_free(h->number);
    mem_free(h->voxels);
    mem_free(h->totals);
    mem_free(h->shown);
}

static int number_labels(Shares *h, const Section *s, const Array *labels, Err *e)
{
    h->number = mem_alloc((SECTION_LARGEST_LABEL + 1) * sizeof *h->number, e);
    if (!h->number) return ERR_NOMEM;
    for (int i = 0; i <= SECTION_LARGEST_LABEL; i++) h->number[i] = -1;
    for (int64_t i = 0; i < s->slices * s->height * s->width; i++) {
        const int label = section_label(labels, i);
        if (label > 0 && h->number[label] < 0) h->number[label] = h->labels++;
    }
    h->voxels = mem_zalloc((size_t)s->slices * (size_t)h->labels, sizeof *h->voxels, e);
    h->totals = mem_zalloc((size_t)h->labels, sizeof *h->totals, e);
    h->shown = mem_zalloc((size_t)h->labels, sizeof *h->shown, e);
    return h->voxels && h->totals && h->shown ? 0 : ERR_NOMEM;
}

static void count_voxels(Shares *h, const Section *s, const Array *labels)
{
    for (int64_t k = 0; k < s->slices; k++)
        for (int64_t i = 0; i < s->height; i++)
            for (int64_t j = 0; j < s->width; j++) {
                const int label = section_label(labels, section_voxel(s, k, i, j));
                if (label <= 0) continue;
                h->voxels[k * h->labels + h->number[label]]++;
                h->totals[h->number[label]]++;
            }
}

/* The sum of a slice's shares: of the labels that are not shown yet, or of all. */
static double share_sum(const Shares *h, int64_t slice, bool all)
{
    double sum = 0;
    for (int i = 0; i < h->labels; i++)
        if (all || !h->shown[i]) sum += (double)h->voxels[slice * h->labels + i] / (double)h->totals[i];
    return sum;
}

static bool is_close(const int64_t *slices, int count, int64_t slice, int64_t apart)
{
    for (int i = 0; i < count; i++)
        if (llabs(slices[i] - slice) < apart) return true;
    return false;
}

/* The slice with the largest sum, or -1 if all are 0. If it adds no label, it is not close to a chosen one. */
static int64_t find_best(const Shares *h, const Section *s, const int64_t *slices, int count, bool all)
{
    const int64_t apart = all ? s->slices / 12 + 1 : 1;
    double most = 0;
    int64_t best = -1;
    for (int64_t k = 0; k < s->slices; k++) {
        const double sum = share_sum(h, k, all);
        if (sum <= most || is_close(slices, count, k, apart)) continue;
        most = sum;
        best = k;
    }
    return best;
}

static void note_shown(Shares *h, int64_t slice)
{
    for (int i = 0; i < h->labels; i++) h->shown[i] |= h->voxels[slice * h->labels + i] > 0;
}

static int choose(int64_t *slices, int most, Shares *h, const Section *s)
{
    int count = 0;
    for (int all = 0; all < 2; all++) {
        int64_t best;
        while (count < most && (best = find_best(h, s, slices, count, all)) >= 0) {
            slices[count++] = best;
            note_shown(h, best);
        }
    }
    if (!count) slices[count++] = s->slices / 2;
    return count;
}

static int by_number(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

int section_choose(int64_t *slices, int most, const Section *s, const Array *labels, Err *e)
{
    Shares h = {0};
    int code = labels->data ? number_labels(&h, s, labels, e) : 0;
    if (!code && h.labels) count_voxels(&h, s, labels);
    const int count = code ? code : choose(slices, most, &h, s);
    if (count > 0) qsort(slices, (size_t)count, sizeof *slices, by_number);
    free_shares(&h);
    return count;
}
