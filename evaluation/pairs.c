#include "evaluation/pairs.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/look_alike.h"
#include "base/memory.h"
#include "base/path_hint.h"
#include "base/text.h"
#include "data/image_io.h"

typedef struct Entry {
    char *id, *path; /* owned */
} Entry;

typedef struct Entries {
    Entry *items;
    int count;
} Entries;

static void entries_free(Entries *list)
{
    for (int i = 0; i < list->count; i++) {
        mem_free(list->items[i].id);
        mem_free(list->items[i].path);
    }
    mem_free(list->items);
}

static int by_id(const void *a, const void *b) { return strcmp(((const Entry *)a)->id, ((const Entry *)b)->id); }

/* Owns path from then on, also on failure. */
static int add_entry(Entries *list, char *path, Err *e)
{
    const char *ending = path ? image_ending(path) : NULL;
    const int length = ending ? (int)(ending - path_base(path)) : 0;
    char *id = path ? path_format(e, "%.*s", length, path_base(path)) : NULL;
    list->items[list->count++] = (Entry){id, path};
    return id ? 0 : ERR_NOMEM;
}

static int list_images(Entries *list, const char *folder, Err *e)
{
    FileList files;
    TRY(file_list(&files, folder, e));
    list->items = mem_alloc((size_t)files.count * sizeof *list->items, e);
    int code = list->items ? 0 : ERR_NOMEM;
    for (int i = 0; i < files.count && !code; i++)
        if (*files.names[i] != '.' && image_ending(files.names[i])) /* hidden files are no cases: ._x, .x.tmp */
            code = add_entry(list, path_format(e, "%s/%s", folder, files.names[i]), e);
    file_list_free(&files);
    if (code) return code;
    qsort(list->items, (size_t)list->count, sizeof *list->items, by_id);
    for (int i = 1; i < list->count; i++) {
        if (by_id(&list->items[i - 1], &list->items[i])) continue;
        return err_set(e, ERR_VALUE, "case %s has two files, %s and %s: remove one", list->items[i].id,
                       list->items[i - 1].path, list->items[i].path);
    }
    return 0;
}

static int one_file(Entries *list, const char *path, Err *e)
{
    list->items = mem_alloc(sizeof *list->items, e);
    return list->items ? add_entry(list, mem_strdup(path, e), e) : ERR_NOMEM;
}

static char *take(char **owned)
{
    char *taken = *owned;
    *owned = NULL;
    return taken;
}

/* Joins two sorted lists in one pass and moves their strings into the pairs. */
static int merge(Pairs *pairs, Entries *references, Entries *predictions, Err *e)
{
    pairs->items = mem_zalloc((size_t)predictions->count, sizeof *pairs->items, e);
    pairs->unpredicted = mem_zalloc((size_t)references->count, sizeof *pairs->unpredicted, e);
    if (!pairs->items || !pairs->unpredicted) return ERR_NOMEM;
    int r = 0, p = 0;
    while (r < references->count || p < predictions->count) {
        Entry *reference = r < references->count ? &references->items[r] : NULL;
        Entry *prediction = p < predictions->count ? &predictions->items[p] : NULL;
        const int order = !reference ? 1 : !prediction ? -1 : by_id(reference, prediction);
        if (order < 0) {
            pairs->unpredicted[pairs->unpredicted_count++] = take(&reference->id);
        } else {
            char *found = order == 0 ? take(&reference->path) : NULL;
            pairs->items[pairs->count++] =
                (Pair){.id = take(&prediction->id), .prediction = take(&prediction->path), .reference = found};
            p++;
        }
        r += order <= 0;
    }
    return 0;
}

/* Two files given by name are one case, even if their names differ. */
static int pair_files(Pairs *pairs, Entries *references, Entries *predictions, Err *e)
{
    mem_free(references->items[0].id);
    references->items[0].id = mem_strdup(predictions->items[0].id, e);
    return references->items[0].id ? merge(pairs, references, predictions, e) : ERR_NOMEM;
}

static void add_ids(Text *out, const Entries *list)
{
    enum { SHOWN = 3 };
    for (int i = 0; i < list->count && i < SHOWN; i++) text_add(out, "%s%s", i ? ", " : "", list->items[i].id);
    if (list->count > SHOWN) text_add(out, " …");
}

/* Adds a hint if names differ in their Unicode form only. */
static void tell_alike(Text *text, const Entries *references, const Entries *predictions)
{
    for (int r = 0; r < references->count; r++)
        for (int p = 0; p < predictions->count; p++)
            if (looks_alike(references->items[r].id, predictions->items[p].id)) {
                look_alike_tell(text, references->items[r].id, predictions->items[p].id);
                return;
            }
}

static int expect_images(const Entries *list, const char *folder, Err *e)
{
    return list->count ? 0 : err_set(e, ERR_VALUE, "%s: there is no image in this folder", folder);
}

/* Fails if two sorted lists have no name in common: then the folders do not belong together. */
static int expect_common(const Entries *references, const char *reference, const Entries *predictions,
                         const char *prediction, Err *e)
{
    int r = 0, p = 0, order = 1;
    while (r < references->count && p < predictions->count && order) {
        order = by_id(&references->items[r], &predictions->items[p]);
        r += order <= 0;
        p += order >= 0;
    }
    if (!order) return 0;
    Text names = {0}, others = {0};
    add_ids(&names, references);
    add_ids(&others, predictions);
    tell_alike(&names, references, predictions);
    int code = text_check(&names, e) || text_check(&others, e) ? ERR_NOMEM : 0;
    if (!code)
        code = err_set(e, ERR_VALUE,
                       "no case of %s is in %s: a prediction must have the name of its reference; here are %s, "
                       "there %s",
                       prediction, reference, others.data, names.data);
    text_free(&names);
    text_free(&others);
    return code;
}

static int pair_folders(Pairs *pairs, const char *reference, const char *prediction, Entries *references,
                        Entries *predictions, Err *e)
{
    TRY(list_images(references, reference, e));
    TRY(list_images(predictions, prediction, e));
    TRY(expect_images(references, reference, e));
    TRY(expect_images(predictions, prediction, e));
    TRY(expect_common(references, reference, predictions, prediction, e));
    return merge(pairs, references, predictions, e);
}

int pairs_find(Pairs *pairs, const char *reference, const char *prediction, Err *e)
{
    *pairs = (Pairs){0};
    Entries references = {0}, predictions = {0};
    bool predicted, referenced, folders, folder_of_references;
    int code;
    TRY(file_is_there(prediction, &predicted, e));
    TRY(file_is_there(reference, &referenced, e));
    TRY(folder_is_there(prediction, &folders, e));
    TRY(folder_is_there(reference, &folder_of_references, e));
    if (!predicted || !referenced) {
        code = err_set(e, ERR_IO, "%s: does not exist; give two folders or two image files",
                       predicted ? reference : prediction);
        path_hint(e, predicted ? reference : prediction);
    } else if (folders != folder_of_references) {
        code = err_set(e, ERR_VALUE, "%s and %s: one is a folder, one is not; give two folders or two files", reference,
                       prediction);
    } else if (!folders) {
        code = one_file(&references, reference, e);
        if (!code) code = one_file(&predictions, prediction, e);
        if (!code) code = pair_files(pairs, &references, &predictions, e);
    } else {
        code = pair_folders(pairs, reference, prediction, &references, &predictions, e);
    }
    entries_free(&references);
    entries_free(&predictions);
    if (code) pairs_free(pairs);
    return code;
}

static int name_files(Entries *list, const char *folder, const char *const *names, int count, Err *e)
{
    list->items = mem_alloc((size_t)count * sizeof *list->items, e);
    int code = list->items ? 0 : ERR_NOMEM;
    for (int i = 0; i < count && !code; i++) code = add_entry(list, path_format(e, "%s/%s", folder, names[i]), e);
    if (!code) qsort(list->items, (size_t)count, sizeof *list->items, by_id);
    return code;
}

int pairs_of_names(Pairs *pairs, const char *references, const char *predictions, const char *const *names, int count,
                   Err *e)
{
    *pairs = (Pairs){0};
    Entries expected = {0}, predicted = {0};
    int code = name_files(&expected, references, names, count, e);
    if (!code) code = name_files(&predicted, predictions, names, count, e);
    if (!code) code = merge(pairs, &expected, &predicted, e);
    entries_free(&expected);
    entries_free(&predicted);
    if (code) pairs_free(pairs);
    return code;
}

void pairs_tell_alike(Text *text, const Pairs *pairs)
{
    for (int i = 0; i < pairs->count; i++) {
        const char *id = pairs->items[i].id, *alike = NULL;
        if (!pairs->items[i].reference) alike = look_alike_find(id, pairs->unpredicted, pairs->unpredicted_count);
        if (!alike) continue;
        look_alike_tell(text, alike, id);
        return;
    }
}

int pairs_add_instances(Pairs *pairs, const char *folder, Err *e)
{
    Entries maps = {0};
    int code = list_images(&maps, folder, e);
    for (int i = 0; i < pairs->count && !code; i++) {
        Pair *pair = &pairs->items[i];
        const Entry wanted = {pair->id, NULL};
        Entry *found = bsearch(&wanted, maps.items, (size_t)maps.count, sizeof wanted, by_id);
        if (found) pair->instances = take(&found->path);
        else if (pair->reference)
            code = err_set(e, ERR_VALUE, "case %s: %s has no map of its instances", pair->id, folder);
    }
    entries_free(&maps);
    return code;
}

void pairs_free(Pairs *pairs)
{
    for (int i = 0; i < pairs->count; i++) {
        mem_free(pairs->items[i].id);
        mem_free(pairs->items[i].prediction);
        mem_free(pairs->items[i].reference);
        mem_free(pairs->items[i].instances);
    }
    for (int i = 0; i < pairs->unpredicted_count; i++) mem_free(pairs->unpredicted[i]);
    mem_free(pairs->items);
    mem_free(pairs->unpredicted);
    *pairs = (Pairs){0};
}
