#include "formats/yaml.h"

#include <yaml.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"

/* ---- memory: a chain of blocks, freed together */

enum { BLOCK_BYTES = 16 * 1024, BLOCK_ALIGN = 16 };

struct DocBlock {
    struct DocBlock *next;
    size_t used, capacity;
    _Alignas(BLOCK_ALIGN) char bytes[];
};

void *doc_alloc(Doc *doc, size_t count, size_t size, Err *e)
{
    const size_t product = mem_product(count, size);
    if (product > SIZE_MAX / 2) {
        err_set(e, ERR_NOMEM, "out of memory: %zu items of %zu bytes", count, size);
        return NULL;
    }
    const size_t bytes = (product + BLOCK_ALIGN - 1) / BLOCK_ALIGN * BLOCK_ALIGN;
    struct DocBlock *block = doc->blocks;
    if (!block || block->capacity - block->used < bytes) {
        const size_t capacity = bytes > BLOCK_BYTES ? bytes : BLOCK_BYTES;
        block = mem_alloc(sizeof *block + capacity, e);
        if (!block) return NULL;
        *block = (struct DocBlock){.next = doc->blocks, .capacity = capacity};
        doc->blocks = block;
    }
    void *memory = block->bytes + block->used;
    block->used += bytes;
    return memset(memory, 0, bytes);
}

void doc_free(Doc *doc)
{
    for (struct DocBlock *block = doc->blocks, *next; block; block = next) {
        next = block->next;
        mem_free(block);
    }
    *doc = (Doc){0};
}

/* ---- from libyaml's events to a tree */

typedef struct Builder {
    Doc *doc;
    Err *e;
    const char *file;
    int depth; /* open collections */
    struct Open {
        DocNode *node, *last; /* its last child */
        const char *key;      /* a key that was read and whose value follows */
        int key_line, key_column;
    } open[DOC_MAX_DEPTH];
} Builder;

static int place_error(Builder *b, yaml_mark_t mark, const char *what)
{
    return err_set(b->e, ERR_FORMAT, "%s:%zu:%zu: %s", b->file, mark.line + 1, mark.column + 1, what);
}

static char *keep_string(Builder *b, const char *text, size_t length)
{
    char *copy = doc_alloc(b->doc, length + 1, 1, b->e);
    if (copy) memcpy(copy, text, length);
    return copy;
}

/* Whether a file with this key, written in quotes, could be read: libyaml allows 1024 characters. */
static bool can_be_key(const char *text, size_t length)
{
    enum { MOST = 1000, LONGEST_ESCAPE = 6 };
    Text written = {0};
    if (length <= MOST / LONGEST_ESCAPE) return true;
    if (length <= MOST) text_add_json_string(&written, text);
    const bool fits = length <= MOST && !written.failed && written.length <= MOST;
    text_free(&written);
    return fits;
}

static int take_key(Builder *b, const yaml_event_t *event)
{
    struct Open *open = &b->open[b->depth - 1];
    if (event->type != YAML_SCALAR_EVENT)
        return place_error(b, event->start_mark, "a key must be plain text, found a list or a mapping");
    if (!can_be_key((const char *)event->data.scalar.value, event->data.scalar.length))
        return place_error(b, event->start_mark, "a key of more than 1000 characters");
    open->key = keep_string(b, (const char *)event->data.scalar.value, event->data.scalar.length);
    open->key_line = (int)event->start_mark.line + 1;
    open->key_column = (int)event->start_mark.column + 1;
    return open->key ? 0 : ERR_NOMEM;
}

static int add_node(Builder *b, const yaml_event_t *event, DocKind kind)
{
    DocNode *node = doc_alloc(b->doc, 1, sizeof *node, b->e);
    if (!node) return ERR_NOMEM;
    node->kind = kind;
    node->file = b->file;
    node->line = (int)event->start_mark.line + 1;
    node->column = (int)event->start_mark.column + 1;
    if (kind == DOC_SCALAR) {
        node->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
        node->text = keep_string(b, (const char *)event->data.scalar.value, event->data.scalar.length);
        if (!node->text) return ERR_NOMEM;
    }
    if (b->depth == 0) {
        b->doc->root = node;
    } else {
        struct Open *open = &b->open[b->depth - 1];
        node->key = open->key;
        node->key_line = open->key_line;
        node->key_column = open->key_column;
        open->key = NULL;
        if (open->last) open->last->next = node;
        else open->node->first = node;
        open->last = node;
        open->node->count++;
    }
    if (kind == DOC_SCALAR) return 0;
    if (b->depth == DOC_MAX_DEPTH) return place_error(b, event->start_mark, "nested too deeply");
    b->open[b->depth++] = (struct Open){.node = node};
    return 0;
}

static int by_key(const void *a, const void *b)
{
    const DocNode *x = *(const DocNode *const *)a, *y = *(const DocNode *const *)b;
    const int order = strcmp(x->key, y->key);
    if (order) return order;
    if (x->key_line != y->key_line) return x->key_line < y->key_line ? -1 : 1;
    return (x->key_column > y->key_column) - (x->key_column < y->key_column);
}

static int refuse_double_keys(Builder *b, const DocNode *map)
{
    if (map->kind != DOC_MAPPING || map->count < 2) return 0;
    const DocNode **sorted = mem_zalloc((size_t)map->count, sizeof *sorted, b->e);
    if (!sorted) return ERR_NOMEM;
    int n = 0, code = 0;
    for (const DocNode *child = map->first; child; child = child->next) sorted[n++] = child;
    qsort(sorted, (size_t)n, sizeof *sorted, by_key);
    for (int i = 1; i < n && !code; i++)
        if (!strcmp(sorted[i - 1]->key, sorted[i]->key))
            code = doc_key_error(sorted[i], b->e, "the key \"%.80s\" is already in line %d", sorted[i]->key,
                                 sorted[i - 1]->key_line);
    mem_free(sorted);
    return code;
}

/* Tags that agree with the value's own form; they are accepted. */
static bool tag_is_harmless(const yaml_char_t *tag) { return !tag || !strcmp((const char *)tag, "!"); }

static int take_value(Builder *b, const yaml_event_t *event)
{
    const yaml_char_t *anchor = NULL, *tag = NULL;
    DocKind kind = DOC_SCALAR;
    if (event->type == YAML_SCALAR_EVENT) {
        anchor = event->data.scalar.anchor;
        tag = event->data.scalar.tag;
        if (memchr(event->data.scalar.value, 0, event->data.scalar.length))
            return place_error(b, event->start_mark, "text with a NUL character");
    } else if (event->type == YAML_SEQUENCE_START_EVENT) {
        kind = DOC_SEQUENCE;
        anchor = event->data.sequence_start.anchor;
        tag = event->data.sequence_start.tag;
    } else {
        kind = DOC_MAPPING;
        anchor = event->data.mapping_start.anchor;
        tag = event->data.mapping_start.tag;
    }
    if (anchor) return place_error(b, event->start_mark, "anchors (&) are not allowed: write the value out");
    if (!tag_is_harmless(tag)) return place_error(b, event->start_mark, "tags (!) are not allowed");
    const struct Open *open = b->depth ? &b->open[b->depth - 1] : NULL;
    if (open && open->node->kind == DOC_MAPPING && !open->key) return take_key(b, event);
    return add_node(b, event, kind);
}

static int take_event(Builder *b, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_SCALAR_EVENT:
    case YAML_SEQUENCE_START_EVENT:
    case YAML_MAPPING_START_EVENT: return take_value(b, event);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT: return refuse_double_keys(b, b->open[--b->depth].node);
    case YAML_ALIAS_EVENT: return place_error(b, event->start_mark, "aliases (*) are not allowed: write the value out");
    case YAML_DOCUMENT_START_EVENT:
        return b->doc->root ? place_error(b, event->start_mark, "a second document: expected only one") : 0;
    case YAML_STREAM_END_EVENT: return b->doc->root ? 0 : place_error(b, event->start_mark, "the file is empty");
    default: return 0;
    }
}

/* libyaml gives a byte offset, no line, where the encoding is at fault. */
static int parser_error(Builder *b, const yaml_parser_t *parser, const char *bytes, size_t length)
{
    const char *problem = parser->problem ? parser->problem : "not YAML";
    if (parser->error == YAML_MEMORY_ERROR) return err_set(b->e, ERR_NOMEM, "%s: no memory", b->file);
    if (parser->error != YAML_READER_ERROR && parser->context)
        return err_set(b->e, ERR_FORMAT, "%s:%zu:%zu: %s %s that begins in line %zu", b->file,
                       parser->problem_mark.line + 1, parser->problem_mark.column + 1, problem, parser->context,
                       parser->context_mark.line + 1);
    if (parser->error != YAML_READER_ERROR) return place_error(b, parser->problem_mark, problem);
    yaml_mark_t mark = {0};
    for (size_t i = 0; i < parser->problem_offset && i < length; i++) {
        mark.column = bytes[i] == '\n' ? 0 : mark.column + 1;
        mark.line += bytes[i] == '\n';
    }
    return place_error(b, mark, problem);
}

static int check_length(const char *name, uint64_t length, Err *e)
{
    if (length <= DOC_MAX_BYTES) return 0;
    return err_set(e, ERR_FORMAT, "%s: %llu bytes, expected at most %d", name, (unsigned long long)length,
                   DOC_MAX_BYTES);
}

int doc_parse(Doc *doc, const char *name, const char *bytes, size_t length, Err *e)
{
    *doc = (Doc){0};
    TRY(check_length(name, length, e));
    Builder b = {.doc = doc, .e = e};
    b.file = keep_string(&b, name, strlen(name));
    yaml_parser_t parser;
    if (!b.file || !yaml_parser_initialize(&parser)) {
        doc_free(doc);
        return err_set(e, ERR_NOMEM, "%s: no memory to read it", name);
    }
    yaml_parser_set_input_string(&parser, (const unsigned char *)bytes, length);
    int code = 0;
    for (bool more = true; more && !code;) {
        yaml_event_t event;
        if (!yaml_parser_parse(&parser, &event)) {
            code = parser_error(&b, &parser, bytes, length);
        } else {
            code = take_event(&b, &event);
            more = event.type != YAML_STREAM_END_EVENT;
            yaml_event_delete(&event);
        }
    }
    yaml_parser_delete(&parser);
    if (code) doc_free(doc);
    return code;
}

/* The escape \uXXXX at `at`, where at least 6 bytes follow: its number, or 0 for other text. */
static unsigned escaped(const char *at)
{
    unsigned code = 0;
    if (at[0] != '\\' || at[1] != 'u') return 0;
    for (int i = 2; i < 6; i++) {
        static const char digits[] = "0123456789abcdefABCDEF";
        const char *digit = at[i] ? strchr(digits, at[i]) : NULL;
        if (!digit) return 0;
        const unsigned value = (unsigned)(digit - digits);
        code = code << 4 | (value < 16 ? value : value - 6);
    }
    return code;
}

/* JSON writes a character beyond U+FFFF as two escapes (\ud83d\ude00), which YAML does not know:
 * they become YAML's \U0001f600, in place. Returns the new length. */
static size_t join_surrogates(char *bytes, size_t length)
{
    size_t to = 0;
    for (size_t from = 0; from < length;) {
        const unsigned high = length - from >= 12 ? escaped(bytes + from) : 0,
                       low = high ? escaped(bytes + from + 6) : 0;
        if (high >> 10 == 0xd800 >> 10 && low >> 10 == 0xdc00 >> 10) {
            char joined[16];
            const unsigned point = 0x10000 + ((high & 0x3ff) << 10) + (low & 0x3ff);
            memcpy(bytes + to, joined, (size_t)snprintf(joined, sizeof joined, "\\U%08x", point));
            to += 10;
            from += 12;
            continue;
        }
        const bool escape = bytes[from] == '\\' && from + 1 < length;
        bytes[to++] = bytes[from++];
        if (escape) bytes[to++] = bytes[from++];
    }
    return to;
}

int doc_read(Doc *doc, const char *path, Err *e)
{
    *doc = (Doc){0};
    char *bytes = NULL;
    size_t length = 0;
    TRY(check_length(path, (uint64_t)file_size(path), e)); /* before memory is allocated */
    TRY(file_get(path, &bytes, &length, e));
    if (path_ends_with(path, ".json")) length = join_surrogates(bytes, length);
    const int code = doc_parse(doc, path, bytes, length, e);
    mem_free(bytes);
    return code;
}
