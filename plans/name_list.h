/* NameList: a list of case names that owns them. `NameList list = {0}` is empty; freed with names_free. */
#ifndef PLANS_NAME_LIST_H
#define PLANS_NAME_LIST_H

#include <stdbool.h>

#include "base/error.h"
#include "base/text.h"

typedef struct NameList {
    char **names;
    int count;
} NameList;

/* Appends a copy. Fails: ERR_NOMEM. */
int names_add(NameList *list, const char *name, Err *e);

/* By bytes, which for UTF-8 is Python's order too. */
void names_sort(NameList *list);

/* Whether name is in a list that is sorted. */
bool names_have(const NameList *sorted, const char *name);
void names_free(NameList *list);

/* Adds "a, b, c" to text; of a long list only the first few: "a, b, c, d, e, f and 3 more". */
void names_list(Text *text, const NameList *list);

/* The same with the number before it: "3 cases: a, b, c". */
void names_tell(Text *text, const NameList *list);

#endif
