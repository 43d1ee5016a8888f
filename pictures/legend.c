#include "pictures/legend.h"

#include <stdio.h>

#include "pictures/label_colors.h"

enum { MOST = 60, ENTRY_BYTES = 160 };

/* Puts entries one after another, in lines; without a canvas it only finds their places. */
typedef struct Pen {
    const Legend *legend;
    Canvas *canvas;
    int left, top; /* of the legend in the canvas */
    int x, y;      /* of the next entry in the legend */
    Color color;
} Pen;

static int line_height(const Legend *l) { return (GLYPH_HEIGHT + 4) * l->size; }

/* label 0: a text without a colour. */
static void put(Pen *p, int label, const char *text)
{
    const Legend *l = p->legend;
    const int swatch = (GLYPH_HEIGHT + 2) * l->size, indent = label ? swatch + 2 * l->size : 0;
    const int width = indent + canvas_text_width(text, l->size);
    if (p->x && p->x + width > l->width) {
        p->x = 0;
        p->y += line_height(l);
    }
    const int x = p->left + p->x, y = p->top + p->y;
    if (p->canvas && label) label_swatch(p->canvas, x, y, swatch, label);
    if (p->canvas) canvas_text(p->canvas, x + indent, y + l->size, l->size, l->width - indent, text, p->color);
    p->x += width + 2 * GLYPH_WIDTH * l->size;
}

static void put_label(Pen *p, int label)
{
    char text[ENTRY_BYTES];
    const char *name = dataset_value_name(p->legend->info, label);
    if (name) snprintf(text, sizeof text, "%d %s", label, name);
    else snprintf(text, sizeof text, "label %d", label);
    put(p, label, text);
}

static void put_all(Pen *p)
{
    const Legend *l = p->legend;
    char text[ENTRY_BYTES];
    int count = 0;
    for (int label = 1; label <= dataset_last_value(l->info); label++)
        if ((!l->shown || l->shown[label]) && ++count <= MOST) put_label(p, label);
    if (!count) put(p, 0, "no label");
    if (count <= MOST) return;
    snprintf(text, sizeof text, "and %d more", count - MOST);
    put(p, 0, text);
}

int legend_height(const Legend *l)
{
    Pen pen = {.legend = l};
    put_all(&pen);
    return pen.y + line_height(l);
}

void legend_draw(Canvas *c, int x, int y, const Legend *l, Color text)
{
    Pen pen = {.legend = l, .canvas = c, .left = x, .top = y, .color = text};
    put_all(&pen);
}
