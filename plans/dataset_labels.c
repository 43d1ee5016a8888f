/* Numbers of classes and values of a dataset's labels (dataset_json.h). */
#include "plans/dataset_json.h"

static bool is_background(const DatasetLabel *label) { return label->value_count == 1 && label->values[0] == 0; }

int dataset_label_entries(const DatasetInfo *info) { return info->label_count + (info->ignore_value >= 0); }

int dataset_head_count(const DatasetInfo *info)
{
    if (!info->has_regions) return info->max_value + 1;
    int regions = 0;
    for (int i = 0; i < info->label_count; i++) regions += !is_background(&info->labels[i]);
    return regions;
}

bool dataset_knows_value(const DatasetInfo *info, int64_t value)
{
    return value >= 0 && (value <= info->max_value || value == info->ignore_value);
}

int dataset_foreground(const DatasetInfo *info, int k)
{
    for (int i = 0; i < info->label_count; i++)
        if (!is_background(&info->labels[i]) && k-- == 0) return i;
    return -1;
}
