/* Overlays of report.html: a slice of the image with the labels of reference (areas) and prediction (lines). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "data/image_io.h"
#include "data/picture.h"
#include "evaluation/report_parts.h"
#include "pictures/label_colors.h"
#include "pictures/slice_picture.h"

enum { SLICES = 3, LONGEST = 640, MARGIN = 12, SMALLEST = 48 };

/* A case in memory. */
typedef struct Shown {
    Array reference, prediction; /* int16 (Z,Y,X) */
    Image image;                 /* without voxels if there is none */
    Err no_image;                /* why an existing image file is not shown */
    Geometry geometry;
    Section section;
    bool *named; /* (SECTION_LARGEST_LABEL + 1): labels of the drawn slices; owned */
} Shown;

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

static void shown_free(Shown *v)
{
    array_free(&v->reference);
    array_free(&v->prediction);
    image_free(&v->image);
    mem_free(v->named);
}

static int shown_read(Shown *v, const Report *r, const Pair *pair, Err *e)
{
    *v = (Shown){0};
    int code = image_read_labels(&v->reference, &v->geometry, pair->reference, e);
    if (!code) code = image_read_labels_onto(&v->prediction, pair->prediction, &v->geometry, e);
    if (!code && read_image(v, r, pair, &v->no_image) == ERR_NOMEM)
        code = err_set(e, ERR_NOMEM, "%s", v->no_image.text);
    v->named = code ? NULL : mem_zalloc(SECTION_LARGEST_LABEL + 1, sizeof *v->named, e);
    if (!v->named) {
        shown_free(v);
        return e->code;
    }
    v->section = section_of(&v->geometry);
    return 0;
}

static int16_t label_at(const Array *labels, int64_t index) { return ((const int16_t *)labels->data)[index]; }

/* ---- which slices, which window ---- */

typedef struct Score {
    int64_t wrong, labelled; /* voxels of a slice */
} Score;

static void score_slices(Score *scores, const Shown *v, const Structures *s)
{
    for (int64_t k = 0; k < v->section.slices; k++) {
        for (int64_t i = 0; i < v->section.height; i++) {
            for (int64_t j = 0; j < v->section.width; j++) {
                const int64_t at = section_voxel(&v->section, k, i, j);
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

static void widen(int64_t *first, int64_t *past, int64_t extent)
{
    const int64_t margin = MARGIN + (*past - *first) / 8;
    const int64_t missing = *past - *first + 2 * margin < SMALLEST ? SMALLEST - (*past - *first) : 2 * margin;
    *first -= missing / 2;
    *past += missing - missing / 2;
    if (*first < 0) *first = 0;
    if (*past > extent) *past = extent;
}

/* The part of a slice with labels, and a margin; without labels all of it. */
static SlicePart find_part(const Shown *v, int64_t slice)
{
    const int64_t height = v->section.height, width = v->section.width;
    int64_t rows[2] = {height, 0}, columns[2] = {width, 0};
    for (int64_t i = 0; i < height; i++) {
        for (int64_t j = 0; j < width; j++) {
            const int64_t at = section_voxel(&v->section, slice, i, j);
            if (!label_at(&v->reference, at) && !label_at(&v->prediction, at)) continue;
            if (i < rows[0]) rows[0] = i;
            if (i >= rows[1]) rows[1] = i + 1;
            if (j < columns[0]) columns[0] = j;
            if (j >= columns[1]) columns[1] = j + 1;
        }
    }
    if (!rows[1]) return slice_whole(&v->section, slice);
    widen(&rows[0], &rows[1], height);
    widen(&columns[0], &columns[1], width);
    return (SlicePart){slice, rows[0], columns[0], rows[1] - rows[0], columns[1] - columns[0]};
}

/* The part of a plane with the most wrong pixels: two by two cells of a grid. False if the plane is too small. */
static bool find_closeup(SlicePart *part, const Shown *v, Err *e, int *code)
{
    const int64_t height = v->section.height, width = v->section.width;
    const int64_t longest = height > width ? height : width, cell = longest / 10 > 32 ? longest / 10 : 32;
    const int64_t rows = height / cell, columns = width / cell;
    if (rows < 3 || columns < 3) return false;
    int64_t *wrong = mem_zalloc((size_t)(rows * columns), sizeof *wrong, e), most = 0;
    *code = wrong ? 0 : ERR_NOMEM;
    for (int64_t i = 0; i < rows * cell && wrong; i++) {
        for (int64_t j = 0; j < columns * cell; j++) {
            const int64_t at = section_voxel(&v->section, 0, i, j);
            const bool differs = label_at(&v->reference, at) != label_at(&v->prediction, at);
            wrong[i / cell * columns + j / cell] += differs;
        }
    }
    for (int64_t i = 0; i + 1 < rows && wrong; i++) {
        for (int64_t j = 0; j + 1 < columns; j++) {
            const int64_t *at = &wrong[i * columns + j], sum = at[0] + at[1] + at[columns] + at[columns + 1];
            if (sum <= most) continue;
            most = sum;
            *part = (SlicePart){0, i * cell, j * cell, 2 * cell, 2 * cell};
        }
    }
    mem_free(wrong);
    return most > 0;
}

/* ---- the picture ---- */

/* The size {height, width} of a part's picture: blocks of as many voxels become a pixel that it is not too large. */
static void picture_size(int size[2], const SlicePart *part)
{
    const int64_t longest = part->height > part->width ? part->height : part->width;
    const int64_t factor = (longest + LONGEST - 1) / LONGEST;
    size[0] = (int)((part->height + factor - 1) / factor);
    size[1] = (int)((part->width + factor - 1) / factor);
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

/* Of a gray picture only one component is kept. */
static int encode(Text *png, Canvas *c, int channels, Err *e)
{
    for (int i = 0; i < c->height * c->width && channels == 1; i++) c->pixels[i] = c->pixels[3 * i];
    return picture_encode(png, c->pixels, c->height, c->width, channels, e);
}

static int add_picture(Text *out, const Shown *v, const SlicePart *part, const int size[2], Err *e)
{
    CasePictures p = case_pictures(&v->geometry, &v->image.voxels, &v->reference);
    Canvas c;
    Text png = {0};
    TRY(canvas_new(&c, size[0], size[1], (Color){0, 0, 0}, e));
    int code = case_pictures_window(&p, part, 1, e);
    if (!code) code = slice_draw(&c, 0, 0, size, &p, part, 0, e);
    if (!code) code = encode(&png, &c, p.channels, e);
    if (!code) {
        text_add(out, "<image width=%d height=%d preserveAspectRatio=none href=\"data:image/png;base64,", size[1],
                 size[0]);
        add_base64(out, (const unsigned char *)png.data, png.length);
        text_add(out, "\"/>");
    }
    text_free(&png);
    canvas_free(&c);
    return code;
}

/* ---- labels ---- */

static void begin_path(Text *out, const char *name, int label)
{
    const Color c = label_color(label);
    text_add(out, "<path class=%s style=\"--c:#%02x%02x%02x", name, c.r, c.g, c.b);
    if (label_dash(label)) text_add(out, ";stroke-dasharray:%d", label_dash(label));
    text_add(out, "\" d=\"");
}

/* The pixels of a label, as runs along the rows. */
static void add_area(Text *out, const int *shown, const int size[2], int label)
{
    begin_path(out, "ref", label);
    for (int i = 0; i < size[0]; i++) {
        for (int j = 0, start = -1; j <= size[1]; j++) {
            const bool inside = j < size[1] && shown[i * size[1] + j] == label;
            if (inside && start < 0) start = j;
            if (inside || start < 0) continue;
            text_add(out, "M%d %dH%dv1H%dz", start, i, j, start);
            start = -1;
        }
    }
    text_add(out, "\"/>");
}

/* Outside of the picture the label of its border, so that there is no contour at the border. */
static bool is_label(const int *shown, const int size[2], int i, int j, int label)
{
    i = i < 0 ? 0 : i < size[0] ? i : size[0] - 1;
    j = j < 0 ? 0 : j < size[1] ? j : size[1] - 1;
    return shown[i * size[1] + j] == label;
}

/* The lines around the pixels of a label: runs of them in each direction. */
static void add_contour(Text *out, const int *shown, const int size[2], int label)
{
    begin_path(out, "pred", label);
    for (int across = 0; across < 2; across++) {
        const int lines = size[across], length = size[!across];
        for (int line = 0; line <= lines; line++) {
            for (int at = 0, start = -1; at <= length; at++) {
                const int i = across ? at : line, j = across ? line : at;
                const bool edge = at < length && is_label(shown, size, i, j, label) !=
                                                     is_label(shown, size, i - !across, j - across, label);
                if (edge && start < 0) start = at;
                if (edge || start < 0) continue;
                text_add(out, "M%d %d%c%d", across ? line : start, across ? start : line, across ? 'V' : 'H', at);
                start = -1;
            }
        }
    }
    text_add(out, "\"/>");
}

typedef void AddLabel(Text *out, const int *shown, const int size[2], int label);

/* Adds a path for each label of one image. */
static int add_labels(Text *out, Shown *v, const Array *labels, const SlicePart *part, const int size[2], AddLabel *add,
                      Err *e)
{
    const CasePictures p = case_pictures(&v->geometry, &v->image.voxels, labels);
    int *shown;
    bool *there = mem_zalloc(SECTION_LARGEST_LABEL + 1, sizeof *there, e);
    if (!there) return ERR_NOMEM;
    const int code = slice_labels(&shown, size, &p, part, e);
    for (int i = 0; i < size[0] * size[1] && !code; i++) there[shown[i]] = true;
    for (int label = 1; label <= SECTION_LARGEST_LABEL && !code; label++) {
        if (!there[label]) continue;
        add(out, shown, size, label);
        v->named[label] = true;
    }
    mem_free(shown);
    mem_free(there);
    return code;
}

/* ---- figures ---- */

static int add_figure(Text *out, Shown *v, const SlicePart *part, const char *caption, Err *e)
{
    int size[2];
    picture_size(size, part);
    text_add(out,
             "<figure><svg viewBox=\"0 0 %d %d\" preserveAspectRatio=none "
             "style=\"--ratio:%g/%g\">",
             size[1], size[0], (double)part->width * v->section.column_mm, (double)part->height * v->section.row_mm);
    if (v->image.voxels.data) TRY(add_picture(out, v, part, size, e));
    TRY(add_labels(out, v, &v->reference, part, size, add_area, e));
    TRY(add_labels(out, v, &v->prediction, part, size, add_contour, e));
    text_add(out, "</svg><figcaption>%s</figcaption></figure>\n", caption);
    return 0;
}

static int add_plane(Text *out, Shown *v, const Score *score, Err *e)
{
    char caption[64];
    int code = 0;
    SlicePart part = find_part(v, 0);
    snprintf(caption, sizeof caption, "%lld pixels differ", (long long)score->wrong);
    TRY(add_figure(out, v, &part, caption, e));
    if (!find_closeup(&part, v, e, &code)) return code;
    return add_figure(out, v, &part, "where most of them are", e);
}

static int add_slices(Text *out, Shown *v, const Score *scores, int64_t count, Err *e)
{
    int64_t chosen[SLICES];
    const int n = choose_slices(chosen, scores, count);
    for (int k = 0; k < n; k++) {
        char caption[96];
        const SlicePart part = find_part(v, chosen[k]);
        snprintf(caption, sizeof caption, "slice %lld of %lld, %lld voxels differ", (long long)chosen[k] + 1,
                 (long long)count, (long long)scores[chosen[k]].wrong);
        TRY(add_figure(out, v, &part, caption, e));
    }
    return 0;
}

static void add_no_image(Text *out, const Err *fault)
{
    text_add(out, "<p class=note>without its image: ");
    text_add_html(out, fault->text);
    text_add(out, "</p>");
}

/* The name of a label, or of the smallest region with it; NULL: it is not evaluated. */
static const char *name_of(const Structures *s, int label)
{
    const Structure *found = NULL;
    for (int i = 0; i < s->count; i++)
        for (int k = 0; k < s->items[i].label_count; k++)
            if (s->items[i].labels[k] == label && (!found || s->items[i].label_count < found->label_count))
                found = &s->items[i];
    return found ? found->name : s->has_ignore && label == s->ignore ? "ignore" : NULL;
}

static void add_names(Text *out, const Shown *v, const Structures *s)
{
    text_add(out, "<p class=names>");
    for (int label = 1; label <= SECTION_LARGEST_LABEL; label++) {
        if (!v->named[label]) continue;
        const Color c = label_color(label);
        const char *name = name_of(s, label);
        text_add(out, "<span><i class=\"area%s\" style=\"--c:#%02x%02x%02x\"></i> ", label_dash(label) ? " dashed" : "",
                 c.r, c.g, c.b);
        if (name) text_add_html(out, name);
        else text_add(out, "label %d", label);
        text_add(out, "</span> ");
    }
    text_add(out, "</p>");
}

int report_add_overlays(Text *out, const Report *r, int index, Err *e)
{
    Shown v;
    TRY(shown_read(&v, r, &r->pairs->items[index], e));
    const int64_t slices = v.section.slices;
    Score *scores = mem_zalloc((size_t)slices, sizeof *scores, e);
    int code = scores ? 0 : ERR_NOMEM;
    if (!code) {
        score_slices(scores, &v, r->summary->structures);
        text_add(out, "<div class=slices>\n");
        code = slices == 1 ? add_plane(out, &v, scores, e) : add_slices(out, &v, scores, slices, e);
        text_add(out, "</div>");
        if (!code) add_names(out, &v, r->summary->structures);
        if (!code && v.no_image.code) add_no_image(out, &v.no_image);
    }
    mem_free(scores);
    shown_free(&v);
    return code;
}
