#include "preprocess/lines.h"

#include "base/half.h"

#define DEFINE_LOAD(name, type, to_double)                                                                     \
    static void name(const Line *line, double *values)                                                         \
    {                                                                                                          \
        for (int64_t i = 0; i < line->n; i++) values[i] = to_double(*(type *)(line->data + i * line->stride)); \
    }

#define DEFINE_STORE(name, type, from_double)                                                              \
    static void name(const Line *line, const double *values, Range clip)                                   \
    {                                                                                                      \
        for (int64_t i = 0; i < line->n; i++) {                                                            \
            const double v = values[i], clipped = v < clip.low ? clip.low : v > clip.high ? clip.high : v; \
            *(type *)(line->data + i * line->stride) = from_double(clipped);                               \
        }                                                                                                  \
    }

DEFINE_LOAD(load_f64, double, )
DEFINE_LOAD(load_f32, float, (double))
DEFINE_LOAD(load_f16, uint16_t, half_to_double)
DEFINE_STORE(store_f64, double, )
DEFINE_STORE(store_f32, float, (float))
DEFINE_STORE(store_f16, uint16_t, half_from_double)

void line_load(const Line *line, double *values)
{
    if (line->dtype == DTYPE_F64) load_f64(line, values);
    else if (line->dtype == DTYPE_F32) load_f32(line, values);
    else load_f16(line, values);
}

void line_store(const Line *line, const double *values, Range clip)
{
    if (line->dtype == DTYPE_F64) store_f64(line, values, clip);
    else if (line->dtype == DTYPE_F32) store_f32(line, values, clip);
    else store_f16(line, values, clip);
}

Plane plane_of(const Volume *v, int axis, int64_t at)
{
    const int a = axis == 0 ? 1 : 0, b = axis == 2 ? 1 : 2;
    char *data = v->data + at * v->stride[axis];
    return (Plane){v->dtype, data, {v->shape[a], v->shape[b]}, {v->stride[a], v->stride[b]}};
}

Plane plane_of_doubles(double *data, int64_t rows, int64_t columns)
{
    const int64_t item = sizeof(double);
    return (Plane){DTYPE_F64, (char *)data, {rows, columns}, {columns * item, item}};
}

Line plane_row(const Plane *p, int64_t row)
{
    return (Line){p->dtype, p->data + row * p->stride[0], p->shape[1], p->stride[1]};
}
