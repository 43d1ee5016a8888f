#include "preprocess/label_presence.h"

#include "base/memory.h"
#include "preprocess/class_locations.h"

int label_presence_new(LabelPresence *p, const DatasetInfo *info, int cases, Err *e)
{
    *p = (LabelPresence){.info = info, .cases = cases};
    p->classes = class_locations_classes(info) - (info->ignore_value >= 0);
    p->occurs = mem_zalloc((size_t)cases * (size_t)p->classes, sizeof *p->occurs, e);
    return p->occurs ? 0 : ERR_NOMEM;
}

void label_presence_free(LabelPresence *p)
{
    mem_free(p->occurs);
    *p = (LabelPresence){0};
}

void label_presence_add(LabelPresence *p, int index, const Array *locations)
{
    for (int k = 0; k < p->classes; k++) {
        int64_t first, past;
        class_locations_range(locations, k, &first, &past);
        p->occurs[(size_t)index * (size_t)p->classes + (size_t)k] = past > first;
    }
}

bool label_presence_lacks(const LabelPresence *p, int class_index, const bool *chosen)
{
    for (int i = 0; i < p->cases; i++)
        if ((!chosen || chosen[i]) && p->occurs[(size_t)i * (size_t)p->classes + (size_t)class_index]) return false;
    return true;
}

void label_presence_name(const LabelPresence *p, int class_index, Text *text)
{
    const DatasetInfo *info = p->info;
    const int value = class_index + 1;
    if (info->has_regions) {
        text_add(text, "region %s", info->labels[dataset_foreground(info, class_index)].name);
        return;
    }
    text_add(text, "label %d", value);
    for (int i = 0; i < info->label_count; i++)
        if (info->labels[i].values[0] == value) text_add(text, ", %s", info->labels[i].name);
}
