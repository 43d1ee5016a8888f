/* Lists of cases (dataset.h, dataset_search.h). */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "data/dataset_search.h"

void dataset_free_case(Case *c)
{
    for (int i = 0; i < c->image_count; i++) mem_free(c->images[i]);
    mem_free(c->images);
    mem_free(c->label);
    mem_free(c->id);
    *c = (Case){0};
}

void case_list_free(CaseList *list)
{
    for (int i = 0; i < list->count; i++) dataset_free_case(&list->cases[i]);
    mem_free(list->cases);
    *list = (CaseList){0};
}

static int by_id(const void *a, const void *b) { return strcmp(((const Case *)a)->id, ((const Case *)b)->id); }

void dataset_sort_cases(CaseList *list)
{
    if (list->count) qsort(list->cases, (size_t)list->count, sizeof *list->cases, by_id);
}

Case *dataset_find_case(const CaseList *list, const char *id)
{
    const Case key = {.id = (char *)id};
    return list->count ? bsearch(&key, list->cases, (size_t)list->count, sizeof key, by_id) : NULL;
}
