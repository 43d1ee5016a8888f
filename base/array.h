/* Array: a dense, row-major block of numbers with its type and shape.
 *
 * An Array owns its data (heap or a read-only mapping) or views memory that another object owns. array_free frees
 * what is owned and leaves an empty Array; `Array a = {0}` is an empty one. */
#ifndef BASE_ARRAY_H
#define BASE_ARRAY_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

typedef enum DType {
    DTYPE_F32,
    DTYPE_F64,
    DTYPE_F16,
    DTYPE_BF16,
    DTYPE_I8,
    DTYPE_I16,
    DTYPE_I32,
    DTYPE_I64,
    DTYPE_U8,
    DTYPE_U16,
    DTYPE_U32,
    DTYPE_U64,
    DTYPE_BOOL,
    DTYPE_COUNT
} DType;

typedef enum ArrayOwner { ARRAY_VIEW, ARRAY_HEAP, ARRAY_MAPPED } ArrayOwner;

enum { ARRAY_MAX_RANK = 8 };

typedef struct Array {
    DType dtype;
    int rank;
    int64_t shape[ARRAY_MAX_RANK];
    void *data;
    ArrayOwner owner;
    void *mapping; /* ARRAY_MAPPED: the argument of file_unmap */
    size_t mapping_bytes;
} Array;

/* A box of the elements of an array of rank 3: first inclusive, past exclusive, per axis. */
typedef struct Box {
    int64_t first[3], past[3];
} Box;

size_t dtype_size(DType dtype);      /* bytes of one element */
const char *dtype_name(DType dtype); /* "float32", "uint8" … as NumPy says it */

/* Checks a shape that was read from a file: its rank, its extents, and that the product of all extents that are not
 * 0 and the size of an element is below 2^63. Then no count and no stride overflows. *bytes is the size of all
 * elements. Fails: ERR_SHAPE. */
int array_check_shape(DType dtype, int rank, const int64_t *shape, size_t *bytes, Err *e);

/* A new array on the heap, zeroed. shape has `rank` extents, each >= 0.
 * Fails: ERR_NOMEM; ERR_SHAPE for a negative extent, a rank above ARRAY_MAX_RANK or an overflow. */
int array_new(Array *a, DType dtype, int rank, const int64_t *shape, Err *e);

Array array_view(DType dtype, int rank, const int64_t *shape, void *data);

int64_t array_count(const Array *a); /* number of elements */
size_t array_bytes(const Array *a);
void array_free(Array *a);

#endif
