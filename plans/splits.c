#include "plans/splits.h"

#include <string.h>

#include "base/memory.h"
#include "formats/yaml.h"

static const char FORM[] = "a list of {train: [CASE, ...], val: [CASE, ...]}, one for each fold";

static void free_names(char **names, int count)
{
    for (int i = 0; i < count; i++) mem_free(names[i]);
    mem_free(names);
}

void split_free(Split *split)
{
    free_names(split->train, split->train_count);
    free_names(split->val, split->val_count);
    *split = (Split){0};
}

void splits_free(Splits *splits)
{
    for (int i = 0; i < splits->count; i++) split_free(&splits->folds[i]);
    mem_free(splits->folds);
    *splits = (Splits){0};
}

static bool same_names(char *const *a, int a_count, char *const *b, int b_count)
{
    bool same = a_count == b_count;
    for (int i = 0; i < a_count && same; i++) same = !strcmp(a[i], b[i]);
    return same;
}

bool splits_equal(const Splits *a, const Splits *b)
{
    bool same = a->count == b->count;
    for (int f = 0; f < a->count && same; f++) {
        const Split *x = &a->folds[f], *y = &b->folds[f];
        same = same_names(x->train, x->train_count, y->train, y->train_count) &&
               same_names(x->val, x->val_count, y->val, y->val_count);
    }
    return same;
}

/* ---- reading and writing */

static int read_names(char ***names, int *count, const DocNode *fold, const char *key, Err *e)
{
    const DocNode *list = doc_find(fold, key);
    if (!list) return doc_error(fold, e, "a fold without the key %s: expected %s", key, FORM);
    TRY(doc_expect(list, DOC_SEQUENCE, e));
    *names = mem_zalloc((size_t)list->count, sizeof **names, e);
    if (!*names) return ERR_NOMEM;
    for (const DocNode *item = list->first; item; item = item->next) {
        const char *name = NULL;
        TRY(doc_get_string(item, &name, e));
        (*names)[*count] = mem_strdup(name, e);
        if (!(*names)[*count]) return ERR_NOMEM;
        ++*count;
    }
    return 0;
}

static int read_folds(Splits *splits, const DocNode *root, Err *e)
{
    if (root->kind != DOC_SEQUENCE || !root->count)
        return doc_error(root, e, "%s: expected %s", root->kind == DOC_SEQUENCE ? "no folds" : "no list of folds",
                         FORM);
    splits->folds = mem_zalloc((size_t)root->count, sizeof *splits->folds, e);
    if (!splits->folds) return ERR_NOMEM;
    for (const DocNode *node = root->first; node; node = node->next) {
        Split *fold = &splits->folds[splits->count++];
        TRY(doc_expect(node, DOC_MAPPING, e));
        TRY(read_names(&fold->train, &fold->train_count, node, "train", e));
        TRY(read_names(&fold->val, &fold->val_count, node, "val", e));
    }
    return 0;
}

int splits_read(Splits *splits, const char *path, Err *e)
{
    Doc doc;
    *splits = (Splits){0};
    TRY(doc_read(&doc, path, e));
    const int code = read_folds(splits, doc.root, e);
    doc_free(&doc);
    if (code) splits_free(splits);
    return code;
}

static void write_names(DocWriter *w, const char *key, char *const *names, int count)
{
    doc_open(w, key, DOC_SEQUENCE, false);
    for (int i = 0; i < count; i++) doc_put_string(w, NULL, names[i]);
    doc_close(w);
}

static DocWriter write_folds(const Splits *splits, bool json)
{
    DocWriter w = {.json = json};
    doc_open(&w, NULL, DOC_SEQUENCE, false);
    for (int i = 0; i < splits->count; i++) {
        const Split *fold = &splits->folds[i];
        doc_open(&w, NULL, DOC_MAPPING, false);
        write_names(&w, "train", fold->train, fold->train_count);
        write_names(&w, "val", fold->val, fold->val_count);
        doc_close(&w);
    }
    doc_close(&w);
    return w;
}

int splits_write(const Splits *splits, const char *path, Err *e)
{
    DocWriter w = write_folds(splits, doc_is_json_path(path));
    return doc_finish(&w, path, e);
}

int splits_text(const Splits *splits, Text *text, Err *e)
{
    DocWriter w = write_folds(splits, false);
    text_add(&w.text, "\n");
    const int code = text_check(&w.text, e);
    if (!code) text_add_bytes(text, w.text.data, w.text.length);
    text_free(&w.text);
    return code ? code : text_check(text, e);
}
