#include "plans/made_from.h"

#include <string.h>

#include "base/hash.h"
#include "base/memory.h"

/* Owns value from then on. */
static int add(MadeFrom *m, const char *key, char *value, Err *e)
{
    char *copy = value ? mem_strdup(key, e) : NULL;
    if (!copy || mem_grow_list(&m->items, m->count, sizeof *m->items, e)) {
        mem_free(copy);
        mem_free(value);
        return ERR_NOMEM;
    }
    m->items[m->count++] = (MadeFromItem){copy, value};
    return 0;
}

void made_from_add(MadeFrom *m, const char *key, const char *format, ...)
{
    va_list args;
    if (m->failure.code) return;
    va_start(args, format);
    add(m, key, text_format(&m->failure, format, args), &m->failure);
    va_end(args);
}

void made_from_add_file(MadeFrom *m, const char *key, const char *path)
{
    char hash[HASH_BYTES];
    if (!m->failure.code && !hash_file(hash, path, &m->failure)) made_from_add(m, key, "%s", hash);
}

void made_from_add_all(MadeFrom *m, const MadeFrom *other)
{
    for (int i = 0; i < other->count; i++) made_from_add(m, other->items[i].key, "%s", other->items[i].value);
    if (!m->failure.code) m->failure = other->failure;
}

int made_from_check(const MadeFrom *m, Err *e)
{
    if (m->failure.code && e) *e = m->failure;
    return m->failure.code;
}

void made_from_free(MadeFrom *m)
{
    for (int i = 0; i < m->count; i++) {
        mem_free(m->items[i].key);
        mem_free(m->items[i].value);
    }
    mem_free(m->items);
    *m = (MadeFrom){0};
}

const char *made_from_find(const MadeFrom *m, const char *key)
{
    for (int i = 0; i < m->count; i++)
        if (!strcmp(m->items[i].key, key)) return m->items[i].value;
    return NULL;
}

bool made_from_same(const MadeFrom *a, const MadeFrom *b)
{
    if (a->count != b->count) return false;
    for (int i = 0; i < a->count; i++) {
        const char *other = made_from_find(b, a->items[i].key);
        if (!other || strcmp(a->items[i].value, other)) return false;
    }
    return true;
}

/* A value for a message; of a hash only the first digits. A missing value is described by words that differ from
 * the other value. */
static void add_value(Text *text, const char *value, const char *other)
{
    enum { SHOWN = 8 };
    const bool is_hash =
        value && strlen(value) == HASH_BYTES - 1 && strspn(value, "0123456789abcdef") == HASH_BYTES - 1;
    if (is_hash) text_add(text, "%.*s…", SHOWN, value);
    else text_add(text, "%s", value ? value : other && !strcmp(other, "none") ? "not recorded" : "none");
}

static int add_difference(Text *text, int before, const char *key, const char *then, const char *now)
{
    if (then && now && !strcmp(then, now)) return 0;
    text_add(text, "%s%s: ", before ? "; " : "", key);
    add_value(text, then, now);
    text_add(text, ", now ");
    add_value(text, now, then);
    return 1;
}

int made_from_differences(Text *text, const MadeFrom *then, const MadeFrom *now, const char *prefix)
{
    const size_t length = strlen(prefix);
    int found = 0;
    for (int i = 0; i < now->count; i++) {
        const MadeFromItem *item = &now->items[i];
        if (!strncmp(item->key, prefix, length))
            found += add_difference(text, found, item->key, made_from_find(then, item->key), item->value);
    }
    for (int i = 0; i < then->count; i++) {
        const MadeFromItem *item = &then->items[i];
        if (!strncmp(item->key, prefix, length) && !made_from_find(now, item->key))
            found += add_difference(text, found, item->key, item->value, NULL);
    }
    return found;
}

/* ---- files ---- */

void made_from_put(DocWriter *w, const char *key, const MadeFrom *m)
{
    doc_open(w, key, DOC_MAPPING, false);
    for (int i = 0; i < m->count; i++) doc_put_string(w, m->items[i].key, m->items[i].value);
    doc_close(w);
}

int made_from_get(MadeFrom *m, const DocNode *node, Err *e)
{
    *m = (MadeFrom){0};
    TRY(doc_expect(node, DOC_MAPPING, e));
    int code = 0;
    for (const DocNode *item = node->first; item && !code; item = item->next) {
        const char *value;
        code = doc_get_string(item, &value, e);
        if (!code) code = add(m, item->key, mem_strdup(value, e), e);
    }
    if (code) made_from_free(m);
    return code;
}

int made_from_write(const MadeFrom *m, const char *path, Err *e)
{
    DocWriter w = {.json = doc_is_json_path(path)};
    TRY(made_from_check(m, e));
    made_from_put(&w, NULL, m);
    return doc_finish(&w, path, e);
}

int made_from_read(MadeFrom *m, const char *path, Err *e)
{
    Doc doc;
    *m = (MadeFrom){0};
    TRY(doc_read(&doc, path, e));
    const int code = made_from_get(m, doc.root, e);
    doc_free(&doc);
    return code;
}

/* ---- bytes: the failure; of each item the key and the value ---- */

void made_from_pack(Text *bytes, const MadeFrom *m)
{
    text_add_bytes(bytes, (const char *)&m->failure, sizeof m->failure);
    for (int i = 0; i < m->count; i++) {
        text_add_bytes(bytes, m->items[i].key, strlen(m->items[i].key) + 1);
        text_add_bytes(bytes, m->items[i].value, strlen(m->items[i].value) + 1);
    }
}

int made_from_unpack(MadeFrom *m, const char *bytes, size_t size, Err *e)
{
    const char *const past = bytes + size, *at = bytes + sizeof m->failure;
    *m = (MadeFrom){0};
    while (at < past) {
        const char *key = at, *value = key + strlen(key) + 1;
        made_from_add(m, key, "%s", value);
        at = value + strlen(value) + 1;
    }
    TRY(made_from_check(m, e));
    memcpy(&m->failure, bytes, sizeof m->failure);
    return 0;
}
