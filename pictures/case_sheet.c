#include "pictures/case_sheet.h"

#include <stdio.h>

#include "base/memory.h"
#include "data/picture.h"
#include "pictures/legend.h"
#include "pictures/slice_picture.h"

enum { SLICES = 6, COLUMNS = 3, PLANE = 768, PANEL = 384, NARROWEST = 216, MARGIN = 16, LINE = 24, CONTOUR = 2 };

static const Color BACKGROUND = {18, 20, 23}, TEXT = {232, 234, 237}, SOFT = {154, 160, 168};

/* Where everything is, in pixels. */
typedef struct Layout {
    SlicePart parts[SLICES];
    int count, columns;
    int size[2];                 /* of a slice's picture */
    int cell_height, cell_width; /* of a picture with its caption and the space around */
    int head;                    /* height of the title */
    int width;                   /* of title and legend */
    int legend_top;
} Layout;

static int lay_out(Layout *l, const CaseSheet *s, const CasePictures *p, Err *e)
{
    const bool is_plane = p->section.slices == 1;
    int64_t slices[SLICES];
    l->count = section_choose(slices, SLICES, &p->section, s->labels, e);
    if (l->count < 0) return l->count;
    for (int i = 0; i < l->count; i++) l->parts[i] = slice_whole(&p->section, slices[i]);
    l->columns = l->count < COLUMNS ? l->count : COLUMNS;
    slice_fit(&p->section, is_plane ? PLANE : PANEL, l->size);
    l->cell_width = (l->size[1] > NARROWEST ? l->size[1] : NARROWEST) + MARGIN;
    l->cell_height = l->size[0] + (is_plane ? 0 : LINE) + MARGIN;
    l->head = (is_plane ? 1 : 2) * LINE + MARGIN;
    l->width = l->columns * l->cell_width - MARGIN;
    if (l->width < PANEL) l->width = PANEL;
    l->legend_top = l->head + (l->count + l->columns - 1) / l->columns * l->cell_height;
    return 0;
}

/* The name and, of a volume, how many slices are shown and where the patient's sides are. */
static void draw_title(Canvas *c, const Layout *l, const CaseSheet *s, const Section *section)
{
    char text[80];
    canvas_text(c, MARGIN, MARGIN, 2, l->width, s->id, TEXT);
    if (section->slices == 1) return;
    int length = snprintf(text, sizeof text, "%d of %lld slices", l->count, (long long)section->slices);
    if (section->up)
        snprintf(text + length, sizeof text - (size_t)length, ", up %c, left %c", section->up, section->left);
    canvas_text(c, MARGIN, MARGIN + LINE, 2, l->width, text, SOFT);
}

static int draw_slice(Canvas *c, const Layout *l, const CasePictures *p, int index, Err *e)
{
    char text[64];
    const int x = MARGIN + index % l->columns * l->cell_width, y = l->head + index / l->columns * l->cell_height;
    TRY(slice_draw(c, x, y, l->size, p, &l->parts[index], CONTOUR, e));
    if (p->section.slices == 1) return 0;
    snprintf(text, sizeof text, "slice %lld", (long long)l->parts[index].slice + 1);
    canvas_text(c, x, y + l->size[0] + 6, 2, l->cell_width - MARGIN, text, SOFT);
    return 0;
}

/* Which labels occur; (dataset_last_value + 1), owned by the caller; NULL with e filled. */
static bool *find_shown(const CaseSheet *s, Err *e)
{
    const int last = dataset_last_value(s->info);
    bool *shown = mem_zalloc((size_t)last + 1, sizeof *shown, e);
    for (int64_t i = 0; i < array_count(s->labels) && shown; i++) {
        const int label = section_label(s->labels, i);
        if (label > 0 && label <= last) shown[label] = true;
    }
    return shown;
}

static int draw_all(Canvas *c, const CaseSheet *s, const Layout *l, const CasePictures *p, const bool *shown, Err *e)
{
    const Legend legend = {.info = s->info, .shown = shown, .width = l->width, .size = 2};
    const int height = l->legend_top + legend_height(&legend) + MARGIN;
    TRY(canvas_new(c, height, l->width + 2 * MARGIN, BACKGROUND, e));
    draw_title(c, l, s, &p->section);
    legend_draw(c, MARGIN, l->legend_top, &legend, TEXT);
    int code = 0;
    for (int i = 0; i < l->count && !code; i++) code = draw_slice(c, l, p, i, e);
    if (code) canvas_free(c);
    return code;
}

int case_sheet_draw(Canvas *c, const CaseSheet *s, Err *e)
{
    CasePictures p = case_pictures(s->geometry, s->image, s->labels);
    Layout l;
    TRY(lay_out(&l, s, &p, e));
    TRY(case_pictures_window(&p, l.parts, l.count, e));
    bool *shown = find_shown(s, e);
    const int code = shown ? draw_all(c, s, &l, &p, shown, e) : ERR_NOMEM;
    mem_free(shown);
    return code;
}

int case_sheet_write(const char *path, const CaseSheet *s, Err *e)
{
    Canvas c;
    TRY(case_sheet_draw(&c, s, e));
    const int code = picture_write(path, c.pixels, c.height, c.width, 3, e);
    canvas_free(&c);
    return code;
}
