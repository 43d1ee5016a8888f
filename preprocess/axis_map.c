#include "preprocess/axis_map.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"

static void cubic_weights(double x, double *w)
{
    /* The cubic B-spline at distances 1 + x, x, 1 - x, 2 - x. */
    const double y = 1 - x;
    w[0] = y * y * y / 6;
    w[1] = (x * x * (x - 2) * 3 + 4) / 6;
    w[2] = (y * y * (y - 2) * 3 + 4) / 6;
    w[3] = 1 - w[0] - w[1] - w[2];
}

static void map_sample(AxisMap *m, int64_t k)
{
    const double t = ((double)k + 0.5) * ((double)m->in / (double)m->out) - 0.5;
    const double whole = floor(m->order == 0 ? t + 0.5 : t), fraction = t - whole;
    double *w = m->weights + k * m->taps;
    m->first[k] = (int32_t)whole - (m->order == 3);
    if (m->order == 0) w[0] = 1, m->first[k] = (int32_t)axis_clamp(m, m->first[k]);
    if (m->order == 1) w[0] = 1 - fraction, w[1] = 1 - w[0]; /* as in scipy: the last weight is 1 minus the first */
    if (m->order == 3) cubic_weights(fraction, w);
}

int axis_map_new(AxisMap *m, int64_t in, int64_t out, int order, Err *e)
{
    *m = (AxisMap){.order = order, .taps = order + 1, .in = in, .out = out, .identity = in == out};
    if (order != 0 && order != 1 && order != 3)
        return err_set(e, ERR_VALUE, "a resampling order of %d: expected 0, 1 or 3", order);
    m->first = mem_alloc(mem_product((size_t)out, sizeof *m->first), e);
    m->weights = mem_alloc(mem_product((size_t)out, (size_t)m->taps * sizeof *m->weights), e);
    if (!m->first || !m->weights) {
        axis_map_free(m);
        return ERR_NOMEM;
    }
    for (int64_t k = 0; k < out; k++) map_sample(m, k);
    return 0;
}

void axis_map_free(AxisMap *m)
{
    mem_free(m->first);
    mem_free(m->weights);
    *m = (AxisMap){0};
}

int64_t axis_block_size(const AxisMap *m) { return (m->in + 2 * AXIS_MARGIN) * AXIS_LANES; }

/* Samples to coefficients of the interpolating cubic B-spline (Unser 1999; pole sqrt(3) - 2, gain 6), the edge
 * values being continued to infinity on both sides: there both recursions have a closed form. */
static void cubic_prefilter(double *block, int64_t n)
{
    const double z = sqrt(3.0) - 2, gain = 6;
    double *first = block + AXIS_MARGIN * AXIS_LANES, *last = first + (n - 1) * AXIS_LANES;
    for (int l = 0; l < AXIS_LANES; l++) {
        const double before = gain * first[l] / (1 - z);
        for (int i = 1; i <= AXIS_MARGIN; i++) first[l - i * AXIS_LANES] = before;
        last[l + AXIS_LANES] = gain * last[l] / (1 - z); /* limit of the causal recursion */
    }
    for (double *c = first; c <= last; c += AXIS_LANES)
        for (int l = 0; l < AXIS_LANES; l++) c[l] = gain * c[l] + z * c[l - AXIS_LANES];
    for (int l = 0; l < AXIS_LANES; l++) {
        const double limit = last[l + AXIS_LANES], difference = last[l] - limit;
        const double steady = -z * limit / (1 - z), decaying = -z * difference / (1 - z * z);
        last[l + 2 * AXIS_LANES] = steady + z * z * decaying;
        last[l + AXIS_LANES] = steady + z * decaying;
        last[l] = steady + decaying;
    }
    for (double *c = last - AXIS_LANES; c >= block; c -= AXIS_LANES)
        for (int l = 0; l < AXIS_LANES; l++) c[l] = z * (c[l + AXIS_LANES] - c[l]);
}

void axis_resize(const AxisMap *m, double *block, double *out)
{
    double *samples = block + AXIS_MARGIN * AXIS_LANES;
    if (m->order == 3) {
        cubic_prefilter(block, m->in);
    } else {
        memcpy(samples - AXIS_LANES, samples, AXIS_LANES * sizeof *block);
        memcpy(samples + m->in * AXIS_LANES, samples + (m->in - 1) * AXIS_LANES, AXIS_LANES * sizeof *block);
    }
    for (int64_t k = 0; k < m->out; k++, out += AXIS_LANES) {
        const double *from = samples + (int64_t)m->first[k] * AXIS_LANES, *w = m->weights + k * m->taps;
        if (m->order == 3)
            for (int l = 0; l < AXIS_LANES; l++)
                out[l] = w[0] * from[l] + w[1] * from[l + AXIS_LANES] + w[2] * from[l + 2 * AXIS_LANES] +
                         w[3] * from[l + 3 * AXIS_LANES];
        else if (m->order == 1)
            for (int l = 0; l < AXIS_LANES; l++) out[l] = w[0] * from[l] + w[1] * from[l + AXIS_LANES];
        else
            for (int l = 0; l < AXIS_LANES; l++) out[l] = from[l];
    }
}
