#include "inference/folds.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "plans/splits.h"

const char *fold_name(char *text, int fold)
{
    if (fold == SPLITS_FOLD_ALL) snprintf(text, FOLD_NAME_BYTES, "all");
    else snprintf(text, FOLD_NAME_BYTES, "%d", fold);
    return text;
}

const char *fold_weights_key(char *text, int fold)
{
    char name[FOLD_NAME_BYTES];
    snprintf(text, FOLD_KEY_BYTES, "weights of fold %s", fold_name(name, fold));
    return text;
}

bool fold_list_has(const FoldList *f, int fold)
{
    for (int i = 0; i < f->count; i++)
        if (f->numbers[i] == fold) return true;
    return false;
}

int fold_list_add(FoldList *f, int fold, Err *e)
{
    char name[FOLD_NAME_BYTES];
    if (fold < SPLITS_FOLD_ALL || fold > FOLDS_LAST)
        return err_set(e, ERR_VALUE, "fold %d: expected a number from 0 to %d, or all", fold, FOLDS_LAST);
    if (fold_list_has(f, fold)) return err_set(e, ERR_VALUE, "fold %s is named twice", fold_name(name, fold));
    void *numbers = f->numbers;
    const size_t used = (size_t)f->count * sizeof *f->numbers;
    TRY(mem_grow(&numbers, used, used + sizeof *f->numbers, e));
    f->numbers = numbers;
    f->numbers[f->count++] = fold;
    return 0;
}

int fold_list_copy(FoldList *to, const FoldList *from, Err *e)
{
    const size_t bytes = (size_t)from->count * sizeof *from->numbers;
    *to = (FoldList){0};
    if (!from->count) return 0;
    to->numbers = mem_alloc(bytes, e);
    if (!to->numbers) return ERR_NOMEM;
    memcpy(to->numbers, from->numbers, bytes);
    to->count = from->count;
    return 0;
}

void fold_list_free(FoldList *f)
{
    mem_free(f->numbers);
    *f = (FoldList){0};
}

/* Reads a number, or "all", at *text and moves *text behind it. Returns false if there is neither. */
static bool take_number(const char **text, int *fold)
{
    char *end;
    if (!strncmp(*text, "all", 3)) {
        *fold = SPLITS_FOLD_ALL;
        *text += 3;
        return true;
    }
    if (**text < '0' || **text > '9') return false;
    const long number = strtol(*text, &end, 10);
    *fold = number > FOLDS_LAST ? FOLDS_LAST + 1 : (int)number;
    *text = end;
    return true;
}

/* One number, or "0-4". */
static int parse_entry(FoldList *f, const char **at, bool *is_one, Err *e)
{
    enum { MOST = 10000 };
    int first, last;
    *is_one = take_number(at, &first);
    last = first;
    if (*is_one && first >= 0 && **at == '-') {
        ++*at;
        *is_one = take_number(at, &last) && last >= first;
    }
    if (!*is_one) return 0;
    if (last - first >= MOST)
        return err_set(e, ERR_VALUE, "folds %d to %d: at most %d are possible", first, last, MOST);
    for (int fold = first; fold <= last; fold++) TRY(fold_list_add(f, fold, e));
    return 0;
}

int fold_list_parse(FoldList *f, const char *text, Err *e)
{
    for (const char *at = text;; at++) {
        bool is_one;
        if (parse_entry(f, &at, &is_one, e)) return err_context(e, "%s", text);
        if (!is_one || (*at && *at != ','))
            return err_set(e, ERR_VALUE,
                           "%s: expected numbers of folds joined by commas, such as 0,1,2 or 0-4,7, or all", text);
        if (!*at) return 0;
    }
}

static int ascending(const void *a, const void *b)
{
    const int p = *(const int *)a, q = *(const int *)b;
    return (p > q) - (p < q);
}

static int add_folder(FoldList *f, const char *name, Err *e)
{
    static const char prefix[] = "fold_";
    char own[FOLD_NAME_BYTES];
    int fold;
    if (strncmp(name, prefix, strlen(prefix))) return 0;
    const char *number = name + strlen(prefix), *end = number;
    if (!take_number(&end, &fold) || *end || fold > FOLDS_LAST || strcmp(fold_name(own, fold), number)) return 0;
    return fold_list_add(f, fold, e);
}

int fold_list_of_results(FoldList *f, const char *results, Err *e)
{
    FileList files;
    *f = (FoldList){0};
    TRY(file_list(&files, results, e));
    int code = 0;
    for (int i = 0; i < files.count && !code; i++) code = add_folder(f, files.names[i], e);
    file_list_free(&files);
    if (code) fold_list_free(f);
    else if (f->count) qsort(f->numbers, (size_t)f->count, sizeof *f->numbers, ascending);
    return code;
}
