/* Canvas: an RGB picture on which lines, areas and text are drawn. canvas_new … canvas_free. What lies outside of it is
 * not drawn. Threads may draw on different pixels of one canvas. */
#ifndef PICTURES_CANVAS_H
#define PICTURES_CANVAS_H

#include <stdint.h>

#include "base/error.h"

typedef struct Canvas {
    uint8_t *pixels; /* (height, width, 3); owned */
    int height, width;
} Canvas;

typedef struct Color {
    uint8_t r, g, b;
} Color;

/* Of a character, with the space behind it, at size 1; at size 2 it is twice as large. */
enum { GLYPH_WIDTH = 6, GLYPH_HEIGHT = 7 };

/* A canvas of one colour. Fails: ERR_NOMEM. */
int canvas_new(Canvas *c, int height, int width, Color color, Err *e);
void canvas_free(Canvas *c);

/* Mixes a pixel with a colour: share 0 … 1 of it. */
void canvas_blend(Canvas *c, int x, int y, double share, Color color);
void canvas_fill(Canvas *c, int x, int y, int width, int height, Color color);

/* Draws an anti-aliased line; thickness in pixels. */
void canvas_line(Canvas *c, double x0, double y0, double x1, double y1, double thickness, Color color);

/* Draws text with its upper left corner at (x,y), in at most `room` pixels: a longer text ends with "..". The font has
 * ASCII only: letters of Latin-1 are drawn without their accents, other characters as small boxes. */
void canvas_text(Canvas *c, int x, int y, int size, int room, const char *text, Color color);

/* The width of a text, in pixels. */
int canvas_text_width(const char *text, int size);

#endif
