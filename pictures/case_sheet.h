/* Case sheet: one picture of a case: its name, the slices that show most of its labels, and the labels' names. */
#ifndef PICTURES_CASE_SHEET_H
#define PICTURES_CASE_SHEET_H

#include "pictures/canvas.h"
#include "pictures/section.h"
#include "plans/dataset_json.h"

typedef struct CaseSheet {
    const char *id;
    const DatasetInfo *info; /* the labels' names */
    const Geometry *geometry;
    const Array *image;  /* float32 (C,Z,Y,X) */
    const Array *labels; /* (Z,Y,X), int16, uint8 or uint16 */
} CaseSheet;

/* A plane is one picture of 768 pixels along its longer side, a volume at most six slices of 384. *c: new, owned by the
 * caller. Fails: ERR_NOMEM. */
int case_sheet_draw(Canvas *c, const CaseSheet *s, Err *e);

/* Writes it as a PNG file. Fails: ERR_NOMEM, ERR_IO. */
int case_sheet_write(const char *path, const CaseSheet *s, Err *e);

#endif
