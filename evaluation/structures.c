#include "evaluation/structures.h"

#include <string.h>

#include "base/memory.h"
#include "base/text.h"

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

int structures_add(Structures *s, const char *name, const int16_t *labels, int label_count, bool is_region,
                   Err *e)
{
    if (label_count < 1 || (label_count > 1 && !is_region))
        return err_set(e, ERR_VALUE, "structure '%s' has %d labels: a label has one, a region at least one",
                       name ? name : "", label_count);
    void *items = s->items;
    const size_t used = (size_t)s->count * sizeof *s->items;
    TRY(mem_grow(&items, used, used + sizeof *s->items, e));
    s->items = items;
    Structure item = {.label_count = label_count};
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

bool structure_has(const Structure *s, int16_t label)
{
    for (int i = 0; i < s->label_count; i++)
        if (s->labels[i] == label) return true;
    return false;
}

void structures_free(Structures *s)
{
    for (int i = 0; i < s->count; i++) structure_free(&s->items[i]);
    mem_free(s->items);
    *s = (Structures){0};
}
