#include "plans/splits_file.h"

#include <string.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/memory.h"

static const char FILE_KEY[] = "splits_final.yaml", REPLACED_KEY[] = "splits_final.yaml, replaced";

void splits_file_free(SplitsFile *f)
{
    mem_free(f->path);
    mem_free(f->passed_over);
    made_from_free(&f->made_from);
    splits_free(&f->splits);
    *f = (SplitsFile){0};
}

/* Whether the .yaml has the content that the planner recorded. A record with faults is treated as missing. */
static int is_planned(SplitsFile *f, const char *yaml, const char *preprocessed, Err *e)
{
    char hash[HASH_BYTES], *record = path_format(e, "%s/splits_made_from.yaml", preprocessed);
    bool there;
    int code = record ? file_is_there(record, &there, e) : ERR_NOMEM;
    if (!code) code = hash_file(hash, yaml, e);
    int fault = code || !there ? 0 : made_from_read(&f->made_from, record, e);
    if (fault == ERR_IO || fault == ERR_NOMEM) code = fault;
    if (!code && there && !fault) {
        const char *written = made_from_find(&f->made_from, FILE_KEY),
                   *replaced = made_from_find(&f->made_from, REPLACED_KEY);
        f->planned = (written && !strcmp(written, hash)) || (replaced && !strcmp(replaced, hash));
    }
    if (!f->planned) made_from_free(&f->made_from);
    mem_free(record);
    return code;
}

static int take_json(SplitsFile *f, char **yaml, char **json)
{
    f->path = *json;
    f->passed_over = *yaml;
    f->planned = false;
    made_from_free(&f->made_from);
    *yaml = *json = NULL;
    return 0;
}

/* Both files exist. */
static int choose(SplitsFile *f, char **yaml, char **json, Err *e)
{
    Splits other = {0};
    int code = splits_read(&f->splits, *json, e);
    if (!code && f->planned) return take_json(f, yaml, json);
    if (!code) code = splits_read(&other, *yaml, e);
    if (!code && !splits_equal(&f->splits, &other))
        code = err_set(e, ERR_VALUE,
                       "%s and %s: both exist, plan_and_preprocess wrote neither of them, and they differ: "
                       "remove the one that is not to be used",
                       *yaml, path_base(*json));
    splits_free(&other);
    if (!code) {
        f->path = *json;
        *json = NULL;
    }
    return code;
}

static int find(SplitsFile *f, char **yaml, char **json, const char *preprocessed, Err *e)
{
    bool has_yaml, has_json;
    TRY(file_is_there(*yaml, &has_yaml, e));
    TRY(file_is_there(*json, &has_json, e));
    if (!has_yaml && !has_json) return 0;
    if (has_yaml) TRY(is_planned(f, *yaml, preprocessed, e));
    if (has_yaml && has_json) return choose(f, yaml, json, e);
    char **only = has_yaml ? yaml : json;
    TRY(splits_read(&f->splits, *only, e));
    f->path = *only;
    *only = NULL;
    return 0;
}

int splits_file_find(SplitsFile *f, const char *preprocessed, Err *e)
{
    *f = (SplitsFile){0};
    char *yaml = path_format(e, "%s/splits_final.yaml", preprocessed),
         *json = path_format(e, "%s/splits_final.json", preprocessed);
    const int code = yaml && json ? find(f, &yaml, &json, preprocessed, e) : ERR_NOMEM;
    mem_free(yaml);
    mem_free(json);
    if (code) splits_file_free(f);
    return code;
}

/* The hash of the existing splits_final.yaml, if the planner wrote it. */
static int add_replaced(MadeFrom *made_from, const char *path, const char *preprocessed, Err *e)
{
    SplitsFile there = {0};
    bool exists;
    TRY(file_is_there(path, &exists, e));
    if (exists) TRY(is_planned(&there, path, preprocessed, e));
    if (there.planned) made_from_add_file(made_from, REPLACED_KEY, path);
    splits_file_free(&there);
    return made_from_check(made_from, e);
}

/* The record is written first and holds both hashes. If the run ends before the new file is written, the old one is
 * still recognised as the planner's. */
static int write_files(const Text *text, MadeFrom *made_from, const char *path, const char *record,
                       const char *preprocessed, Err *e)
{
    MadeFrom both = {0};
    char hash[HASH_BYTES];
    hash_bytes(hash, text->data, text->length);
    made_from_add(made_from, FILE_KEY, "%s", hash);
    made_from_add_all(&both, made_from);
    int code = add_replaced(&both, path, preprocessed, e);
    if (!code) code = made_from_write(&both, record, e);
    if (!code) code = file_put(path, text->data, text->length, e);
    if (!code && both.count > made_from->count) code = made_from_write(made_from, record, e);
    made_from_free(&both);
    return code;
}

int splits_file_write(const Splits *splits, MadeFrom *made_from, const char *preprocessed, Err *e)
{
    Text text = {0};
    char *path = path_format(e, "%s/splits_final.yaml", preprocessed),
         *record = path_format(e, "%s/splits_made_from.yaml", preprocessed);
    int code = path && record ? splits_text(splits, &text, e) : ERR_NOMEM;
    if (!code) code = write_files(&text, made_from, path, record, preprocessed, e);
    text_free(&text);
    mem_free(record);
    mem_free(path);
    return code;
}
