/* Overlays of report.html: a slice of the image with the contours of reference and prediction. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "data/image_io.h"
#include "data/picture.h"
#include "evaluation/report_parts.h"

enum { SLICES = 3, LONGEST = 640, MARGIN = 12, SMALLEST = 48 };

/* A case in memory, and how it is sliced: across the axis with the largest spacing. */
typedef struct Shown {
    Array reference, prediction; /* int16 (Z,Y,X) */
    Image image;                 /* without voxels if there is none */
    Err no_image;                /* why an existing image file is not shown */
    Geometry geometry;
    int axis, rows, columns;      /* of Z, Y, X: across, down and along the picture */
    bool flip_rows, flip_columns; /* so that superior and anterior are up (or anterior left), and right is left */
} Shown;

/* The part of a slice that is drawn; high is excluded. */
typedef struct Window {
    int64_t slice, low_row, high_row, low_column, high_column;
    int64_t factor; /* size of the block of pixels that becomes one pixel */
} Window;

/* ---- reading ---- */

/* The case's image: CASE_0000 or CASE with the reference's ending. */
static int read_image(Shown *v, const Report *r, const Pair *pair, Err *e)
{
    const char *ending = image_ending(pair->reference);
    bool there = false;
    int code = 0;
    for (int i = 0; i < 2 && r->images && !there && !code; i++) {
        char *path = path_format(e, "%s/%s%s%s", r->images, pair->id, i ? "" : "_0000", ending);
        code = file_is_there(path, &there, e);
        if (!code && there) code = image_read(&v->image, path, e);
        if (!code && there) code = image_turn_onto(&v->image, &v->geometry, NULL, e);
        if (!code && there && !geometry_same_shape(&v->image.geometry, &v->geometry))
            code = err_set(e, ERR_SHAPE, "%s has another shape than the reference", path);
        mem_free(path);
    }
    if (code) image_free(&v->image);
    return code;
}

static void choose_axes(Shown *v)
{
    const double *spacing = v->geometry.spacing_zyx_mm;
    double affine[3][4];
    v->axis = 0;
    for (int d = 1; d < 3 && v->geometry.dimensions == 3; d++)
        if (spacing[d] > spacing[v->axis] * 1.001) v->axis = d;
    if (grid_axis_across(&v->geometry) >= 0) v->axis = grid_axis_across(&v->geometry);
    v->rows = v->axis == 0 ? 1 : 0;
    v->columns = v->axis == 2 ? 1 : 2;
    geometry_affine(&v->geometry, affine);
    const Orientation *o = &v->geometry.orientation;
    const bool placed = v->geometry.dimensions == 3 && (o->qform_code || o->sform_code);
    v->flip_rows = placed && affine[2 - v->rows][2 - v->rows] > 0;
    v->flip_columns = placed && affine[2 - v->columns][2 - v->columns] > 0;
}

static void shown_free(Shown *v)
{
    array_free(&v->reference);
    array_free(&v->prediction);
    image_free(&v->image);
}

static int shown_read(Shown *v, const Report *r, const Pair *pair, Err *e)
{
    *v = (Shown){0};
    int code = image_read_labels(&v->reference, &v->geometry, pair->reference, e);
    if (!code) code = image_read_labels_onto(&v->prediction, pair->prediction, &v->geometry, e);
    if (!code && read_image(v, r, pair, &v->no_image) == ERR_NOMEM)
        code = err_set(e, ERR_NOMEM, "%s", v->no_image.text);
    if (code) shown_free(v);
    else choose_axes(v);
    return code;
}

static int64_t voxel_at(const Shown *v, int64_t slice, int64_t row, int64_t column)
{
    int64_t at[3];
    const int64_t *shape = v->geometry.shape_zyx;
    at[v->axis] = slice;
    at[v->rows] = v->flip_rows ? shape[v->rows] - 1 - row : row;
    at[v->columns] = v->flip_columns ? shape[v->columns] - 1 - column : column;
    return (at[0] * shape[1] + at[1]) * shape[2] + at[2];
}

static int16_t label_at(const Array *labels, int64_t index) { return ((const int16_t *)labels->data)[index]; }

/* ---- which slices, which window ---- */

typedef struct Score {
    int64_t wrong, labelled; /* voxels of a slice */
} Score;

static void score_slices(Score *scores, const Shown *v, const Structures *s)
{
    const int64_t *shape = v->geometry.shape_zyx;
    for (int64_t k = 0; k < shape[v->axis]; k++) {
        for (int64_t i = 0; i < shape[v->rows]; i++) {
            for (int64_t j = 0; j < shape[v->columns]; j++) {
                const int64_t at = voxel_at(v, k, i, j);
                const int16_t reference = label_at(&v->reference, at);
                if (s->has_ignore && reference == s->ignore) continue;
                scores[k].wrong += reference != label_at(&v->prediction, at);
                scores[k].labelled += reference != 0;
            }
        }
    }
}

/* The slice with the most wrong voxels, the one with the largest reference, then the next most wrong ones; no two
 * close to each other. Returns their number. */
static int choose_slices(int64_t *chosen, const Score *scores, int64_t count)
{
    const int64_t apart = count / 12 + 1;
    int n = 0;
    for (int round = 0; n < SLICES && round < SLICES + 1; round++) {
        int64_t best = -1, best_value = 0;
        for (int64_t k = 0; k < count; k++) {
            bool close = false;
            for (int i = 0; i < n; i++) close = close || llabs(chosen[i] - k) < apart;
            const int64_t value = round == 1 ? scores[k].labelled : scores[k].wrong;
            if (close || value <= best_value) continue;
            best = k;
            best_value = value;
        }
        if (best >= 0) chosen[n++] = best;
    }
    if (!n) chosen[n++] = count / 2;
    return n;
}

static void widen(int64_t *low, int64_t *high, int64_t extent)
{
    const int64_t margin = MARGIN + (*high - *low) / 8;
    const int64_t missing = *high - *low + 2 * margin < SMALLEST ? SMALLEST - (*high - *low) : 2 * margin;
    *low -= missing / 2;
    *high += missing - missing / 2;
    if (*low < 0) *low = 0;
    if (*high > extent) *high = extent;
}

static Window find_window(const Shown *v, int64_t slice)
{
    const int64_t height = v->geometry.shape_zyx[v->rows], width = v->geometry.shape_zyx[v->columns];
    Window w = {slice, height, 0, width, 0, 1};
    for (int64_t i = 0; i < height; i++) {
        for (int64_t j = 0; j < width; j++) {
            const int64_t at = voxel_at(v, slice, i, j);
            if (!label_at(&v->reference, at) && !label_at(&v->prediction, at)) continue;
            if (i < w.low_row) w.low_row = i;
            if (i >= w.high_row) w.high_row = i + 1;
            if (j < w.low_column) w.low_column = j;
            if (j >= w.high_column) w.high_column = j + 1;
        }
    }
    if (w.high_row == 0) w = (Window){slice, 0, height, 0, width, 1};
    widen(&w.low_row, &w.high_row, height);
    widen(&w.low_column, &w.high_column, width);
    const int64_t rows = w.high_row - w.low_row, columns = w.high_column - w.low_column;
    w.factor = ((rows > columns ? rows : columns) + LONGEST - 1) / LONGEST;
    return w;
}

static int64_t window_height(const Window *w) { return (w->high_row - w->low_row + w->factor - 1) / w->factor; }

static int64_t window_width(const Window *w) { return (w->high_column - w->low_column + w->factor - 1) / w->factor; }

/* The window of a plane with the most wrong pixels: two by two cells of a grid. False if the plane is too small for
 * a window. */
static bool find_closeup(Window *w, const Shown *v, Err *e, int *code)
{
    const int64_t height = v->geometry.shape_zyx[v->rows], width = v->geometry.shape_zyx[v->columns];
    const int64_t longest = height > width ? height : width, cell = longest / 10 > 32 ? longest / 10 : 32;
    const int64_t rows = height / cell, columns = width / cell;
    if (rows < 3 || columns < 3) return false;
    int64_t *wrong = mem_zalloc((size_t)(rows * columns), sizeof *wrong, e), most = 0;
    *code = wrong ? 0 : ERR_NOMEM;
    for (int64_t i = 0; i < rows * cell && wrong; i++) {
        for (int64_t j = 0; j < columns * cell; j++) {
            const int64_t at = voxel_at(v, 0, i, j);
            const bool differs = label_at(&v->reference, at) != label_at(&v->prediction, at);
            wrong[i / cell * columns + j / cell] += differs;
        }
    }
    for (int64_t i = 0; i + 1 < rows && wrong; i++) {
        for (int64_t j = 0; j + 1 < columns; j++) {
            const int64_t *at = &wrong[i * columns + j], sum = at[0] + at[1] + at[columns] + at[columns + 1];
            if (sum <= most) continue;
            most = sum;
            *w = (Window){0, i * cell, (i + 2) * cell, j * cell, (j + 2) * cell, 1};
        }
    }
    mem_free(wrong);
    return most > 0;
}

/* ---- the picture ---- */

static int by_value(const void *a, const void *b)
{
    const float p = *(const float *)a, q = *(const float *)b;
    return (p > q) - (p < q);
}

/* Gray from the 0.5 to the 99.5 percentile of the picture's finite values; colours as they are. */
static void find_range(float range[2], float *scratch, const float *values, int64_t count, bool colour)
{
    int64_t n = 0;
    for (int64_t i = 0; i < count; i++)
        if (isfinite(values[i])) scratch[n++] = values[i];
    range[0] = 0;
    range[1] = 255;
    if (colour || !n) return;
    qsort(scratch, (size_t)n, sizeof *scratch, by_value);
    range[0] = scratch[n / 200];
    range[1] = scratch[n - 1 - n / 200];
    if (!(range[1] > range[0])) range[1] = range[0] + 1;
}

/* values (height, width, channels): means over factor x factor pixels. */
static void shrink(float *values, const Shown *v, const Window *w, int channels)
{
    const float *voxels = v->image.voxels.data;
    const int64_t plane = array_count(&v->image.voxels) / v->image.voxels.shape[0];
    for (int64_t i = 0; i < window_height(w); i++) {
        for (int64_t j = 0; j < window_width(w); j++) {
            for (int c = 0; c < channels; c++) {
                double sum = 0;
                int count = 0;
                for (int64_t k = 0; k < w->factor * w->factor; k++) {
                    const int64_t row = w->low_row + i * w->factor + k / w->factor;
                    const int64_t column = w->low_column + j * w->factor + k % w->factor;
                    if (row >= w->high_row || column >= w->high_column) continue;
                    sum += voxels[c * plane + voxel_at(v, w->slice, row, column)];
                    count++;
                }
                values[(i * window_width(w) + j) * channels + c] = (float)(sum / count);
            }
        }
    }
}

static void add_base64(Text *out, const unsigned char *bytes, size_t count)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < count; i += 3) {
        unsigned group = 0;
        char four[4];
        for (size_t k = 0; k < 3; k++) group = group << 8 | (i + k < count ? bytes[i + k] : 0);
        for (size_t k = 0; k < 4; k++) four[k] = i + k > count ? '=' : digits[group >> (18 - 6 * k) & 63];
        text_add_bytes(out, four, sizeof four);
    }
}

static int add_picture(Text *out, const Shown *v, const Window *w, Err *e)
{
    const bool colour = v->image.voxels.shape[0] == 3;
    const int channels = colour ? 3 : 1;
    const int64_t count = window_height(w) * window_width(w) * channels;
    Text png = {0};
    int code = ERR_NOMEM;
    float range[2], *values = mem_alloc(mem_product(2 * sizeof *values, (size_t)count), e);
    uint8_t *pixels = mem_alloc((size_t)count, e);
    if (!values || !pixels) goto done;
    shrink(values, v, w, channels);
    find_range(range, values + count, values, count, colour);
    for (int64_t i = 0; i < count; i++) {
        const float share = (values[i] - range[0]) / (range[1] - range[0]);
        pixels[i] = share > 0 ? (uint8_t)lrintf(255 * fminf(share, 1)) : 0; /* NaN: black */
    }
    code = picture_encode(&png, pixels, window_height(w), window_width(w), channels, e);
    if (code) goto done;
    text_add(out, "<image width=%lld height=%lld preserveAspectRatio=none href=\"data:image/png;base64,",
             (long long)window_width(w), (long long)window_height(w));
    add_base64(out, (const unsigned char *)png.data, png.length);
    text_add(out, "\"/>");
done:
    mem_free(values);
    mem_free(pixels);
    text_free(&png);
    return code;
}

/* ---- contours ---- */

/* Outside of the window the label of the window's border, so that there is no contour at the border. */
static int16_t shown_label(const Array *labels, const Shown *v, const Window *w, int64_t i, int64_t j)
{
    const int64_t height = window_height(w), width = window_width(w);
    i = i < 0 ? 0 : i < height ? i : height - 1;
    j = j < 0 ? 0 : j < width ? j : width - 1;
    const int64_t row = w->low_row + i * w->factor, column = w->low_column + j * w->factor;
    return label_at(labels, voxel_at(v, w->slice, row, column));
}

/* Lines between pixels of different labels: runs of them in each direction. */
static void add_contour(Text *out, const char *name, const Array *labels, const Shown *v, const Window *w)
{
    const int64_t height = window_height(w), width = window_width(w);
    text_add(out, "<path class=%s d=\"", name);
    for (int across = 0; across < 2; across++) {
        const int64_t lines = across ? width : height, length = across ? height : width;
        for (int64_t line = 0; line <= lines; line++) {
            for (int64_t at = 0, start = -1; at <= length; at++) {
                const int64_t i = across ? at : line, j = across ? line : at;
                const bool edge = at < length &&
                                  shown_label(labels, v, w, i, j) != shown_label(labels, v, w, i - !across, j - across);
                if (edge && start < 0) start = at;
                if (edge || start < 0) continue;
                text_add(out, "M%lld %lld%c%lld", (long long)(across ? line : start),
                         (long long)(across ? start : line), across ? 'V' : 'H', (long long)at);
                start = -1;
            }
        }
    }
    text_add(out, "\"/>");
}

/* ---- figures ---- */

static int add_figure(Text *out, const Shown *v, const Window *w, const char *caption, Err *e)
{
    const double *spacing = v->geometry.spacing_zyx_mm;
    const int64_t height = window_height(w), width = window_width(w);
    text_add(out,
             "<figure><svg viewBox=\"0 0 %lld %lld\" preserveAspectRatio=none "
             "style=\"--ratio:%g/%g\">",
             (long long)width, (long long)height, (double)width * spacing[v->columns],
             (double)height * spacing[v->rows]);
    if (v->image.voxels.data) TRY(add_picture(out, v, w, e));
    add_contour(out, "ref", &v->reference, v, w);
    add_contour(out, "pred", &v->prediction, v, w);
    text_add(out, "</svg><figcaption>%s</figcaption></figure>\n", caption);
    return 0;
}

static int add_plane(Text *out, const Shown *v, const Score *score, Err *e)
{
    char caption[64];
    int code = 0;
    Window w = find_window(v, 0);
    snprintf(caption, sizeof caption, "%lld pixels differ", (long long)score->wrong);
    TRY(add_figure(out, v, &w, caption, e));
    if (!find_closeup(&w, v, e, &code)) return code;
    return add_figure(out, v, &w, "where most of them are", e);
}

static int add_slices(Text *out, const Shown *v, const Score *scores, int64_t count, Err *e)
{
    int64_t chosen[SLICES];
    const int n = choose_slices(chosen, scores, count);
    for (int k = 0; k < n; k++) {
        char caption[96];
        const Window w = find_window(v, chosen[k]);
        snprintf(caption, sizeof caption, "slice %lld of %lld, %lld voxels differ", (long long)chosen[k] + 1,
                 (long long)count, (long long)scores[chosen[k]].wrong);
        TRY(add_figure(out, v, &w, caption, e));
    }
    return 0;
}

static void add_no_image(Text *out, const Err *fault)
{
    text_add(out, "<p class=note>without its image: ");
    text_add_html(out, fault->text);
    text_add(out, "</p>");
}

int report_add_overlays(Text *out, const Report *r, int index, Err *e)
{
    Shown v;
    TRY(shown_read(&v, r, &r->pairs->items[index], e));
    const int64_t slices = v.geometry.shape_zyx[v.axis];
    Score *scores = mem_zalloc((size_t)slices, sizeof *scores, e);
    int code = scores ? 0 : ERR_NOMEM;
    if (!code) {
        score_slices(scores, &v, r->summary->structures);
        code = slices == 1 ? add_plane(out, &v, scores, e) : add_slices(out, &v, scores, slices, e);
        if (!code && v.no_image.code) add_no_image(out, &v.no_image);
    }
    mem_free(scores);
    shown_free(&v);
    return code;
}
