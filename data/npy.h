/* .npy files: NumPy's format for one array (numpy.lib.format, versions 1.0, 2.0 and 3.0).
 *
 * Little-endian, C order, every DType (bfloat16 as ml_dtypes writes it: "<V2"). Reading maps the file read-only:
 * opening reads no data, and processes share the pages. */
#ifndef DATA_NPY_H
#define DATA_NPY_H

#include "base/array.h"
#include "base/error.h"
#include "base/file.h"

/* The array in the file: ARRAY_MAPPED, data not writable; or ARRAY_HEAP where the file's data are not aligned to an
 * element (NumPy aligns them) or there are none. The caller frees it (array_free). Fails: ERR_IO; ERR_FORMAT (no
 * .npy, bad header, fewer bytes than the shape needs); ERR_UNSUPPORTED (Fortran order, big-endian, another dtype);
 * ERR_SHAPE (rank); ERR_NOMEM. */
int npy_read(Array *a, const char *path, Err *e);

/* Writes a as version 1.0, atomically. Fails: ERR_IO, ERR_NOMEM. */
int npy_write(const char *path, const Array *a, Err *e);

/* Begins such a file: the caller writes the numbers in C order (file_write), then file_commit or file_abort.
 * On failure nothing is open. Fails: ERR_IO, ERR_NOMEM. */
int npy_create(OutFile *f, const char *path, DType dtype, int rank, const int64_t *shape, Err *e);

#endif
