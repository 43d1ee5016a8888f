#include "base/array.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"

static const struct {
    const char *name;
    size_t size;
} dtypes[DTYPE_COUNT] = {
    [DTYPE_F32] = {"float32", 4},   [DTYPE_F64] = {"float64", 8}, [DTYPE_F16] = {"float16", 2},
    [DTYPE_BF16] = {"bfloat16", 2}, [DTYPE_I8] = {"int8", 1},     [DTYPE_I16] = {"int16", 2},
    [DTYPE_I32] = {"int32", 4},     [DTYPE_I64] = {"int64", 8},   [DTYPE_U8] = {"uint8", 1},
    [DTYPE_U16] = {"uint16", 2},    [DTYPE_U32] = {"uint32", 4},  [DTYPE_U64] = {"uint64", 8},
    [DTYPE_BOOL] = {"bool", 1},
};

size_t dtype_size(DType dtype) { return dtypes[dtype].size; }
const char *dtype_name(DType dtype) { return dtypes[dtype].name; }

int array_check_shape(DType dtype, int rank, const int64_t *shape, size_t *bytes, Err *e)
{
    if (rank < 0 || rank > ARRAY_MAX_RANK)
        return err_set(e, ERR_SHAPE, "an array of rank %d: at most %d", rank, ARRAY_MAX_RANK);
    size_t most = dtype_size(dtype);
    bool is_empty = false;
    for (int i = 0; i < rank; i++) {
        if (shape[i] < 0) return err_set(e, ERR_SHAPE, "an array extent of %lld", (long long)shape[i]);
        is_empty = is_empty || shape[i] == 0;
        most = mem_product(most, shape[i] ? (size_t)shape[i] : 1);
    }
    if (most > PTRDIFF_MAX) return err_set(e, ERR_SHAPE, "the array's extents multiply to more than 2^63 bytes");
    *bytes = is_empty ? 0 : most;
    return 0;
}

int array_new(Array *a, DType dtype, int rank, const int64_t *shape, Err *e)
{
    *a = (Array){.dtype = dtype, .rank = rank, .owner = ARRAY_HEAP};
    size_t bytes;
    TRY(array_check_shape(dtype, rank, shape, &bytes, e));
    for (int i = 0; i < rank; i++) a->shape[i] = shape[i];
    a->data = mem_zalloc(bytes, 1, e);
    return a->data ? 0 : ERR_NOMEM;
}

Array array_view(DType dtype, int rank, const int64_t *shape, void *data)
{
    Array a = {.dtype = dtype, .rank = rank, .data = data, .owner = ARRAY_VIEW};
    memcpy(a.shape, shape, (size_t)rank * sizeof *shape);
    return a;
}

int64_t array_count(const Array *a)
{
    int64_t count = 1;
    for (int i = 0; i < a->rank; i++) count *= a->shape[i];
    return count;
}

size_t array_bytes(const Array *a) { return (size_t)array_count(a) * dtype_size(a->dtype); }

void array_free(Array *a)
{
    if (a->owner == ARRAY_HEAP) mem_free(a->data);
    if (a->owner == ARRAY_MAPPED) file_unmap(a->mapping, a->mapping_bytes);
    *a = (Array){0};
}
