#include "evaluation/structures.h"

#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "data/image_io.h"

/* str(label) or str(tuple) of Python: nnU-Net's label_or_region_to_key. */
static int make_key(char **key, const int16_t *labels, int count, bool is_region, Err *e)
{
    Text text = {0};
    if (is_region) text_add(&text, "(");
    for (int i = 0; i < count; i++) text_add(&text, "%s%d", i ? ", " : "", labels[i]);
    if (is_region) text_add(&text, count == 1 ? ",)" : ")");
    const int code = text_check(&text, e);
    *key = code ? NULL : mem_strdup(text.data, e);
    text_free(&text);
    return code || *key ? code : ERR_NOMEM;
}

static void structure_free(Structure *s)
{
    mem_free(s->name);
    mem_free(s->key);
    mem_free(s->labels);
}

int structures_add(Structures *s, const char *name, const int16_t *labels, int label_count, bool is_region, Err *e)
{
    if (label_count < 1 || (label_count > 1 && !is_region))
        return err_set(e, ERR_VALUE, "structure '%s' has %d labels: a label has one, a region at least one",
                       name ? name : "", label_count);
    TRY(mem_grow_list(&s->items, s->count, sizeof *s->items, e));
    Structure item = {.label_count = label_count, .tolerance_mm = 1};
    if (make_key(&item.key, labels, label_count, is_region, e)) goto fail;
    item.name = mem_strdup(name ? name : item.key, e);
    item.labels = mem_alloc((size_t)label_count * sizeof *labels, e);
    if (!item.name || !item.labels) goto fail;
    memcpy(item.labels, labels, (size_t)label_count * sizeof *labels);
    s->items[s->count++] = item;
    return 0;
fail:
    structure_free(&item);
    return ERR_NOMEM;
}

static int add_dataset_label(Structures *s, const DatasetLabel *label, bool is_region, Err *e)
{
    int16_t *values = mem_alloc((size_t)label->value_count * sizeof *values, e);
    if (!values) return ERR_NOMEM;
    int code = 0;
    for (int i = 0; i < label->value_count && !code; i++) {
        values[i] = (int16_t)label->values[i];
        if (label->values[i] != values[i])
            code = err_set(e, ERR_VALUE, "label '%s' has the value %d: at most %d can be evaluated", label->name,
                           label->values[i], INT16_MAX);
    }
    if (!code) code = structures_add(s, label->name, values, label->value_count, is_region, e);
    mem_free(values);
    return code;
}

int structures_from_dataset(Structures *s, const DatasetInfo *info, Err *e)
{
    for (int k = 0, index; (index = dataset_foreground(info, k)) >= 0; k++) {
        const DatasetLabel *label = &info->labels[index];
        /* In a dataset with regions, nnU-Net treats every list as a region. */
        TRY(add_dataset_label(s, label, label->value_count > 1 || (info->has_regions && label->is_list), e));
    }
    s->has_ignore = info->ignore_value >= 0;
    if (s->has_ignore) s->ignore = (int16_t)info->ignore_value;
    return s->count ? 0 : err_set(e, ERR_VALUE, "no label but the background: nothing to evaluate");
}

/* Sets the labels above 0 of one image to true. */
static int see_labels(bool *seen, const char *path, Err *e)
{
    Array labels;
    TRY(image_read_labels(&labels, NULL, path, e));
    const int16_t *values = labels.data;
    for (int64_t i = 0, count = array_count(&labels); i < count; i++) {
        if (values[i] <= 0 || (i && values[i] == values[i - 1])) continue;
#pragma omp atomic write
        seen[values[i]] = true;
    }
    array_free(&labels);
    return 0;
}

static int add_seen(Structures *s, const bool *seen, Err *e)
{
    enum { MOST = 255 };
    for (int value = 1; value <= INT16_MAX; value++) {
        const int16_t label = (int16_t)value;
        if (!seen[label]) continue;
        if (s->count == MOST)
            return err_set(e, ERR_VALUE,
                           "the references have more than %d labels: are they label maps? If they are, name the "
                           "labels by -d dataset.json",
                           MOST);
        TRY(structures_add(s, NULL, &label, 1, false, e));
    }
    return 0;
}

int structures_from_references(Structures *s, const Pairs *pairs, Err *e)
{
    bool *seen = mem_zalloc(INT16_MAX + 1, sizeof *seen, e);
    Err first = {0}; /* error of one of the references that could not be read */
    int failed = 0, no_memory = 0;
    if (!seen) return ERR_NOMEM;
#pragma omp parallel for schedule(dynamic)
    for (int c = 0; c < pairs->count; c++) {
        Err why = {0};
        if (!pairs->items[c].reference || !see_labels(seen, pairs->items[c].reference, &why)) continue;
#pragma omp critical(reference_failed)
        {
            no_memory |= why.code == ERR_NOMEM;
            if (!failed++) first = why;
        }
    }
    int code = no_memory ? err_set(e, ERR_NOMEM, "no memory to read the references' labels") : add_seen(s, seen, e);
    mem_free(seen);
    if (code || s->count) return code;
    if (failed)
        return err_set(e, ERR_VALUE, "no label above 0 is in a reference that could be read; %d could not: %s", failed,
                       first.text);
    return err_set(e, ERR_VALUE, "no reference has a label above 0: name the labels by -d dataset.json");
}

void structures_free(Structures *s)
{
    for (int i = 0; i < s->count; i++) structure_free(&s->items[i]);
    mem_free(s->items);
    *s = (Structures){0};
}
