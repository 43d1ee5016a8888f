#include "preprocess/volume.h"

#include <string.h>

static Volume volume_of(const Array *a, int first_axis, int64_t inner, int64_t offset)
{
    const int64_t item = (int64_t)dtype_size(a->dtype);
    Volume v = {.dtype = a->dtype, .data = (char *)a->data + offset * item};
    int64_t stride = inner * item;
    for (int axis = 2; axis >= 0; axis--) {
        v.shape[axis] = a->shape[first_axis + axis];
        v.stride[axis] = stride;
        stride *= v.shape[axis];
    }
    return v;
}

Volume volume_of_array(const Array *a) { return volume_of(a, 0, 1, 0); }

Volume volume_of_channel_first(const Array *a, int64_t channel)
{
    return volume_of(a, 1, 1, channel * a->shape[1] * a->shape[2] * a->shape[3]);
}

Volume volume_of_channel_last(const Array *a, int64_t channel) { return volume_of(a, 0, a->shape[3], channel); }

Volume volume_transposed(Volume v, const int order[3])
{
    Volume t = v;
    for (int i = 0; i < 3; i++) {
        t.shape[i] = v.shape[order[i]];
        t.stride[i] = v.stride[order[i]];
    }
    return t;
}

Volume volume_turned(Volume v, const GridAxes *axes)
{
    Volume t = volume_transposed(v, axes->from);
    for (int i = 0; i < 3; i++) {
        if (!axes->flip[i] || t.shape[i] == 0) continue;
        t.data += (t.shape[i] - 1) * t.stride[i];
        t.stride[i] = -t.stride[i];
    }
    return t;
}

Volume volume_with_first(Volume v, int axis)
{
    const int first = axis > 0 ? axis : 0;
    return volume_transposed(v, (const int[3]){first, first == 0 ? 1 : 0, first == 2 ? 1 : 2});
}

Volume volume_cropped(Volume v, const Box *box)
{
    for (int i = 0; i < 3; i++) {
        v.data += box->first[i] * v.stride[i];
        v.shape[i] = box->past[i] - box->first[i];
    }
    return v;
}

int64_t volume_count(const Volume *v) { return v->shape[0] * v->shape[1] * v->shape[2]; }

#define DEFINE_COPY_ROW(name, type)                                                                           \
    static void name(const char *from, int64_t from_stride, char *to, int64_t to_stride, int64_t n)           \
    {                                                                                                         \
        for (int64_t i = 0; i < n; i++)                                                                       \
            memcpy(to + i * to_stride, from + i * from_stride, sizeof(type)); /* of any type and alignment */ \
    }

DEFINE_COPY_ROW(copy_row_1, uint8_t)
DEFINE_COPY_ROW(copy_row_2, uint16_t)
DEFINE_COPY_ROW(copy_row_4, uint32_t)
DEFINE_COPY_ROW(copy_row_8, uint64_t)

void volume_copy(const Volume *from, const Volume *to)
{
    const size_t item = dtype_size(from->dtype);
    void (*const copy_row)(const char *, int64_t, char *, int64_t, int64_t) = item == 1   ? copy_row_1
                                                                              : item == 2 ? copy_row_2
                                                                              : item == 4 ? copy_row_4
                                                                                          : copy_row_8;
    for (int64_t z = 0; z < from->shape[0]; z++)
        for (int64_t y = 0; y < from->shape[1]; y++)
            copy_row(volume_row(from, z, y), from->stride[2], volume_row(to, z, y), to->stride[2], from->shape[2]);
}
