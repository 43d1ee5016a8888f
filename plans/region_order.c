#include "plans/region_order.h"

#include "base/text.h"

static const DocNode *item_of(const DocNode *order, int k)
{
    const DocNode *item = order->first;
    while (k-- > 0) item = item->next;
    return item;
}

static const DatasetLabel *region(const DatasetInfo *info, int k) { return &info->labels[dataset_foreground(info, k)]; }

static bool holds(const DatasetLabel *label, int value)
{
    for (int i = 0; i < label->value_count; i++)
        if (label->values[i] == value) return true;
    return false;
}

/* The last region that holds the label's value, or -1. */
static int last_region(const DatasetInfo *info, int value)
{
    for (int k = info->regions_class_count - 1; k >= 0; k--)
        if (holds(region(info, k), value)) return k;
    return -1;
}

static void add_region(Text *t, const DatasetLabel *label)
{
    text_add(t, "%s (", label->name);
    for (int i = 0; i < label->value_count; i++) text_add(t, "%s%d", i ? ", " : "", label->values[i]);
    text_add(t, ")");
}

static int check_value(const DatasetInfo *info, const DocNode *order, int k, Err *e)
{
    const int value = info->regions_class_order[k];
    if (!value)
        return doc_error(item_of(order, k), e,
                         "regions_class_order: 0 is the background's value: expected the value that "
                         "voxels of %s, and of no later region, have in the label files",
                         region(info, k)->name);
    for (int i = 0; i < k; i++)
        if (info->regions_class_order[i] == value)
            return doc_error(item_of(order, k), e,
                             "regions_class_order: %d occurs twice, for %s and for %s: expected another "
                             "value for each region",
                             value, region(info, i)->name, region(info, k)->name);
    return 0;
}

/* The first later region that holds one of the region's values; NULL where one value is held by no later one. */
static const DatasetLabel *overwriting(const DatasetInfo *info, int k)
{
    const DatasetLabel *label = region(info, k), *by = NULL;
    for (int i = 0; i < label->value_count; i++) {
        const int last = last_region(info, label->values[i]);
        if (last == k) return NULL;
        if (!by) by = region(info, last);
    }
    return by;
}

static int check_overwritten(const DatasetInfo *info, const DocNode *order, int k, Err *e)
{
    const DatasetLabel *by = overwriting(info, k);
    Text text = {0};
    if (!by) return 0;
    add_region(&text, region(info, k));
    text_add(&text, " is always overwritten by ");
    add_region(&text, by);
    doc_error(item_of(order, k), e,
              "regions_class_order: %s, which comes later: list inner regions last, in \"labels\" and in "
              "\"regions_class_order\"",
              text.data ? text.data : "");
    text_free(&text);
    return e->code;
}

/* The value that is written for a label must be in the same regions as the label. */
static int check_meaning(const DatasetInfo *info, const DocNode *order, int value, Err *e)
{
    const int last = last_region(info, value);
    if (last < 0) return 0;
    const int written = info->regions_class_order[last];
    for (int k = 0; k < info->regions_class_count; k++)
        if (holds(region(info, k), value) != holds(region(info, k), written))
            return doc_error(
                item_of(order, last), e,
                "regions_class_order: a voxel of label %d would be written as %d, which is "
                "%sin the region %s: expected the value that voxels of %s, and of no later region, have in the "
                "label files",
                value, written, holds(region(info, k), written) ? "" : "not ", region(info, k)->name,
                region(info, last)->name);
    return 0;
}

int region_order_check(const DatasetInfo *info, const DocNode *order, Err *e)
{
    for (int k = 0; k < info->regions_class_count; k++) TRY(check_value(info, order, k, e));
    for (int k = 0; k < info->regions_class_count; k++) TRY(check_overwritten(info, order, k, e));
    for (int value = 1; value <= info->max_value; value++) TRY(check_meaning(info, order, value, e));
    return 0;
}
