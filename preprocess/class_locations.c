#include "preprocess/class_locations.h"

#include <math.h>

#include "base/memory.h"
#include "base/random.h"

enum { MIN_SAMPLES = 10000, COLUMNS = 4, SEED = 1234 };

static int foreground_regions(const DatasetInfo *info)
{
    int count = 0;
    while (dataset_foreground(info, count) >= 0) count++;
    return count;
}

int class_locations_classes(const DatasetInfo *info)
{
    return (info->has_regions ? foreground_regions(info) : info->max_value) + (info->ignore_value >= 0);
}

enum { NO_VALUE = -2 };

/* The i-th label value of a class, NO_VALUE after the last one. */
static int class_value(const DatasetInfo *info, int class_index, int i)
{
    if (info->ignore_value >= 0 && class_index == class_locations_classes(info) - 1)
        return i - 1 <= info->max_value ? i - 1 : NO_VALUE;
    if (!info->has_regions) return i == 0 ? class_index + 1 : NO_VALUE;
    const DatasetLabel *region = &info->labels[dataset_foreground(info, class_index)];
    return i < region->value_count ? region->values[i] : NO_VALUE;
}

/* counts[1 + value]: voxels of each value from -1 up to max_value. */
static int64_t *count_values(const Array *labels, int max_value, Err *e)
{
    int64_t *counts = mem_zalloc((size_t)max_value + 2, sizeof *counts, e);
    if (!counts) return NULL;
    const int16_t *voxels = labels->data;
    for (int64_t i = 0, n = array_count(labels); i < n; i++)
        if (voxels[i] >= -1 && voxels[i] <= max_value) counts[1 + voxels[i]]++;
    return counts;
}

static int64_t class_count(const DatasetInfo *info, int class_index, const int64_t *counts)
{
    int64_t total = 0;
    for (int i = 0, value; (value = class_value(info, class_index, i)) != NO_VALUE; i++) total += counts[1 + value];
    return total;
}

static int64_t sample_count(int64_t n)
{
    const int64_t few = n < MIN_SAMPLES ? n : MIN_SAMPLES, share = (int64_t)ceil((double)n * 0.01);
    return few > share ? few : share;
}

/* The flat indices of a class's voxels: label by label, in C order within each. */
static void collect(uint32_t *voxels, const Array *labels, const DatasetInfo *info, int class_index,
                    const int64_t *counts)
{
    const int16_t *label = labels->data;
    const int64_t n = array_count(labels);
    for (int k = 0, value; (value = class_value(info, class_index, k)) != NO_VALUE; k++) {
        uint32_t *const past = voxels + counts[1 + value];
        for (int64_t i = 0; i < n && voxels < past; i++)
            if (label[i] == value) *voxels++ = (uint32_t)i;
    }
}

static void shuffle(Mt19937 *generator, uint32_t *voxels, int64_t n)
{
    for (int64_t i = n - 1; i > 0; i--) {
        const uint32_t j = mt_bounded(generator, (uint32_t)i), held = voxels[i];
        voxels[i] = voxels[j];
        voxels[j] = held;
    }
}

static void write_rows(int32_t *row, int class_index, const uint32_t *voxels, int64_t count, const int64_t shape[3])
{
    for (int64_t i = 0; i < count; i++, row += COLUMNS) {
        const int64_t line = voxels[i] / shape[2];
        row[0] = class_index;
        row[1] = (int32_t)(line / shape[1]);
        row[2] = (int32_t)(line % shape[1]);
        row[3] = (int32_t)(voxels[i] % shape[2]);
    }
}

int class_locations_sample(Array *locations, const Array *labels, const DatasetInfo *info, Err *e)
{
    if (array_count(labels) > UINT32_MAX) return err_set(e, ERR_UNSUPPORTED, "a case of 2^32 voxels or more");
    const int classes = class_locations_classes(info);
    int64_t rows = 0, largest = 0;
    *locations = (Array){0};
    int64_t *counts = count_values(labels, info->max_value, e);
    if (!counts) return ERR_NOMEM;
    for (int c = 0; c < classes; c++) {
        const int64_t n = class_count(info, c, counts);
        rows += sample_count(n);
        if (n > largest) largest = n;
    }
    int code = ERR_NOMEM;
    uint32_t *voxels = mem_alloc((size_t)largest * sizeof *voxels, e);
    if (!voxels || (code = array_new(locations, DTYPE_I32, 2, (const int64_t[]){rows, COLUMNS}, e))) goto done;
    Mt19937 generator;
    mt_seed(&generator, SEED);
    int32_t *row = locations->data;
    for (int c = 0; c < classes; c++) {
        const int64_t n = class_count(info, c, counts), k = sample_count(n);
        collect(voxels, labels, info, c, counts);
        shuffle(&generator, voxels, n);
        write_rows(row, c, voxels, k, labels->shape);
        row += k * COLUMNS;
    }
done:
    mem_free(voxels);
    mem_free(counts);
    return code;
}

/* The first row whose class is class_index or higher. */
static int64_t lower_bound(const Array *locations, int class_index)
{
    const int32_t *rows = locations->data;
    int64_t low = 0, high = locations->shape[0];
    while (low < high) {
        const int64_t middle = low + (high - low) / 2;
        if (rows[middle * COLUMNS] < class_index) low = middle + 1;
        else high = middle;
    }
    return low;
}

void class_locations_range(const Array *locations, int class_index, int64_t *first, int64_t *past)
{
    *first = lower_bound(locations, class_index);
    *past = lower_bound(locations, class_index + 1);
}
