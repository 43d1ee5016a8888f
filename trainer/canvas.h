/* Canvas: a small RGB picture for curves and text. canvas_new … canvas_free. */
#ifndef TRAINER_CANVAS_H
#define TRAINER_CANVAS_H

#include <stdint.h>

#include "base/error.h"

typedef struct Canvas {
    uint8_t *pixels; /* (height, width, 3); owned */
    int height, width;
} Canvas;

typedef struct Color {
    uint8_t r, g, b;
} Color;

enum { GLYPH_WIDTH = 12, GLYPH_HEIGHT = 14 }; /* of a character, with the space behind it */

int canvas_new(Canvas *c, int height, int width, Err *e); /* white */
void canvas_free(Canvas *c);

/* Draws an anti-aliased line; thickness in pixels. */
void canvas_line(Canvas *c, double x0, double y0, double x1, double y1, double thickness, Color color);

/* Draws ASCII text with its upper left corner at (x,y); other characters become a space. */
void canvas_text(Canvas *c, int x, int y, const char *text, Color color);

#endif
