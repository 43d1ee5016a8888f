/* Reads and writes weights in either format, by the ending of the name: .safetensors, or .pth (.pt). */
#ifndef WEIGHTS_WEIGHTS_IO_H
#define WEIGHTS_WEIGHTS_IO_H

#include "base/error.h"
#include "weights/weights.h"

/* safetensors_open with a check for NaN and infinities, or pth_read_weights. Fails also: ERR_VALUE for another ending. */
int weights_read(WeightsFile *w, const char *path, Err *e);

/* safetensors_write or pth_write_weights. Fails also: ERR_VALUE for another ending. */
int weights_write(const WeightsFile *w, const char *path, Err *e);

/* ERR_VALUE for an ending that is neither, with the known ones. */
int weights_check_ending(const char *path, Err *e);

#endif
