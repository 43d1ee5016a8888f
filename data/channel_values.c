#include "data/channel_values.h"

#include <math.h>

/* Networks sum squares of their input, over thousands of pixels, in float32, which holds up to 3e38. */
static const double least_divisor = 1e-8, largest_value = 1e15;

void channel_values_add(Text *found, float low, float high, bool is_normalised)
{
    if (low == high) text_add(found, "all voxels are %g", (double)low);
    else if (low < high && (double)high - (double)low < least_divisor)
        text_add(found,
                 "all voxels are from %g to %g, closer than 1e-8, which normalisation takes as equal (multiply the "
                 "intensities of all images by a power of ten)",
                 (double)low, (double)high);
    else if (!is_normalised && low < high && fmax(fabs(low), fabs(high)) > largest_value)
        text_add(
            found,
            "voxels are from %g to %g and are not normalised, and a network cannot compute with them: give the channel "
            "another name in dataset.json (channel_names), such as \"MRI\"",
            (double)low, (double)high);
}

static void add_channel(Text *found, const float *values, int64_t count, int64_t channel, bool is_normalised)
{
    float low = INFINITY, high = -INFINITY;
    Text one = {0};
#pragma omp parallel for schedule(static) reduction(min : low) reduction(max : high)
    for (int64_t i = 0; i < count; i++) {
        low = values[i] < low ? values[i] : low;
        high = values[i] > high ? values[i] : high;
    }
    channel_values_add(&one, low, high, is_normalised);
    if (one.length) text_add(found, "%schannel %lld: %s", found->length ? "; " : "", (long long)channel, one.data);
    found->failed |= one.failed;
    text_free(&one);
}

void channels_values_add(Text *found, const Array *voxels, const bool *is_normalised)
{
    const int64_t channels = voxels->shape[0], count = channels ? array_count(voxels) / channels : 0;
    for (int64_t c = 0; c < channels; c++)
        add_channel(found, (const float *)voxels->data + c * count, count, c, is_normalised[c]);
}
