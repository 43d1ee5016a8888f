/* Numbers of classes and values of a dataset's labels (dataset_json.h). */
#include <stddef.h>

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

int dataset_last_value(const DatasetInfo *info)
{
    return info->ignore_value > info->max_value ? info->ignore_value : info->max_value;
}

static bool contains(const DatasetLabel *label, int value)
{
    for (int i = 0; i < label->value_count; i++)
        if (label->values[i] == value) return true;
    return false;
}

/* The region that is written with this value. */
static const DatasetLabel *region_written(const DatasetInfo *info, int value)
{
    for (int k = 0; k < info->regions_class_count && info->has_regions; k++)
        if (info->regions_class_order[k] == value) return &info->labels[dataset_foreground(info, k)];
    return NULL;
}

static const DatasetLabel *smallest_with(const DatasetInfo *info, int value)
{
    const DatasetLabel *found = NULL;
    for (int i = 0; i < info->label_count; i++) {
        const DatasetLabel *label = &info->labels[i];
        if (contains(label, value) && (!found || label->value_count < found->value_count)) found = label;
    }
    return found;
}

const char *dataset_value_name(const DatasetInfo *info, int value)
{
    const DatasetLabel *label = region_written(info, value);
    if (value == info->ignore_value) return "ignore";
    if (!label) label = smallest_with(info, value);
    return label && *label->name ? label->name : NULL;
}
