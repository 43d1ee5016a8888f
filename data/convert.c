#include "data/convert.h"

#include <math.h>

#define CONVERTER(NAME, TYPE)                                                                                    \
    static int64_t NAME(float *out, int64_t plane, int components, const TYPE *raw, int64_t count, double slope, \
                        double intercept)                                                                        \
    {                                                                                                            \
        int64_t first = -1;                                                                                      \
        for (int c = 0; c < components; c++) {                                                                   \
            for (int64_t i = 0; i < count; i++) {                                                                \
                const double stored = (double)raw[i * components + c];                                           \
                const float value = (float)(stored * slope + intercept);                                         \
                if (isinf(value) && isfinite(stored) && first < 0) first = i * components + c;                   \
                out[c * plane + i] = value;                                                                      \
            }                                                                                                    \
        }                                                                                                        \
        return first;                                                                                            \
    }
CONVERTER(from_u8, uint8_t)
CONVERTER(from_i8, int8_t)
CONVERTER(from_u16, uint16_t)
CONVERTER(from_i16, int16_t)
CONVERTER(from_u32, uint32_t)
CONVERTER(from_i32, int32_t)
CONVERTER(from_u64, uint64_t)
CONVERTER(from_i64, int64_t)
CONVERTER(from_f32, float)
CONVERTER(from_f64, double)

int64_t convert_to_planes(float *out, int64_t plane, int components, const void *raw, DType dtype, int64_t count,
                          double slope, double intercept)
{
    switch (dtype) {
    case DTYPE_U8: return from_u8(out, plane, components, raw, count, slope, intercept);
    case DTYPE_I8: return from_i8(out, plane, components, raw, count, slope, intercept);
    case DTYPE_U16: return from_u16(out, plane, components, raw, count, slope, intercept);
    case DTYPE_I16: return from_i16(out, plane, components, raw, count, slope, intercept);
    case DTYPE_U32: return from_u32(out, plane, components, raw, count, slope, intercept);
    case DTYPE_I32: return from_i32(out, plane, components, raw, count, slope, intercept);
    case DTYPE_U64: return from_u64(out, plane, components, raw, count, slope, intercept);
    case DTYPE_I64: return from_i64(out, plane, components, raw, count, slope, intercept);
    case DTYPE_F64: return from_f64(out, plane, components, raw, count, slope, intercept);
    default: return from_f32(out, plane, components, raw, count, slope, intercept);
    }
}
