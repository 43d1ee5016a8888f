#include "pictures/slice_picture.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "pictures/label_colors.h"

enum { MOST_SAMPLES = 1 << 16 };

CasePictures case_pictures(const Geometry *g, const Array *image, const Array *labels)
{
    const bool colored = image->data && g->dimensions == 2 && (image->shape[0] == 3 || image->shape[0] == 4);
    return (CasePictures){section_of(g), image, labels, colored ? 3 : 1, {0, 0, 0}, {255, 255, 255}};
}

SlicePart slice_whole(const Section *s, int64_t slice) { return (SlicePart){slice, 0, 0, s->height, s->width}; }

static float value_at(const CasePictures *p, int channel, int64_t slice, int64_t row, int64_t column)
{
    const int64_t voxels = p->section.slices * p->section.height * p->section.width;
    return ((const float *)p->image->data)[channel * voxels + section_voxel(&p->section, slice, row, column)];
}

/* ---- the window ---- */

static int by_value(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* Finite values of a channel, evenly chosen; adds at most `most` of them and returns their number. */
static int take_samples(float *samples, int most, const CasePictures *p, int channel, const SlicePart *part)
{
    const int64_t step = part->height * part->width / most + 1;
    int n = 0;
    for (int64_t i = 0; i < part->height * part->width; i += step) {
        const int64_t row = part->row + i / part->width, column = part->column + i % part->width;
        const float value = value_at(p, channel, part->slice, row, column);
        if (isfinite(value)) samples[n++] = value;
    }
    return n;
}

int case_pictures_window(CasePictures *p, const SlicePart *parts, int count, Err *e)
{
    if (!p->image->data) return 0;
    float *samples = mem_alloc((size_t)(count * MOST_SAMPLES) * sizeof *samples, e), highest = 255;
    if (!samples) return ERR_NOMEM;
    for (int c = 0; c < p->channels; c++) {
        int n = 0;
        for (int i = 0; i < count; i++) n += take_samples(samples + n, MOST_SAMPLES, p, c, &parts[i]);
        if (!n) continue;
        qsort(samples, (size_t)n, sizeof *samples, by_value);
        highest = fmaxf(highest, samples[n - 1]);
        if (p->channels > 1) continue;
        p->low[c] = samples[n / 200];
        p->high[c] = samples[n - 1 - n / 200];
    }
    for (int c = 0; c < p->channels && p->channels > 1; c++) p->high[c] = highest;
    mem_free(samples);
    return 0;
}

/* ---- drawing ---- */

void slice_fit(const Section *s, int longest, int size[2])
{
    const double height = (double)s->height * s->row_mm, width = (double)s->width * s->column_mm;
    const double step = fmax(height, width) / longest;
    size[0] = (int)fmax(1, round(height / step));
    size[1] = (int)fmax(1, round(width / step));
}

/* The voxels under a picture's pixel: from row[0] to row[1] - 1, from column[0] to column[1] - 1. */
typedef struct Block {
    int64_t slice, row[2], column[2];
} Block;

static void voxels_under(int64_t under[2], int at, int size, int64_t first, int64_t voxels)
{
    under[0] = first + (voxels <= size ? (2 * at + 1) * voxels / (2 * size) : at * voxels / size);
    under[1] = voxels <= size ? under[0] + 1 : first + (at + 1) * voxels / size;
}

static Block block_under(const SlicePart *part, const int size[2], int y, int x)
{
    Block b = {.slice = part->slice};
    voxels_under(b.row, y, size[0], part->row, part->height);
    voxels_under(b.column, x, size[1], part->column, part->width);
    return b;
}

/* The brightness, 0 to 255, of a channel's mean; values that are not finite are black. */
static uint8_t shade(const CasePictures *p, int channel, const Block *b)
{
    double sum = 0;
    for (int64_t i = b->row[0]; i < b->row[1]; i++)
        for (int64_t j = b->column[0]; j < b->column[1]; j++) sum += value_at(p, channel, b->slice, i, j);
    const double mean = sum / (double)((b->row[1] - b->row[0]) * (b->column[1] - b->column[0]));
    const double range = p->high[channel] > p->low[channel] ? p->high[channel] - p->low[channel] : 1;
    const double share = (mean - p->low[channel]) / range;
    return share > 0 ? (uint8_t)lrint(255 * fmin(share, 1)) : 0;
}

static Color image_color(const CasePictures *p, const Block *b)
{
    if (!p->image->data) return (Color){0, 0, 0};
    const uint8_t first = shade(p, 0, b);
    if (p->channels == 1) return (Color){first, first, first};
    return (Color){first, shade(p, 1, b), shade(p, 2, b)};
}

/* The rarest label of a block, or 0; voxels: how many of each label are in the part. */
static int rarest_label(const CasePictures *p, const Block *b, const int64_t *voxels)
{
    int rarest = 0;
    for (int64_t i = b->row[0]; i < b->row[1]; i++)
        for (int64_t j = b->column[0]; j < b->column[1]; j++) {
            const int label = section_label(p->labels, section_voxel(&p->section, b->slice, i, j));
            if (label > 0 && (!rarest || voxels[label] < voxels[rarest])) rarest = label;
        }
    return rarest;
}

int slice_labels(int **shown, const int size[2], const CasePictures *p, const SlicePart *part, Err *e)
{
    int64_t *voxels = mem_zalloc(SECTION_LARGEST_LABEL + 1, sizeof *voxels, e);
    *shown = voxels ? mem_zalloc((size_t)size[0] * (size_t)size[1], sizeof **shown, e) : NULL;
    for (int64_t i = 0; i < part->height && *shown; i++)
        for (int64_t j = 0; j < part->width; j++) {
            const int64_t at = section_voxel(&p->section, part->slice, part->row + i, part->column + j);
            const int label = section_label(p->labels, at);
            if (label > 0) voxels[label]++;
        }
    for (int i = 0; i < size[0] * size[1] && *shown; i++) {
        const Block b = block_under(part, size, i / size[1], i % size[1]);
        (*shown)[i] = rarest_label(p, &b, voxels);
    }
    mem_free(voxels);
    return *shown ? 0 : ERR_NOMEM;
}

static int label_at(const int *shown, const int size[2], int y, int x)
{
    return y < 0 || x < 0 || y >= size[0] || x >= size[1] ? 0 : shown[y * size[1] + x];
}

/* Whether another label is nearer than `line` pixels. */
static bool is_contour(const int *shown, const int size[2], int y, int x, int line)
{
    for (int i = -line; i <= line; i++)
        for (int j = abs(i) - line; j <= line - abs(i); j++)
            if (label_at(shown, size, y + i, x + j) != shown[y * size[1] + x]) return true;
    return false;
}

/* A structure of one or two pixels has no gaps: it could be within one. */
static bool has_length(const int *shown, const int size[2], int y, int x)
{
    const int label = shown[y * size[1] + x];
    return (label_at(shown, size, y - 1, x) == label && label_at(shown, size, y + 1, x) == label) ||
           (label_at(shown, size, y, x - 1) == label && label_at(shown, size, y, x + 1) == label);
}

static double label_share(const int *shown, const int size[2], int y, int x, int line)
{
    if (!is_contour(shown, size, y, x, line)) return LABEL_FILL;
    return label_gap(shown[y * size[1] + x], x, y) && has_length(shown, size, y, x) ? LABEL_FILL : 1;
}

int slice_draw(Canvas *c, int x, int y, const int size[2], const CasePictures *p, const SlicePart *part, int line,
               Err *e)
{
    int *shown = NULL;
    if (line && p->labels->data) TRY(slice_labels(&shown, size, p, part, e));
    for (int i = 0; i < size[0] * size[1]; i++) {
        const int row = i / size[1], column = i % size[1];
        const Block b = block_under(part, size, row, column);
        canvas_blend(c, x + column, y + row, 1, image_color(p, &b));
        if (shown && shown[i])
            canvas_blend(c, x + column, y + row, label_share(shown, size, row, column, line), label_color(shown[i]));
    }
    mem_free(shown);
    return 0;
}
