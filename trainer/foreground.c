#include "trainer/foreground.h"

#include "base/memory.h"

static int highest_label(const int16_t *labels, int64_t count, int *highest, Err *e)
{
    int16_t low = 0, high = 0;
    for (int64_t i = 0; i < count; i++) {
        if (labels[i] < low) low = labels[i];
        if (labels[i] > high) high = labels[i];
    }
    if (low < -1 || high > FOREGROUND_MAX_LABEL)
        return err_set(e, ERR_VALUE, "label value %d: expected -1 to %d", low < -1 ? low : high, FOREGROUND_MAX_LABEL);
    *highest = high;
    return 0;
}

int foreground_index_new(ForegroundIndex *index, const int16_t *labels, const int64_t shape_zyx[3], Err *e)
{
    int highest;
    const int64_t pixels = shape_zyx[1] * shape_zyx[2];
    TRY(highest_label(labels, shape_zyx[0] * pixels, &highest, e));
    *index = (ForegroundIndex){{shape_zyx[0], shape_zyx[1], shape_zyx[2]}, highest + 2, NULL};
    index->counts = mem_zalloc((size_t)(shape_zyx[0] * index->value_count), sizeof(uint32_t), e);
    if (!index->counts) return ERR_NOMEM;
    for (int64_t z = 0; z < shape_zyx[0]; z++) {
        uint32_t *counts = index->counts + z * index->value_count;
        for (int64_t i = 0; i < pixels; i++) counts[labels[z * pixels + i] + 1]++;
    }
    return 0;
}

void foreground_index_free(ForegroundIndex *index)
{
    mem_free(index->counts);
    *index = (ForegroundIndex){0};
}

static int64_t count_in_slice(const ForegroundIndex *index, const ForegroundClass *c, int64_t z)
{
    int64_t sum = 0;
    for (int i = 0; i < c->value_count; i++)
        if (c->values[i] + 1 < index->value_count) sum += index->counts[z * index->value_count + c->values[i] + 1];
    return sum;
}

int64_t foreground_count(const ForegroundIndex *index, const ForegroundClass *c)
{
    int64_t sum = 0;
    for (int64_t z = 0; z < index->shape_zyx[0]; z++) sum += count_in_slice(index, c, z);
    return sum;
}

static bool belongs(const ForegroundClass *c, int value)
{
    for (int i = 0; i < c->value_count; i++)
        if (c->values[i] == value) return true;
    return false;
}

void foreground_voxel(const ForegroundIndex *index, const int16_t *labels, const ForegroundClass *c, int64_t rank,
                      int64_t voxel_zyx[3])
{
    int64_t z = 0;
    for (int64_t here; rank >= (here = count_in_slice(index, c, z)); z++) rank -= here;
    const int64_t width = index->shape_zyx[2], pixels = index->shape_zyx[1] * width;
    const int16_t *slice = labels + z * pixels;
    int64_t i = 0;
    while (!belongs(c, slice[i]) || rank-- > 0) i++;
    voxel_zyx[0] = z;
    voxel_zyx[1] = i / width;
    voxel_zyx[2] = i % width;
}
