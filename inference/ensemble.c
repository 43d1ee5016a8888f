#include "inference/ensemble.h"

#include <string.h>

#include "base/half.h"
#include "inference/label_rule.h"

int ensemble_add(Array *sum, const Array *part, Err *e)
{
    if (part->rank != sum->rank || memcmp(part->shape, sum->shape, (size_t)sum->rank * sizeof *sum->shape))
        return err_set(e, ERR_SHAPE, "probabilities of another shape than those before");
    if (part->dtype != DTYPE_F32 && part->dtype != DTYPE_F16)
        return err_set(e, ERR_SHAPE, "probabilities of type %s, expected float32 or float16",
                       dtype_name(part->dtype));
    float *to = sum->data;
    for (int64_t i = 0; i < array_count(sum); i++)
        to[i] += part->dtype == DTYPE_F32 ? ((const float *)part->data)[i]
                                          : (float)half_to_double(((const uint16_t *)part->data)[i]);
    return 0;
}

void ensemble_finish(Array *sum, int parts, const DatasetInfo *info, Array *labels)
{
    enum { MAX_HEADS = 1024 };
    float *values = sum->data, pixel[MAX_HEADS];
    const int64_t voxels = array_count(labels);
    const int heads = (int)sum->shape[0];
    for (int64_t i = 0; i < array_count(sum); i++) values[i] /= (float)parts;
    for (int64_t i = 0; i < voxels; i++) {
        for (int h = 0; h < heads && h < MAX_HEADS; h++) pixel[h] = values[h * voxels + i];
        const int label = label_of_probabilities(info, heads < MAX_HEADS ? heads : MAX_HEADS, pixel);
        if (labels->dtype == DTYPE_U8) ((uint8_t *)labels->data)[i] = (uint8_t)label;
        else ((uint16_t *)labels->data)[i] = (uint16_t)label;
    }
}
