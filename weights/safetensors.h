/* The safetensors format: 8 bytes header length (little-endian), a JSON header, then the numbers.
 *
 * Source: github.com/huggingface/safetensors, README "Format". A WeightsFile's notes are the header's
 * "__metadata__". The reader maps the file and checks everything in the header. */
#ifndef WEIGHTS_SAFETENSORS_H
#define WEIGHTS_SAFETENSORS_H

#include "base/error.h"
#include "weights/weights.h"

/* Maps the file; its tensors view the mapping, perhaps not aligned for their type. The caller
 * closes w with weights_close; on failure nothing is owned. Fails: ERR_IO; ERR_FORMAT with the tensor's name or the
 * header's byte; ERR_UNSUPPORTED for a type that Array does not have; ERR_NOMEM. */
int safetensors_open(WeightsFile *w, const char *path, Err *e);

/* Writes all tensors and notes, atomically and without a copy of the numbers. The numbers start at a multiple of 64
 * bytes, types of larger elements first, so that every tensor is aligned for its type. Fails: ERR_IO, ERR_NOMEM;
 * ERR_FORMAT for a name that occurs twice or is no UTF-8. */
int safetensors_write(const WeightsFile *w, const char *path, Err *e);

#endif
