/* Slice pictures: slices of a case, in gray or in colours, with contours and a light fill of the labels.
 *
 *   CasePictures p = case_pictures(&geometry, &voxels, &labels);
 *   SlicePart whole = slice_whole(&p.section, 17);
 *   case_pictures_window(&p, &whole, 1, e);         // the gray values
 *   slice_fit(&p.section, 384, size);
 *   slice_draw(&canvas, x, y, size, &p, &whole, 2, e);
 * Pictures have the true proportions in millimetres. A plain value that borrows its arrays. */
#ifndef PICTURES_SLICE_PICTURE_H
#define PICTURES_SLICE_PICTURE_H

#include "pictures/canvas.h"
#include "pictures/section.h"

typedef struct CasePictures {
    Section section;
    const Array *image;    /* float32 (C,Z,Y,X), or empty: black */
    const Array *labels;   /* as section_label reads; or empty */
    int channels;          /* 3: shown as red, green and blue; 1: the first one in gray */
    float low[3], high[3]; /* the values that are shown as black and as white */
} CasePictures;

/* A 2-D image of three channels, or of four (the last is alpha), is shown in colours. */
CasePictures case_pictures(const Geometry *g, const Array *image, const Array *labels);

/* A rectangle of a slice, in voxels. */
typedef struct SlicePart {
    int64_t slice, row, column, height, width;
} SlicePart;

SlicePart slice_whole(const Section *s, int64_t slice);

/* Gray: from the 0.5th to the 99.5th percentile of the finite values in these parts. Colours: 0 to 255, or to the largest
 * value if it is above. Fails: ERR_NOMEM. */
int case_pictures_window(CasePictures *p, const SlicePart *parts, int count, Err *e);

/* The size {height, width} of a whole slice's picture, of which the longer side has `longest` pixels. */
void slice_fit(const Section *s, int longest, int size[2]);

/* The labels of a picture's pixels; *shown (height, width) is owned by the caller. Of the voxels under a pixel the label
 * counts that is rarest in the part, so that small structures stay visible. Fails: ERR_NOMEM. */
int slice_labels(int **shown, const int size[2], const CasePictures *p, const SlicePart *part, Err *e);

/* Draws a part into the canvas, with its upper left corner at (x,y); a pixel is the mean of its voxels. line: thickness of
 * the contours in pixels, drawn within the label; 0: no labels. Fails: ERR_NOMEM. */
int slice_draw(Canvas *c, int x, int y, const int size[2], const CasePictures *p, const SlicePart *part, int line,
               Err *e);

#endif
