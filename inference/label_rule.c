#include "inference/label_rule.h"

#include <math.h>

static float sigmoid(float x) { return 1.0f / (1.0f + expf(-x)); }

static int first_of_largest(int heads, const float *values)
{
    int best = 0;
    for (int h = 1; h < heads; h++)
        if (values[h] > values[best]) best = h;
    return best;
}

void label_probabilities(const DatasetInfo *info, int heads, const float *logits, float *probabilities)
{
    if (info->has_regions) {
        for (int h = 0; h < heads; h++) probabilities[h] = sigmoid(logits[h]);
        return;
    }
    const float largest = logits[first_of_largest(heads, logits)];
    float sum = 0;
    for (int h = 0; h < heads; h++) sum += probabilities[h] = expf(logits[h] - largest);
    for (int h = 0; h < heads; h++) probabilities[h] /= sum;
}

int label_of_logits(const DatasetInfo *info, int heads, const float *logits)
{
    if (!info->has_regions) return first_of_largest(heads, logits);
    int label = 0;
    for (int h = 0; h < heads; h++)
        if (sigmoid(logits[h]) > 0.5f) label = info->regions_class_order[h];
    return label;
}

int label_of_probabilities(const DatasetInfo *info, int heads, const float *probabilities)
{
    if (!info->has_regions) return first_of_largest(heads, probabilities);
    int label = 0;
    for (int h = 0; h < heads; h++)
        if (probabilities[h] > 0.5f) label = info->regions_class_order[h];
    return label;
}
