#include "plans/name_list.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

enum { NAMES_TOLD = 6 };

int names_add(NameList *list, const char *name, Err *e)
{
    TRY(mem_grow_list(&list->names, list->count, sizeof *list->names, e));
    list->names[list->count] = mem_strdup(name, e);
    return list->names[list->count] ? (list->count++, 0) : ERR_NOMEM;
}

static int by_name(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

void names_sort(NameList *list)
{
    if (list->count) qsort(list->names, (size_t)list->count, sizeof *list->names, by_name);
}

bool names_have(const NameList *sorted, const char *name)
{
    return sorted->count && bsearch(&name, sorted->names, (size_t)sorted->count, sizeof *sorted->names, by_name);
}

void names_free(NameList *list)
{
    for (int i = 0; i < list->count; i++) mem_free(list->names[i]);
    mem_free(list->names);
    *list = (NameList){0};
}

void names_list(Text *text, const NameList *list)
{
    for (int i = 0; i < list->count && i < NAMES_TOLD; i++) text_add(text, "%s%s", i ? ", " : "", list->names[i]);
    if (list->count > NAMES_TOLD) text_add(text, " and %d more", list->count - NAMES_TOLD);
}

void names_tell(Text *text, const NameList *list)
{
    text_add(text, "%d case%s: ", list->count, list->count == 1 ? "" : "s");
    names_list(text, list);
}
