/* Legend: the colours of labels with their names ("1 liver"), in lines of a given width. A name that is too long for a
 * line is cut. Of many labels the first are named, and the number of the others. */
#ifndef PICTURES_LEGEND_H
#define PICTURES_LEGEND_H

#include <stdbool.h>

#include "pictures/canvas.h"
#include "plans/dataset_json.h"

/* shown (dataset_last_value + 1): which labels are named; NULL: all. Without any of them it is the line "no label". */
typedef struct Legend {
    const DatasetInfo *info;
    const bool *shown;
    int width; /* pixels */
    int size;  /* of the text: 1 or 2 */
} Legend;

int legend_height(const Legend *l);
void legend_draw(Canvas *c, int x, int y, const Legend *l, Color text);

#endif
