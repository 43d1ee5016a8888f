#include "convert/stretch.h"

#include <limits.h>
#include <math.h>

#include "base/memory.h"
#include "planner/order_statistics.h"

static const double LEAST_CONTRAST = 0.001, WHITE = 255;

static int find_percentiles(double *low, double *high, const float *values, int64_t count, Err *e)
{
    int n = 0;
    *low = *high = 0;
    if (count > INT_MAX) return err_set(e, ERR_UNSUPPORTED, "more than 2^31 pixels");
    double *sorted = mem_alloc(mem_product((size_t)count, sizeof *sorted), e);
    if (!sorted) return ERR_NOMEM;
    for (int64_t i = 0; i < count; i++)
        if (values[i] != 0) sorted[n++] = values[i];
    if (n) {
        sort_doubles(sorted, n);
        *low = sorted_percentile(sorted, n, 1);
        *high = sorted_percentile(sorted, n, 99);
    }
    mem_free(sorted);
    return 0;
}

static double clip(double value, double low, double high) { return value < low ? low : value > high ? high : value; }

int stretch_channel(uint8_t *out, int stride, const float *values, int64_t count, Err *e)
{
    double low, high;
    for (int64_t i = 0; i < count; i++)
        if (!isfinite(values[i])) return err_set(e, ERR_VALUE, "pixel %lld is not finite", (long long)i);
    TRY(find_percentiles(&low, &high, values, count, e));
    const bool flat = high - low <= LEAST_CONTRAST;
    for (int64_t i = 0; i < count; i++)
        out[i * stride] =
            (uint8_t)(flat ? clip(values[i], 0, WHITE) : (clip(values[i], low, high) - low) / (high - low) * WHITE);
    return 0;
}
