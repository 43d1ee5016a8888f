#include "inference/label_rule.h"

#include <math.h>
#include <string.h>

static float sigmoid(float x) { return 1.0f / (1.0f + expf(-x)); }

static void softmax(float *out, const float *in, int heads)
{
    float largest = in[0], sum = 0;
    for (int h = 1; h < heads; h++) largest = in[h] > largest ? in[h] : largest;
    for (int h = 0; h < heads; h++) sum += out[h] = expf(in[h] - largest);
    for (int h = 0; h < heads; h++) out[h] /= sum;
}

void probabilities_of_logits(float *probabilities, const float *logits, int64_t pixels, const DatasetInfo *info)
{
    const int heads = dataset_head_count(info);
    for (int64_t i = 0; i < pixels * heads; i += heads) {
        if (!info->has_regions) softmax(probabilities + i, logits + i, heads);
        else
            for (int h = 0; h < heads; h++) probabilities[i + h] = sigmoid(logits[i + h]);
    }
}

static void labels_of(uint16_t *labels, const float *scores, int64_t pixels, const DatasetInfo *info,
                      float (*probability)(float))
{
    const int heads = dataset_head_count(info);
    for (int64_t i = 0; i < pixels; i++, scores += heads) {
        int label = 0;
        for (int h = 0; h < heads; h++) {
            if (!info->has_regions) label = scores[h] > scores[label] ? h : label;
            else if (probability(scores[h]) > 0.5f) label = info->regions_class_order[h];
        }
        labels[i] = (uint16_t)label;
    }
}

void labels_of_logits(uint16_t *labels, const float *logits, int64_t pixels, const DatasetInfo *info)
{
    labels_of(labels, logits, pixels, info, sigmoid);
}

static float itself(float probability) { return probability; }

void labels_of_probabilities(uint16_t *labels, const float *probabilities, int64_t pixels, const DatasetInfo *info)
{
    labels_of(labels, probabilities, pixels, info, itself);
}

void probabilities_outside(float *probabilities, const DatasetInfo *info)
{
    memset(probabilities, 0, (size_t)dataset_head_count(info) * sizeof *probabilities);
    if (!info->has_regions) probabilities[0] = 1;
}

DType label_dtype(const DatasetInfo *info) { return info->max_value < 255 ? DTYPE_U8 : DTYPE_U16; }

void label_row_put(const Volume *image, int64_t z, int64_t y, const uint16_t *labels)
{
    char *to = volume_row(image, z, y);
    for (int64_t x = 0; x < image->shape[2]; x++, to += image->stride[2]) {
        if (image->dtype == DTYPE_U8) *(uint8_t *)to = (uint8_t)labels[x];
        else *(uint16_t *)(void *)to = labels[x];
    }
}
