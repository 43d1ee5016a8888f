#include "preprocess/normalize.h"

#include <math.h>

static float *row_of(const Volume *v, int64_t z, int64_t y) { return (float *)volume_row(v, z, y); }

/* value = (clipped value - shift) / divisor, rounding after each step as float32 arithmetic does */
typedef struct Rule {
    float low, high, shift, divisor;
} Rule;

static float clipped(const Rule *rule, float value)
{
    return value < rule->low ? rule->low : value > rule->high ? rule->high : value;
}

/* The rule keeps the order of values: if the ends stay numbers, all between them do. Where there are no voxels, low is above
 * high. */
static int expect_numbers(const Rule *rule, float low, float high, Err *e)
{
    const float from = (clipped(rule, low) - rule->shift) / rule->divisor;
    const float to = (clipped(rule, high) - rule->shift) / rule->divisor;
    if (low > high || (isfinite(from) && isfinite(to))) return 0;
    return err_set(
        e, ERR_VALUE,
        "values from %g to %g: normalised, they are beyond float32; divide all intensities of the dataset by "
        "a power of ten",
        (double)low, (double)high);
}

static void apply(Volume *v, const Rule *rule, const Volume *inside)
{
    const int64_t step = v->stride[2] / (int64_t)sizeof(float);
    for (int64_t z = 0; z < v->shape[0]; z++)
        for (int64_t y = 0; y < v->shape[1]; y++) {
            float *row = row_of(v, z, y);
            const int16_t *mask = inside ? (const int16_t *)volume_row(inside, z, y) : NULL;
            for (int64_t x = 0; x < v->shape[2]; x++) {
                if (mask && mask[x] < 0) continue;
                row[x * step] = (clipped(rule, row[x * step]) - rule->shift) / rule->divisor;
            }
        }
}

typedef struct OffsetSums {
    double sum, squares; /* sums of value - offset and of its square */
    int64_t count;
    float low, high;
} OffsetSums;

static OffsetSums moments(const Volume *v, const Volume *inside, double offset)
{
    OffsetSums m = {.low = INFINITY, .high = -INFINITY};
    const int64_t step = v->stride[2] / (int64_t)sizeof(float);
    for (int64_t z = 0; z < v->shape[0]; z++)
        for (int64_t y = 0; y < v->shape[1]; y++) {
            const float *row = row_of(v, z, y);
            const int16_t *mask = inside ? (const int16_t *)volume_row(inside, z, y) : NULL;
            for (int64_t x = 0; x < v->shape[2]; x++) {
                if (mask && mask[x] < 0) continue;
                const float value = row[x * step];
                const double difference = value - offset;
                m.sum += difference;
                m.squares += difference * difference;
                m.count++;
                if (value < m.low) m.low = value;
                if (value > m.high) m.high = value;
            }
        }
    return m;
}

static int normalize_zscore(Volume *v, const Volume *inside, Err *e)
{
    const OffsetSums first = moments(v, inside, 0);
    if (!first.count) return 0;
    const double mean = first.sum / (double)first.count;
    const OffsetSums second =
        moments(v, inside, mean); /* second pass with the mean as offset, so that nothing cancels */
    const double std = sqrt(second.squares / (double)second.count);
    const Rule rule = {-INFINITY, INFINITY, (float)mean, fmaxf((float)std, 1e-8f)};
    TRY(expect_numbers(&rule, first.low, first.high, e));
    apply(v, &rule, inside);
    return 0;
}

int normalize_channel(Volume *v, PlanNormalization scheme, const IntensityProperties *dataset, const Volume *inside,
                      Err *e)
{
    if (scheme == NORMALIZE_NONE) return 0;
    if (scheme == NORMALIZE_ZSCORE) return normalize_zscore(v, inside, e);
    if (scheme == NORMALIZE_CT) {
        apply(v,
              &(Rule){(float)dataset->percentile_00_5, (float)dataset->percentile_99_5, (float)dataset->mean,
                      fmaxf((float)dataset->std, 1e-8f)},
              NULL);
        return 0;
    }
    const OffsetSums m = moments(v, NULL, 0);
    if (scheme == NORMALIZE_RESCALE_0_1) {
        const Rule rule = {-INFINITY, INFINITY, m.low, fmaxf(m.high - m.low, 1e-8f)};
        TRY(expect_numbers(&rule, m.low, m.high, e));
        apply(v, &rule, NULL);
        return 0;
    }
    if (m.low < 0 || m.high > 255)
        return err_set(e, ERR_VALUE,
                       "values from %g to %g: rgb_to_0_1 expects 0 to 255; give the channel another "
                       "name in dataset.json",
                       (double)m.low, (double)m.high);
    apply(v, &(Rule){-INFINITY, INFINITY, 0, 255}, NULL);
    return 0;
}
