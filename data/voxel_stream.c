#include "data/voxel_stream.h"

#include <ctype.h>
#include <math.h>
#include <nifti2_io.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "data/convert.h"

enum { CHUNK_BYTES = 1 << 18, MAX_NUMBER = 64 };

static int64_t plane_of(const VoxelLayout *l) { return l->shape_zyx[0] * l->shape_zyx[1] * l->shape_zyx[2]; }

uint64_t voxels_bytes(const VoxelLayout *l)
{
    size_t bytes = mem_product(dtype_size(l->dtype), (size_t)l->components);
    for (int i = 0; i < 3; i++) bytes = mem_product(bytes, (size_t)l->shape_zyx[i]);
    return mem_product(bytes, (size_t)l->volumes);
}

int voxels_new(Array *voxels, const VoxelLayout *l, Err *e)
{
    const int64_t *n = l->shape_zyx;
    int64_t channels;
    if (__builtin_mul_overflow(l->components, l->volumes, &channels)) channels = INT64_MAX;
    return array_new(voxels, DTYPE_F32, 4, (int64_t[]){channels, n[0], n[1], n[2]}, e);
}

/* The destination of voxel i of all volumes, and the number of voxels left in its volume. */
static float *place_of(float *out, const VoxelLayout *l, int64_t i, int64_t *left)
{
    const int64_t plane = plane_of(l);
    *left = plane - i % plane;
    return out + i / plane * plane * l->components + i % plane;
}

static int too_large(const ByteSource *s, int64_t voxel, Err *e)
{
    return err_set(e, ERR_VALUE, "%s: voxel %lld in storage order does not fit float32", s->path, (long long)voxel);
}

static int read_chunks(float *out, const VoxelLayout *l, ByteSource *s, void *chunk, int64_t most, int64_t first,
                       int64_t count, Err *e)
{
    const int64_t value_bytes = (int64_t)dtype_size(l->dtype);
    for (int64_t i = first, step; i < first + count; i += step) {
        float *to = place_of(out, l, i, &step);
        if (step > most) step = most;
        if (step > first + count - i) step = first + count - i;
        TRY(source_read(s, chunk, (size_t)(step * value_bytes * l->components), e));
        if (l->swapped && value_bytes > 1) nifti_swap_Nbytes(step * l->components, (int)value_bytes, chunk);
        const int64_t bad =
            convert_to_planes(to, plane_of(l), (int)l->components, chunk, l->dtype, step, l->slope, l->intercept);
        if (bad >= 0) return too_large(s, i + bad / l->components, e);
    }
    return 0;
}

int voxels_read(float *out, const VoxelLayout *l, ByteSource *s, int64_t first, int64_t count, Err *e)
{
    const int64_t voxel_bytes = (int64_t)dtype_size(l->dtype) * l->components;
    const int64_t most = voxel_bytes < CHUNK_BYTES ? CHUNK_BYTES / voxel_bytes : 1;
    void *chunk = mem_alloc((size_t)(most * voxel_bytes), e);
    if (!chunk) return ERR_NOMEM;
    const int failed = read_chunks(out, l, s, chunk, most, first, count, e);
    mem_free(chunk);
    return failed;
}

/* The next number of the text in a plain source. */
static int next_number(double *value, ByteSource *s, int64_t index, Err *e)
{
    char text[MAX_NUMBER], *end;
    size_t length = 0;
    while (s->at < s->count && isspace(s->bytes[s->at])) s->at++;
    while (s->at < s->count && !isspace(s->bytes[s->at]) && length + 1 < sizeof text)
        text[length++] = (char)s->bytes[s->at++];
    text[length] = '\0';
    if (!length)
        return err_set(e, ERR_FORMAT, "%s: cut off: value %lld of its voxels is missing", s->path, (long long)index);
    *value = strtod(text, &end);
    if (!*end) return 0;
    /* The text itself is not told: it may be that of another file. */
    return err_set(e, ERR_FORMAT, "%s: value %lld of its voxels is no number", s->path, (long long)index);
}

int voxels_read_text(float *out, const VoxelLayout *l, ByteSource *s, int64_t first, int64_t count, Err *e)
{
    const int64_t plane = plane_of(l);
    int64_t left;
    for (int64_t i = first; i < first + count; i++) {
        float *to = place_of(out, l, i, &left);
        for (int64_t c = 0; c < l->components; c++) {
            double stored = 0;
            TRY(next_number(&stored, s, i * l->components + c, e));
            to[c * plane] = (float)(stored * l->slope + l->intercept);
            if (isinf(to[c * plane]) && isfinite(stored)) return too_large(s, i, e);
        }
    }
    return 0;
}
