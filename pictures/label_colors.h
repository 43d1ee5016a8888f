/* Label colours: the one palette of all pictures.
 *
 * 20 colours that people with normal and with colour-blind eyes can tell apart, and tell from gray images. They were
 * found by a search for the largest least distance in CIELAB (CIE76) between any two of them and between each and every
 * gray, in normal sight and as seen with protanopia, deuteranopia and tritanopia (Machado, Oliveira and Fernandes, 2009, A
 * Physiologically-based Model for Simulation of Color Vision Deficiency; severity 1.0). tests/test_drawing.c computes
 * these distances. Colours of the first labels differ most; the first one is green, because tissue in colour images is mostly
 * red, purple or brown.
 *
 * From label 21 on the colours repeat, and contours are dashed: to label 40 with short dashes, to 60 with dashes twice as
 * long, and so on. */
#ifndef PICTURES_LABEL_COLORS_H
#define PICTURES_LABEL_COLORS_H

#include <stdbool.h>

#include "pictures/canvas.h"

enum { LABEL_COLORS = 20 };

/* The colour of a label, from 1 on. */
Color label_color(int label);

/* The length of the dashes of a label's contour, in pixels; 0: the contour is a whole line. */
int label_dash(int label);

/* Whether a pixel of a dashed contour is in a gap. */
bool label_gap(int label, int x, int y);

/* Draws a label's sign in a legend: its light fill and its contour. */
void label_swatch(Canvas *c, int x, int y, int size, int label);

/* The share of the label's colour within its contour. */
#define LABEL_FILL 0.3

#endif
