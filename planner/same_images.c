#include "planner/same_images.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

enum { SHOWN = 3, NAMES = 4 }; /* groups that are listed, and cases of each */

typedef struct Member {
    const MadeFrom *origin;
    const char *id;
} Member;

/* Compares the hashes of the images; the last hash of an Origins list, that of the label, is not compared. */
static int compare_images(const MadeFrom *a, const MadeFrom *b)
{
    for (int i = 0;; i++) {
        const bool x = i < a->count && strcmp(a->items[i].key, "label") != 0,
                   y = i < b->count && strcmp(b->items[i].key, "label") != 0;
        if (!x || !y) return x - y;
        const int order = strcmp(a->items[i].value, b->items[i].value);
        if (order) return order;
    }
}

static int by_images(const void *a, const void *b)
{
    const Member *x = a, *y = b;
    const int order = compare_images(x->origin, y->origin);
    return order ? order : strcmp(x->id, y->id);
}

static void add_groups(Text *text, int *groups, const Member *members, int count)
{
    for (int i = 0, end; i < count; i = end) {
        for (end = i + 1; end < count && !compare_images(members[i].origin, members[end].origin);) end++;
        if (end == i + 1 || (*groups)++ >= SHOWN) continue;
        for (int k = i; k < end && k < i + NAMES; k++)
            text_add(text, "%s%s", k > i ? ", " : *groups > 1 ? "; " : "", members[k].id);
        if (end - i > NAMES) text_add(text, " and %d more", end - i - NAMES);
    }
}

int same_images_check(FaultList *faults, const Origins *origins, const Dataset *d, Err *e)
{
    Text text = {0};
    int groups = 0;
    Member *members = mem_zalloc((size_t)origins->count + 1, sizeof *members, e);
    if (!members) return ERR_NOMEM;
    for (int i = 0; i < origins->count; i++) members[i] = (Member){&origins->cases[i], d->training.cases[i].id};
    qsort(members, (size_t)origins->count, sizeof *members, by_images);
    add_groups(&text, &groups, members, origins->count);
    if (groups > SHOWN) text_add(&text, "; and %d groups more", groups - SHOWN);
    const int code = text_check(&text, e);
    if (!code && groups)
        fault_add(faults, FAULT_WARNING,
                  "%s: cases with identical images: %s: remove the duplicates, or keep them in one fold "
                  "(--groups): a score on images that were trained on is too good",
                  d->folder, text.data);
    text_free(&text);
    mem_free(members);
    return code;
}
