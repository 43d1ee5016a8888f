/* Canvas: a small RGB picture to draw curves and words on. `Canvas c` from canvas_new, canvas_free. */
#ifndef TRAINER_CANVAS_H
#define TRAINER_CANVAS_H

#include <stdint.h>

#include "base/error.h"

typedef struct Canvas {
    uint8_t *pixels;   /* (height, width, 3); owned */
    int height, width;
} Canvas;

typedef struct Color {
    uint8_t r, g, b;
} Color;

enum { GLYPH_WIDTH = 12, GLYPH_HEIGHT = 14 };  /* of a character, with the gap behind it */

int canvas_new(Canvas *c, int height, int width, Err *e);   /* white */
void canvas_free(Canvas *c);

/* A smooth line of that thickness in pixels. */
void canvas_line(Canvas *c, double x0, double y0, double x1, double y1, double thickness, Color color);

/* ASCII text, its upper left corner at (x,y); other characters leave a gap. */
void canvas_text(Canvas *c, int x, int y, const char *text, Color color);

#endif
