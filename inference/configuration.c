#include "inference/configuration.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/nearest.h"
#include "formats/schema.h"
#include "plans/splits.h"

enum { FORMAT = 1 };

static void free_model(ConfiguredModel *m)
{
    mem_free(m->results);
    fold_list_free(&m->folds);
    made_from_free(&m->made_from);
}

int configuration_add(Configuration *c, const char *results, const FoldList *folds, const MadeFrom *made_from, Err *e)
{
    if (c->model_count == CONFIGURATION_MODELS)
        return err_set(e, ERR_VALUE, "more than %d models", CONFIGURATION_MODELS);
    ConfiguredModel m = {.results = mem_strdup(results, e)};
    int code = m.results ? fold_list_copy(&m.folds, folds, e) : ERR_NOMEM;
    if (!code && made_from) {
        made_from_add_all(&m.made_from, made_from);
        code = made_from_check(&m.made_from, e);
    }
    if (code) {
        free_model(&m);
        return code;
    }
    c->models[c->model_count++] = m;
    return 0;
}

void configuration_free(Configuration *c)
{
    for (int i = 0; i < c->model_count; i++) free_model(&c->models[i]);
    names_free(&c->compared);
    postprocessing_free(&c->postprocessing);
    mem_free(c->file);
    *c = (Configuration){0};
}

/* ---- reading ---- */

static int get_folds(FoldList *folds, const DocNode *node, Err *e)
{
    TRY(doc_expect(node, DOC_SEQUENCE, e));
    if (!node->count) return doc_error(node, e, "the list is empty: expected numbers of folds, or all");
    for (const DocNode *n = node->first; n; n = n->next) {
        int64_t fold = SPLITS_FOLD_ALL;
        Err fault;
        const bool is_all = n->kind == DOC_SCALAR && !strcmp(n->text, "all");
        if (!is_all) TRY(doc_get_int(n, 0, FOLDS_LAST, &fold, e));
        const int code = fold_list_add(folds, (int)fold, &fault);
        if (code == ERR_NOMEM) return err_set(e, code, "%s", fault.text);
        if (code) return doc_error(n, e, "%s", fault.text);
    }
    return 0;
}

static int expect_known_keys(const DocNode *node, const char *const *known, Err *e)
{
    for (const DocNode *n = node->first; n; n = n->next) {
        int k = 0;
        while (known[k] && strcmp(known[k], n->key)) k++;
        if (!known[k])
            return doc_key_error(n, e, "unknown key %s; the nearest known one is %s", n->key,
                                 name_nearest(n->key, known));
    }
    return 0;
}

/* The node's value of a required key; NULL with e filled. */
static const DocNode *required(const DocNode *node, const char *key, Err *e)
{
    const DocNode *value = doc_find(node, key);
    if (!value) doc_error(node, e, "%s is missing", key);
    return value;
}

/* The path of a results folder: `results`, where a relative path starts at the folder of the file; if that does not
 * exist, `absolute`. Owned by the caller; NULL with e filled. */
static char *find_results(const DocNode *file, const char *results, const char *absolute, Err *e)
{
    const char *slash = strrchr(file->file, '/');
    const int folder = *results == '/' || !slash ? 0 : (int)(slash + 1 - file->file);
    char *path = path_format(e, "%.*s%s", folder, file->file, results);
    if (!path || !absolute || file_is_folder(path) || !file_is_folder(absolute)) return path;
    mem_free(path);
    return mem_strdup(absolute, e);
}

/* As find_results, with the values of a mapping. */
static char *get_place(const DocNode *node, Err *e)
{
    const char *results, *elsewhere = NULL;
    const DocNode *path = required(node, "results", e), *absolute = doc_find(node, "absolute");
    if (!path || doc_get_string(path, &results, e)) return NULL;
    if (absolute && doc_get_string(absolute, &elsewhere, e)) return NULL;
    return find_results(node, results, elsewhere, e);
}

static int get_model(Configuration *c, const DocNode *node, Err *e)
{
    static const char *const known[] = {"results", "absolute", "folds", "made_from", NULL};
    const DocNode *numbers, *origin = doc_find(node, "made_from");
    FoldList folds = {0};
    MadeFrom made_from = {0};
    TRY(doc_expect(node, DOC_MAPPING, e));
    TRY(expect_known_keys(node, known, e));
    if (!(numbers = required(node, "folds", e))) return ERR_FORMAT;
    char *full = get_place(node, e);
    int code = full ? 0 : (int)e->code;
    if (!code) code = get_folds(&folds, numbers, e);
    if (!code && origin) code = made_from_get(&made_from, origin, e);
    if (!code) code = configuration_add(c, full, &folds, &made_from, e);
    made_from_free(&made_from);
    fold_list_free(&folds);
    mem_free(full);
    return code;
}

static int get_compared(NameList *compared, const DocNode *node, Err *e)
{
    static const char *const known[] = {"results", "absolute", NULL};
    TRY(doc_expect(node, DOC_SEQUENCE, e));
    for (const DocNode *n = node->first; n; n = n->next) {
        TRY(doc_expect(n, DOC_MAPPING, e));
        TRY(expect_known_keys(n, known, e));
        char *full = get_place(n, e);
        const int code = full ? names_add(compared, full, e) : (int)e->code;
        mem_free(full);
        TRY(code);
    }
    return 0;
}

static int get_models(Configuration *c, const DocNode *node, Err *e)
{
    TRY(doc_expect(node, DOC_SEQUENCE, e));
    if (!node->first) return doc_error(node, e, "no model");
    for (const DocNode *n = node->first; n; n = n->next) TRY(get_model(c, n, e));
    return 0;
}

static int get_all(Configuration *c, const DocNode *root, Err *e)
{
    static const char *const known[] = {"format", "models", "compared", "postprocessing", "dice", NULL};
    int64_t format;
    const DocNode *stated, *models, *compared = doc_find(root, "compared");
    TRY(doc_expect(root, DOC_MAPPING, e));
    TRY(expect_known_keys(root, known, e));
    if (!(stated = required(root, "format", e)) || !(models = required(root, "models", e))) return ERR_FORMAT;
    TRY(doc_get_int(stated, FORMAT, FORMAT, &format, e));
    TRY(get_models(c, models, e));
    if (compared) TRY(get_compared(&c->compared, compared, e));
    const DocNode *steps = doc_find(root, "postprocessing"), *dice = doc_find(root, "dice");
    if (steps) TRY(postprocessing_get(&c->postprocessing, steps, e));
    return dice ? doc_get_double(dice, &c->dice, e) : 0;
}

int configuration_read(Configuration *c, const char *path, Err *e)
{
    Doc doc;
    *c = (Configuration){.dice = NAN};
    TRY(doc_read(&doc, path, e));
    int code = get_all(c, doc.root, e);
    if (!code && !(c->file = mem_strdup(path, e))) code = ERR_NOMEM;
    doc_free(&doc);
    if (code) configuration_free(c);
    return code;
}

int configuration_expect_results(const Configuration *c, Err *e)
{
    for (int i = 0; i < c->model_count; i++) {
        const char *results = c->models[i].results;
        bool there;
        TRY(folder_is_there(results, &there, e));
        if (there) continue;
        return err_set(e, ERR_VALUE,
                       "%s: the results folder of model %d does not exist: %s. Write its present path into this "
                       "file, as 'results:' of that model; a relative path starts at the folder of this file",
                       c->file, i + 1, results);
    }
    return 0;
}

/* ---- writing ---- */

/* The relative path from a folder to a path, both absolute and without links: "../results/d". Owned by the caller. */
static char *relative_path(const char *path, const char *folder, Err *e)
{
    size_t common = 0; /* bytes of the parts that both have */
    for (size_t i = 0;; i++) {
        const bool ends = !path[i] || path[i] == '/', folder_ends = !folder[i] || folder[i] == '/';
        if (ends && folder_ends) common = i;
        if (!path[i] || path[i] != folder[i]) break;
    }
    Text way = {0};
    const char *rest = folder + common, *down = path + common + (path[common] == '/');
    for (; *rest; rest++)
        if (*rest == '/' && rest[1]) text_add(&way, "../");
    text_add(&way, "%s", *down ? down : way.length ? "" : ".");
    char *owned = text_check(&way, e) ? NULL : mem_strdup(way.data, e);
    text_free(&way);
    return owned;
}

static int put_place(DocWriter *w, const char *results, const char *folder, Err *e)
{
    char *path = path_absolute(results, e);
    char *relative = path ? relative_path(path, folder, e) : NULL;
    if (relative) {
        doc_put_string(w, "results", relative);
        doc_put_string(w, "absolute", path);
    }
    const int code = relative ? 0 : e ? (int)e->code : ERR_IO;
    mem_free(relative);
    mem_free(path);
    return code;
}

static int put_model(DocWriter *w, const ConfiguredModel *m, const char *folder, Err *e)
{
    doc_open(w, NULL, DOC_MAPPING, false);
    const int code = put_place(w, m->results, folder, e);
    doc_open(w, "folds", DOC_SEQUENCE, true);
    for (int i = 0; i < m->folds.count; i++) {
        if (m->folds.numbers[i] == SPLITS_FOLD_ALL) doc_put_string(w, NULL, "all");
        else doc_put_int(w, NULL, m->folds.numbers[i]);
    }
    doc_close(w);
    if (m->made_from.count) made_from_put(w, "made_from", &m->made_from);
    doc_close(w);
    return code;
}

static int put_compared(DocWriter *w, const NameList *compared, const char *folder, Err *e)
{
    int code = 0;
    doc_open(w, "compared", DOC_SEQUENCE, false);
    for (int i = 0; i < compared->count && !code; i++) {
        doc_open(w, NULL, DOC_MAPPING, false);
        code = put_place(w, compared->names[i], folder, e);
        doc_close(w);
    }
    doc_close(w);
    return code;
}

/* The absolute path of a file's folder; owned by the caller; NULL with e filled. */
static char *folder_of(const char *path, Err *e)
{
    const int length = (int)(path_base(path) - path);
    char *folder = path_format(e, "%.*s", length ? length : 1, length ? path : ".");
    char *absolute = folder ? path_absolute(folder, e) : NULL;
    mem_free(folder);
    return absolute;
}

int configuration_write(const Configuration *c, const char *path, Err *e)
{
    DocWriter w = {.json = doc_is_json_path(path)};
    char *folder = folder_of(path, e);
    int code = folder ? 0 : e ? (int)e->code : ERR_IO;
    doc_open(&w, NULL, DOC_MAPPING, false);
    doc_put_int(&w, "format", FORMAT);
    doc_open(&w, "models", DOC_SEQUENCE, false);
    for (int i = 0; i < c->model_count && !code; i++) code = put_model(&w, &c->models[i], folder, e);
    doc_close(&w);
    if (!code && c->compared.count) code = put_compared(&w, &c->compared, folder, e);
    mem_free(folder);
    postprocessing_put(&c->postprocessing, &w, "postprocessing");
    if (!isnan(c->dice)) {
        doc_put_double(&w, "dice", c->dice);
        doc_comment(&w, "foreground mean on the cross-validation");
    }
    doc_close(&w);
    if (!code) return doc_finish(&w, path, e);
    text_free(&w.text);
    return code;
}
