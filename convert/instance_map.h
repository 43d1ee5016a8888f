/* Instance maps, in which each pixel has the number of its cell or other object, as labels of a dataset. */
#ifndef CONVERT_INSTANCE_MAP_H
#define CONVERT_INSTANCE_MAP_H

#include "convert/conversion.h"
#include "data/geometry.h"

enum { INSTANCE_CLASSES = 3 };
extern const DatasetLabel instance_classes[INSTANCE_CLASSES]; /* background, interior, boundary */

/* Writes the classes of the item's map (boundary.h) to labelsPART/ID+ENDING, and copies the map to instancesPART,
 * where evaluate finds it. image: shape of the map's image. Fails: ERR_SHAPE where the map has another one or several
 * channels, ERR_VALUE for a pixel that is no number of an object, as reading and writing. */
int instance_map_write(const Conversion *c, const ConversionItem *item, const Geometry *image, const char *ending,
                       Err *e);

#endif
