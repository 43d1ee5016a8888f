#include "plans/meaning.h"

#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"

/* The foreground entry of that name; *place: its index among the foreground entries. NULL if there is none. */
static const DatasetLabel *find_label(const DatasetInfo *info, const char *name, int *place)
{
    for (int index; (index = dataset_foreground(info, *place)) >= 0; ++*place)
        if (!strcmp(info->labels[index].name, name)) return &info->labels[index];
    return NULL;
}

static void add_values(Text *out, const DatasetLabel *label)
{
    text_add(out, label->value_count == 1 ? "" : "[");
    for (int i = 0; i < label->value_count; i++) text_add(out, "%s%d", i ? ", " : "", label->values[i]);
    text_add(out, label->value_count == 1 ? "" : "]");
}

static bool same_values(const DatasetLabel *a, const DatasetLabel *b)
{
    return a->value_count == b->value_count &&
           !memcmp(a->values, b->values, (size_t)a->value_count * sizeof *a->values);
}

/* Adds how the first's entry number `place` differs in the second; nothing where it is the same. */
static void add_label_difference(Text *out, const DatasetInfo *first, const char *first_file, const DatasetInfo *second,
                                 const char *second_file, int place)
{
    const DatasetLabel *a = &first->labels[dataset_foreground(first, place)];
    int other_place = 0;
    const DatasetLabel *b = find_label(second, a->name, &other_place);
    const bool regions = first->has_regions || second->has_regions;
    if (b && same_values(a, b) && (!regions || place == other_place)) return;
    text_add(out, "label '%s' is ", a->name);
    add_values(out, a);
    text_add(out, " in %s, ", first_file);
    if (!b) text_add(out, "and is not in %s", second_file);
    else if (same_values(a, b))
        text_add(out, "there number %d of the regions, but number %d in %s", place + 1, other_place + 1, second_file);
    else {
        add_values(out, b);
        text_add(out, " in %s", second_file);
    }
}

static bool same_order(const DatasetInfo *a, const DatasetInfo *b)
{
    return a->regions_class_count == b->regions_class_count &&
           (!a->regions_class_count || !memcmp(a->regions_class_order, b->regions_class_order,
                                               (size_t)a->regions_class_count * sizeof *a->regions_class_order));
}

void meaning_add_difference(Text *out, const DatasetInfo *first, const char *first_file, const DatasetInfo *second,
                            const char *second_file)
{
    const size_t before = out->length;
    for (int i = 0; dataset_foreground(first, i) >= 0 && out->length == before; i++)
        add_label_difference(out, first, first_file, second, second_file, i);
    for (int i = 0; dataset_foreground(second, i) >= 0 && out->length == before; i++)
        add_label_difference(out, second, second_file, first, first_file, i);
    if (out->length == before && first->has_regions && !same_order(first, second))
        text_add(out, "%s and %s differ in regions_class_order", first_file, second_file);
}

int meaning_expect_same(const DatasetInfo *first, const char *first_file, const DatasetInfo *second,
                        const char *second_file, Err *e)
{
    Text difference = {0};
    meaning_add_difference(&difference, first, first_file, second, second_file);
    int code = text_check(&difference, e);
    if (!code && difference.length)
        code = err_set(e, ERR_VALUE,
                       "the models' labels do not mean the same, so they are neither compared nor "
                       "averaged: %s",
                       difference.data);
    text_free(&difference);
    return code;
}

static int expect_same_in_two(const char *first, const char *second, Err *e)
{
    DatasetInfo a = {0}, b = {0};
    char *first_file = path_format(e, "%s/dataset.json", first);
    char *second_file = path_format(e, "%s/dataset.json", second);
    int code = first_file && second_file ? dataset_info_read(&a, first_file, e) : ERR_NOMEM;
    if (!code && !(code = dataset_info_read(&b, second_file, e))) {
        code = meaning_expect_same(&a, first_file, &b, second_file, e);
        dataset_info_free(&b);
    }
    dataset_info_free(&a);
    mem_free(first_file);
    mem_free(second_file);
    return code;
}

int meaning_expect_same_in(const char *const *folders, int count, Err *e)
{
    for (int i = 1; i < count; i++) TRY(expect_same_in_two(folders[0], folders[i], e));
    return 0;
}
