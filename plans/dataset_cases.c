#include "plans/dataset_cases.h"

#include "base/file.h"
#include "base/memory.h"
#include "formats/yaml.h"

enum { FORMAT = 1 };

void dataset_cases_free(DatasetCases *cases)
{
    names_free(&cases->present);
    names_free(&cases->removed);
    mem_free(cases->dataset);
    mem_free(cases->options);
    cases->dataset = cases->options = NULL;
}

static int read_names(NameList *list, const DocNode *root, const char *key, Err *e)
{
    const DocNode *node = doc_find(root, key);
    if (!node) return doc_error(root, e, "the key %s is missing", key);
    TRY(doc_expect(node, DOC_SEQUENCE, e));
    for (const DocNode *item = node->first; item; item = item->next) {
        const char *name = NULL;
        TRY(doc_get_string(item, &name, e));
        TRY(names_add(list, name, e));
    }
    names_sort(list);
    return 0;
}

/* The key may be missing: files of older versions do not have it. */
static int read_string(char **string, const DocNode *root, const char *key, Err *e)
{
    const char *text;
    const DocNode *node = doc_find(root, key);
    if (!node) return 0;
    TRY(doc_get_string(node, &text, e));
    *string = mem_strdup(text, e);
    return *string ? 0 : ERR_NOMEM;
}

static int read_root(DatasetCases *cases, const DocNode *root, Err *e)
{
    int64_t format;
    const DocNode *node = doc_find(root, "format");
    if (!node) return doc_error(root, e, "the key format is missing");
    TRY(doc_get_int(node, FORMAT, FORMAT, &format, e));
    TRY(read_string(&cases->dataset, root, "dataset", e));
    TRY(read_string(&cases->options, root, "options", e));
    if (cases->options && !text_is_arguments(cases->options)) /* they are printed as part of a command */
        return doc_error(doc_find(root, "options"), e,
                         "options: not as plan_and_preprocess writes them: run it again, or correct the file");
    TRY(read_names(&cases->present, root, "cases", e));
    return read_names(&cases->removed, root, "removed", e);
}

int dataset_cases_read(DatasetCases *cases, const char *preprocessed, Err *e)
{
    *cases = (DatasetCases){0};
    char *path = path_format(e, "%s/cases.yaml", preprocessed);
    Doc doc;
    bool there;
    int code = file_is_there(path, &there, e);
    if (!code && !there)
        code = err_set(e, ERR_IO,
                       "%s: missing: the list of the dataset's cases, which plan_and_preprocess writes when "
                       "all are preprocessed; run it (again)",
                       path);
    if (!code) code = doc_read(&doc, path, e);
    mem_free(path);
    if (code) return code;
    code = read_root(cases, doc.root, e);
    doc_free(&doc);
    if (code) dataset_cases_free(cases);
    return code;
}

static void write_names(DocWriter *w, const char *key, const NameList *list)
{
    doc_open(w, key, DOC_SEQUENCE, false);
    for (int i = 0; i < list->count; i++) doc_put_string(w, NULL, list->names[i]);
    doc_close(w);
}

int dataset_cases_write(const DatasetCases *cases, const char *preprocessed, Err *e)
{
    char *path = path_format(e, "%s/cases.yaml", preprocessed);
    if (!path) return ERR_NOMEM;
    DocWriter w = {0};
    doc_open(&w, NULL, DOC_MAPPING, false);
    doc_put_int(&w, "format", FORMAT);
    if (cases->dataset) doc_put_string(&w, "dataset", cases->dataset);
    if (cases->options) doc_put_string(&w, "options", cases->options);
    write_names(&w, "cases", &cases->present);
    write_names(&w, "removed", &cases->removed);
    doc_close(&w);
    const int code = doc_finish(&w, path, e);
    mem_free(path);
    return code;
}
