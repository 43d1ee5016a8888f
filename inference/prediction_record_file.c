#include "inference/prediction_record_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/text.h"
#include "formats/yaml.h"

enum { FORMAT = 1 };
static const char *const STATES[] = {"planned", "done", "failed"};
enum { STATE_COUNT = sizeof STATES / sizeof *STATES };

/* ---- lists ---- */

int record_texts_add(RecordTexts *t, const char *text, Err *e)
{
    for (int i = 0; i < t->count; i++)
        if (!strcmp(t->texts[i], text)) return 0;
    TRY(mem_grow_list(&t->texts, t->count, sizeof *t->texts, e));
    if (!(t->texts[t->count] = mem_strdup(text, e))) return ERR_NOMEM;
    t->count++;
    return 0;
}

void record_texts_free(RecordTexts *t)
{
    for (int i = 0; i < t->count; i++) mem_free(t->texts[i]);
    mem_free(t->texts);
    *t = (RecordTexts){0};
}

MadeFrom recorded_files_view(const RecordedFiles *files)
{
    return (MadeFrom){.items = files->items, .count = files->count};
}

void recorded_files_free(RecordedFiles *files)
{
    MadeFrom list = recorded_files_view(files);
    made_from_free(&list);
    *files = (RecordedFiles){0};
}

int recorded_files_take(RecordedFiles *to, MadeFrom *from, Err *e)
{
    TRY(made_from_check(from, e));
    recorded_files_free(to);
    *to = (RecordedFiles){from->items, from->count};
    *from = (MadeFrom){0};
    return 0;
}

void recorded_case_clear(RecordedCase *c)
{
    recorded_files_free(&c->inputs);
    recorded_files_free(&c->outputs);
    mem_free(c->error);
    c->error = NULL;
    c->begun = 0;
}

/* Removes a file if its content is the recorded one. */
static int remove_unchanged(const char *folder, const MadeFromItem *file, Err *e)
{
    char hash[HASH_BYTES];
    bool there;
    if (strchr(file->key, '/')) return 0; /* not the name of an output */
    char *path = path_format(e, "%s/%s", folder, file->key);
    int code = path ? file_is_there(path, &there, e) : ERR_NOMEM;
    if (!code && there) code = hash_file(hash, path, e);
    if (!code && there && !strcmp(hash, file->value)) code = file_remove(path, e);
    mem_free(path);
    return code;
}

int recorded_files_remove(const RecordedFiles *old, const RecordedFiles *now, const char *folder, Err *e)
{
    for (int i = 0; i < old->count; i++)
        if (!recorded_file(now, old->items[i].key)) TRY(remove_unchanged(folder, &old->items[i], e));
    return 0;
}

static void free_case(RecordedCase *c)
{
    recorded_case_clear(c);
    record_texts_free(&c->warnings);
    mem_free(c->id);
}

void record_content_drop(RecordContent *c, int index)
{
    free_case(&c->cases[index]);
    memmove(&c->cases[index], &c->cases[index + 1], (size_t)(--c->count - index) * sizeof *c->cases);
}

void record_content_free(RecordContent *c)
{
    for (int i = 0; i < c->count; i++) free_case(&c->cases[i]);
    mem_free(c->cases);
    made_from_free(&c->made_from);
    record_texts_free(&c->warnings);
    *c = (RecordContent){0};
}

int record_content_add(RecordContent *c, const char *id, RecordState state, Err *e)
{
    TRY(mem_grow_list(&c->cases, c->count, sizeof *c->cases, e));
    RecordedCase *added = &c->cases[c->count];
    *added = (RecordedCase){.id = mem_strdup(id, e), .state = state};
    if (!added->id) return ERR_NOMEM;
    c->count++;
    return 0;
}

static int by_id(const void *a, const void *b)
{
    return strcmp(((const RecordedCase *)a)->id, ((const RecordedCase *)b)->id);
}

void record_content_sort(RecordContent *c)
{
    if (c->count) qsort(c->cases, (size_t)c->count, sizeof *c->cases, by_id);
}

/* ---- names ---- */

/* The plain form of a name's byte; returns its length. */
static int plain_byte(char plain[4], char byte, bool is_utf8)
{
    if (!is_utf8 && (byte & 0x80)) return snprintf(plain, 4, "%%%02X", (unsigned char)byte);
    plain[0] = byte;
    return 1;
}

char *record_plain_name(const char *name, Err *e)
{
    Text t = {0};
    char plain[4];
    const bool is_utf8 = text_is_utf8(name, strlen(name));
    for (const char *at = name; *at; at++) text_add_bytes(&t, plain, (size_t)plain_byte(plain, *at, is_utf8));
    char *whole = text_check(&t, e) ? NULL : mem_strdup(t.data ? t.data : "", e);
    text_free(&t);
    return whole;
}

typedef struct Name {
    const char *name;
    bool is_utf8;
} Name;

/* As strcmp of the name's plain form with the case's id. */
static int by_plain_name(const void *name, const void *recorded)
{
    const Name *n = name;
    const char *id = ((const RecordedCase *)recorded)->id;
    char plain[4];
    for (const char *at = n->name; *at; at++) {
        const int bytes = plain_byte(plain, *at, n->is_utf8), order = strncmp(plain, id, (size_t)bytes);
        if (order) return order;
        id += bytes;
    }
    return *id ? -1 : 0;
}

RecordedCase *record_content_find(const RecordContent *c, const char *name)
{
    const Name key = {name, text_is_utf8(name, strlen(name))};
    return c->count ? bsearch(&key, c->cases, (size_t)c->count, sizeof *c->cases, by_plain_name) : NULL;
}

/* ---- reading ---- */

static const DocNode *required(const DocNode *map, const char *key, Err *e)
{
    const DocNode *value = doc_find(map, key);
    if (!value) doc_error(map, e, "%s is missing", key);
    return value;
}

static int get_texts(RecordTexts *t, const DocNode *node, Err *e)
{
    if (!node) return 0;
    TRY(doc_expect(node, DOC_SEQUENCE, e));
    for (const DocNode *n = node->first; n; n = n->next) {
        const char *text;
        TRY(doc_get_string(n, &text, e));
        TRY(record_texts_add(t, text, e));
    }
    return 0;
}

static int get_state(RecordState *state, const DocNode *node, Err *e)
{
    const char *name;
    TRY(doc_get_string(node, &name, e));
    for (int i = 0; i < STATE_COUNT; i++) {
        if (strcmp(name, STATES[i])) continue;
        *state = (RecordState)i;
        return 0;
    }
    return doc_error(node, e, "state %s: expected planned, done or failed", name);
}

static int get_files(RecordedFiles *files, const DocNode *node, Err *e)
{
    MadeFrom list;
    if (!node) return 0;
    TRY(made_from_get(&list, node, e));
    return recorded_files_take(files, &list, e);
}

static int get_begun(int *begun, const DocNode *node, Err *e)
{
    int64_t number = 0;
    if (node) TRY(doc_get_int(node, 0, 1000000, &number, e));
    *begun = (int)number;
    return 0;
}

static int get_case(RecordContent *c, const DocNode *node, Err *e)
{
    const DocNode *id_node, *state_node, *error = doc_find(node, "error");
    const char *id, *text;
    RecordState state = RECORD_PLANNED;
    if (!(id_node = required(node, "case", e)) || !(state_node = required(node, "state", e))) return ERR_FORMAT;
    TRY(doc_get_string(id_node, &id, e));
    TRY(get_state(&state, state_node, e));
    TRY(record_content_add(c, id, state, e));
    RecordedCase *added = &c->cases[c->count - 1];
    TRY(get_files(&added->inputs, doc_find(node, "inputs"), e));
    TRY(get_files(&added->outputs, doc_find(node, "outputs"), e));
    TRY(get_texts(&added->warnings, doc_find(node, "warnings"), e));
    TRY(get_begun(&added->begun, doc_find(node, "begun"), e));
    if (!error) return 0;
    TRY(doc_get_string(error, &text, e));
    return (added->error = mem_strdup(text, e)) ? 0 : ERR_NOMEM;
}

static int get_content(RecordContent *c, const DocNode *root, Err *e)
{
    const DocNode *format, *made_from, *cases;
    int64_t number;
    TRY(doc_expect(root, DOC_MAPPING, e));
    if (!(format = required(root, "format", e)) || !(made_from = required(root, "made_from", e)) ||
        !(cases = required(root, "cases", e)))
        return ERR_FORMAT;
    TRY(doc_get_int(format, FORMAT, FORMAT, &number, e));
    TRY(made_from_get(&c->made_from, made_from, e));
    TRY(get_texts(&c->warnings, doc_find(root, "warnings"), e));
    TRY(doc_expect(cases, DOC_SEQUENCE, e));
    for (const DocNode *n = cases->first; n; n = n->next) TRY(get_case(c, n, e));
    record_content_sort(c);
    return 0;
}

int record_content_read(RecordContent *c, const char *path, Err *e)
{
    Doc doc;
    *c = (RecordContent){0};
    TRY(doc_read(&doc, path, e));
    const int code = get_content(c, doc.root, e);
    doc_free(&doc);
    if (code) record_content_free(c);
    return code;
}

/* ---- writing ---- */

static void put_texts(DocWriter *w, const RecordTexts *t)
{
    doc_open(w, "warnings", DOC_SEQUENCE, false);
    for (int i = 0; i < t->count; i++) doc_put_string(w, NULL, t->texts[i]);
    doc_close(w);
}

static void put_files(DocWriter *w, const char *key, const RecordedFiles *files)
{
    const MadeFrom list = recorded_files_view(files);
    if (list.count) made_from_put(w, key, &list);
}

static void put_case(DocWriter *w, const RecordedCase *c)
{
    doc_open(w, NULL, DOC_MAPPING, true);
    doc_put_string(w, "case", c->id);
    doc_put_string(w, "state", STATES[c->state]);
    put_files(w, "inputs", &c->inputs);
    put_files(w, "outputs", &c->outputs);
    if (c->error) doc_put_string(w, "error", c->error);
    if (c->begun) doc_put_int(w, "begun", c->begun);
    if (c->warnings.count) put_texts(w, &c->warnings);
    doc_close(w);
}

static void put_cases(DocWriter *w, const RecordContent *mine, const RecordContent *others)
{
    int other = 0;
    for (int i = 0; i < mine->count; i++) {
        for (; other < others->count && strcmp(others->cases[other].id, mine->cases[i].id) < 0; other++)
            put_case(w, &others->cases[other]);
        if (other < others->count && !strcmp(others->cases[other].id, mine->cases[i].id)) other++;
        put_case(w, &mine->cases[i]);
    }
    for (; other < others->count; other++) put_case(w, &others->cases[other]);
}

int record_content_write(const RecordContent *mine, const RecordContent *others, const char *path, Err *e)
{
    DocWriter w = {0};
    TRY(made_from_check(&mine->made_from, e));
    doc_open(&w, NULL, DOC_MAPPING, false);
    doc_put_int(&w, "format", FORMAT);
    made_from_put(&w, "made_from", &mine->made_from);
    put_texts(&w, &mine->warnings);
    doc_open(&w, "cases", DOC_SEQUENCE, false);
    put_cases(&w, mine, others);
    doc_close(&w);
    doc_close(&w);
    return doc_finish(&w, path, e);
}

const char *recorded_file(const RecordedFiles *files, const char *name_or_ending)
{
    for (int i = 0; i < files->count; i++) {
        const char *name = files->items[i].key;
        if (*name_or_ending == '.' ? path_ends_with(name, name_or_ending) : !strcmp(name, name_or_ending))
            return files->items[i].value;
    }
    return NULL;
}
