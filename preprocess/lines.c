#include "preprocess/lines.h"

#include "base/half.h"
#include "preprocess/axis_map.h"

#define DEFINE_LOAD(name, type, to_double)                                                               \
    static void name(const Lines *from, double *block)                                                   \
    {                                                                                                    \
        for (int64_t i = 0; i < from->n; i++, block += AXIS_LANES) {                                     \
            const char *sample = from->data + i * from->sample_stride;                                   \
            for (int64_t l = 0; l < from->lanes; l++)                                                    \
                block[l] = to_double(*(const type *)(sample + l * from->lane_stride));                   \
            for (int64_t l = from->lanes; l < AXIS_LANES; l++) block[l] = block[from->lanes - 1];        \
        }                                                                                                \
    }

#define DEFINE_STORE(name, type, from_double)                                                            \
    static void name(const Lines *to, const double *block, Range clip)                                   \
    {                                                                                                    \
        for (int64_t i = 0; i < to->n; i++, block += AXIS_LANES) {                                       \
            char *sample = to->data + i * to->sample_stride;                                             \
            for (int64_t l = 0; l < to->lanes; l++) {                                                    \
                const double v = block[l], clipped = v < clip.low ? clip.low : v > clip.high ? clip.high : v; \
                *(type *)(sample + l * to->lane_stride) = from_double(clipped);                          \
            }                                                                                            \
        }                                                                                                \
    }

DEFINE_LOAD(load_f64, double, )
DEFINE_LOAD(load_f32, float, (double))
DEFINE_LOAD(load_f16, uint16_t, half_to_double)
DEFINE_STORE(store_f64, double, )
DEFINE_STORE(store_f32, float, (float))
DEFINE_STORE(store_f16, uint16_t, half_from_double)

void lines_load(const Lines *from, double *block)
{
    if (from->dtype == DTYPE_F64) load_f64(from, block);
    else if (from->dtype == DTYPE_F32) load_f32(from, block);
    else load_f16(from, block);
}

void lines_store(const Lines *to, const double *block, Range clip)
{
    if (to->dtype == DTYPE_F64) store_f64(to, block, clip);
    else if (to->dtype == DTYPE_F32) store_f32(to, block, clip);
    else store_f16(to, block, clip);
}
