#include "inference/configuration.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "plans/schema.h"
#include "plans/splits.h"

enum { FORMAT = 1, LAST_FOLD = CONFIGURATION_FOLDS - 1 };

int configuration_add(Configuration *c, const char *results, const int *folds, int fold_count, Err *e)
{
    if (c->model_count == CONFIGURATION_MODELS)
        return err_set(e, ERR_VALUE, "more than %d models", CONFIGURATION_MODELS);
    if (fold_count > CONFIGURATION_FOLDS)
        return err_set(e, ERR_VALUE, "%s: more than %d folds", results, CONFIGURATION_FOLDS);
    ConfiguredModel *m = &c->models[c->model_count];
    *m = (ConfiguredModel){.results = mem_strdup(results, e), .fold_count = fold_count};
    if (!m->results) return ERR_NOMEM;
    memcpy(m->folds, folds, (size_t)fold_count * sizeof *folds);
    c->model_count++;
    return 0;
}

void configuration_free(Configuration *c)
{
    for (int i = 0; i < c->model_count; i++) mem_free(c->models[i].results);
    postprocessing_free(&c->postprocessing);
    *c = (Configuration){0};
}

int configuration_parse_folds(const char *text, int *folds, int *count, Err *e)
{
    *count = 0;
    for (const char *at = text;; at++) {
        char *end;
        long fold = SPLITS_FOLD_ALL;
        if (!strncmp(at, "all", 3)) end = (char *)at + 3;
        else fold = strtol(at, &end, 10);
        if (end == at || (*end && *end != ',') || fold < SPLITS_FOLD_ALL || fold > LAST_FOLD ||
            *count == CONFIGURATION_FOLDS)
            return err_set(e, ERR_VALUE,
                           "%s: expected numbers of folds joined by commas, such as 0,1,2, or all", text);
        folds[(*count)++] = (int)fold;
        at = end;
        if (!*at) return 0;
    }
}

/* ---- reading ---- */

static int get_folds(ConfiguredModel *m, const DocNode *node, Err *e)
{
    TRY(doc_expect(node, DOC_SEQUENCE, e));
    if (node->count < 1 || node->count > CONFIGURATION_FOLDS)
        return doc_error(node, e, "%d folds: expected 1 to %d", node->count, CONFIGURATION_FOLDS);
    for (const DocNode *n = node->first; n; n = n->next) {
        int64_t fold = SPLITS_FOLD_ALL;
        const bool is_all = n->kind == DOC_SCALAR && !strcmp(n->text, "all");
        if (!is_all) TRY(doc_get_int(n, 0, LAST_FOLD, &fold, e));
        m->folds[m->fold_count++] = (int)fold;
    }
    return 0;
}

/* The node's value of a key that must be there; NULL with e filled. */
static const DocNode *required(const DocNode *node, const char *key, Err *e)
{
    const DocNode *value = doc_find(node, key);
    if (!value) doc_error(node, e, "%s is missing", key);
    return value;
}

static int get_model(Configuration *c, const DocNode *node, Err *e)
{
    const char *results, *slash = strrchr(node->file, '/');
    const DocNode *path, *folds;
    ConfiguredModel m = {0};
    TRY(doc_expect(node, DOC_MAPPING, e));
    if (!(path = required(node, "results", e)) || !(folds = required(node, "folds", e))) return ERR_FORMAT;
    TRY(doc_get_string(path, &results, e));
    TRY(get_folds(&m, folds, e));
    const int folder = *results == '/' || !slash ? 0 : (int)(slash + 1 - node->file);
    char *full = path_format(e, "%.*s%s", folder, node->file, results);
    const int code = full ? configuration_add(c, full, m.folds, m.fold_count, e) : ERR_NOMEM;
    mem_free(full);
    return code;
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
    static const char *const known[] = {"format", "models", "postprocessing", "dice", NULL};
    int64_t format;
    const DocNode *stated, *models;
    TRY(doc_expect(root, DOC_MAPPING, e));
    for (const DocNode *n = root->first; n; n = n->next) {
        int k = 0;
        while (known[k] && strcmp(known[k], n->key)) k++;
        if (!known[k])
            return doc_key_error(n, e, "unknown key %s; the nearest known one is %s", n->key,
                                 schema_nearest_name(n->key, known));
    }
    if (!(stated = required(root, "format", e)) || !(models = required(root, "models", e))) return ERR_FORMAT;
    TRY(doc_get_int(stated, FORMAT, FORMAT, &format, e));
    TRY(get_models(c, models, e));
    const DocNode *steps = doc_find(root, "postprocessing"), *dice = doc_find(root, "dice");
    if (steps) TRY(postprocessing_get(&c->postprocessing, steps, e));
    return dice ? doc_get_double(dice, &c->dice, e) : 0;
}

int configuration_read(Configuration *c, const char *path, Err *e)
{
    Doc doc;
    *c = (Configuration){.dice = NAN};
    TRY(doc_read(&doc, path, e));
    const int code = get_all(c, doc.root, e);
    doc_free(&doc);
    if (code) configuration_free(c);
    return code;
}

/* ---- writing ---- */

static int put_model(DocWriter *w, const ConfiguredModel *m, Err *e)
{
    char *path = path_absolute(m->results, e);
    if (!path) return e ? e->code : ERR_IO;
    doc_open(w, NULL, DOC_MAPPING, false);
    doc_put_string(w, "results", path);
    doc_open(w, "folds", DOC_SEQUENCE, true);
    for (int i = 0; i < m->fold_count; i++) {
        if (m->folds[i] == SPLITS_FOLD_ALL) doc_put_word(w, NULL, "all");
        else doc_put_int(w, NULL, m->folds[i]);
    }
    doc_close(w);
    doc_close(w);
    mem_free(path);
    return 0;
}

int configuration_write(const Configuration *c, const char *path, Err *e)
{
    DocWriter w = {.json = doc_is_json_path(path)};
    int code = 0;
    doc_open(&w, NULL, DOC_MAPPING, false);
    doc_put_int(&w, "format", FORMAT);
    doc_open(&w, "models", DOC_SEQUENCE, false);
    for (int i = 0; i < c->model_count && !code; i++) code = put_model(&w, &c->models[i], e);
    doc_close(&w);
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
