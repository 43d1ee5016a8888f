#include "trainer/absent_labels.h"

#include "plans/name_list.h"
#include "preprocess/class_locations.h"

static bool shows_class(const CaseSet *set, int class_index)
{
    int64_t first = 0, past = 0;
    for (int i = 0; i < set->count && first == past; i++)
        class_locations_range(&set->cases[i].locations, class_index, &first, &past);
    return first < past;
}

/* Whether no case of the set has the class. False for an empty set, which has its own message. */
static bool lacks(const CaseSet *set, int class_index) { return set->count && !shows_class(set, class_index); }

/* The name of a class, numbered as in class_locations.h. */
static const char *class_name(const DatasetInfo *info, int class_index)
{
    if (info->has_regions) return info->labels[dataset_foreground(info, class_index)].name;
    for (int i = 0; i < info->label_count; i++)
        if (info->labels[i].values[0] == class_index + 1) return info->labels[i].name;
    return "?";
}

/* Adds a line for the set. named: a set whose absent labels were listed already; or NULL. */
static int tell(Text *warnings, const DatasetInfo *info, const CaseSet *set, const CaseSet *named, const char *what,
                Err *e)
{
    NameList names = {0};
    int again = 0, code = 0;
    const int count = class_locations_classes(info) - (info->ignore_value >= 0);
    for (int k = 0; k < count && !code; k++) {
        if (!lacks(set, k)) continue;
        if (named && lacks(named, k)) again++;
        else code = names_add(&names, class_name(info, k), e);
    }
    if (again + names.count) text_add(warnings, "%d of %d labels are in no %s: ", again + names.count, count, what);
    if (again) text_add(warnings, "%d of those that are in no training case%s", again, names.count ? "; " : "");
    names_list(warnings, &names);
    if (again + names.count) text_add(warnings, "\n");
    names_free(&names);
    return code ? code : text_check(warnings, e);
}

int absent_labels_tell(Text *warnings, const DatasetInfo *info, const CaseSet *training, const CaseSet *validation,
                       Err *e)
{
    TRY(tell(warnings, info, training, NULL, "training case, so the network cannot learn them", e));
    return tell(warnings, info, validation, training, "validation case, and left out of the pseudo Dice", e);
}

void absent_labels_leave_out(PseudoDice *d, const CaseSet *validation)
{
    const int first = pseudo_dice_first(d);
    for (int k = first; k < d->classes; k++)
        if (lacks(validation, k - first)) pseudo_dice_leave_out(d, k);
}
