/* Doc: a YAML or JSON file as a tree, and a writer for both (JSON is YAML: one reader serves).
 *
 * The reader accepts untrusted files: it refuses anchors, aliases, tags, several documents, keys given twice,
 * nesting beyond DOC_MAX_DEPTH and files beyond DOC_MAX_BYTES. A Doc owns all its nodes and strings; they are valid
 * until doc_free. Errors read "file:line:column: what". */
#ifndef FORMATS_YAML_H
#define FORMATS_YAML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/text.h"

enum { DOC_MAX_DEPTH = 64, DOC_MAX_BYTES = 64 << 20 };

typedef enum DocKind { DOC_SCALAR, DOC_SEQUENCE, DOC_MAPPING } DocKind;

typedef struct DocNode {
    DocKind kind;
    bool quoted;              /* a scalar in quotes is always a string */
    int line, column;         /* position of its start, from 1 */
    int key_line, key_column; /* of its key, in a mapping */
    int count;                /* children */
    const char *file;
    const char *key;             /* in a mapping, else NULL */
    const char *text;            /* of a scalar */
    const struct DocNode *first; /* child; a mapping's children are its values */
    const struct DocNode *next;  /* sibling */
} DocNode;

typedef struct Doc {
    const DocNode *root;
    struct DocBlock *blocks; /* the memory of nodes and strings */
} Doc;

/* Fails: ERR_IO, ERR_NOMEM; ERR_FORMAT for what is not YAML or is refused (above). */
int doc_read(Doc *doc, const char *path, Err *e);

/* As doc_read, from memory; `name` stands for the file in messages. bytes (length) borrowed. */
int doc_parse(Doc *doc, const char *name, const char *bytes, size_t length, Err *e);
void doc_free(Doc *doc);

/* Memory that lives as long as the doc, aligned for any type, zeroed; NULL with e filled. */
void *doc_alloc(Doc *doc, size_t count, size_t size, Err *e);

/* The value of a key, or NULL (also where node is no mapping). */
const DocNode *doc_find(const DocNode *node, const char *key);

/* Fills e with "file:line:column: …" (of the node, or of its key) and returns ERR_FORMAT. */
int doc_error(const DocNode *node, Err *e, const char *format, ...) __attribute__((format(printf, 3, 4)));
int doc_key_error(const DocNode *node, Err *e, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Readers of one value; each fails with ERR_FORMAT, saying what was found and what was expected. */
int doc_expect(const DocNode *node, DocKind kind, Err *e);
int doc_get_int(const DocNode *node, int64_t low, int64_t high, int64_t *value, Err *e);
int doc_get_double(const DocNode *node, double *value, Err *e);
int doc_get_bool(const DocNode *node, bool *value, Err *e);
int doc_get_string(const DocNode *node, const char **value, Err *e);

/* The value of a key that is a number, in a mapping with the keys 0 … count-1. All keys are unique, and "01" is
 * none: when each of `count` is in range, none is missing. Fails: ERR_FORMAT. */
int doc_key_index(const DocNode *node, int count, int *index, Err *e);
bool doc_is_null(const DocNode *node); /* null, ~ or nothing, not in quotes */

/* Text as a number or truth value; false where it is none. Doubles: also nan, inf, Infinity, .inf … */
bool doc_text_to_int(const char *text, int64_t *value);
bool doc_text_to_double(const char *text, double *value);
bool doc_text_to_bool(const char *text, bool *value);

/* Writes one document: YAML in block style, or JSON. Key is NULL inside a sequence and for the root. A `flow`
 * collection is written on one line. Lack of memory is kept and returned by doc_finish.
 *   DocWriter w = {.json = doc_is_json_path(path)};
 *   doc_open(&w, NULL, DOC_MAPPING, false); doc_put_int(&w, "epochs", 10); doc_close(&w);
 *   return doc_finish(&w, path, e); */
typedef struct DocWriter {
    bool json;
    Text text;
    int depth;
    struct DocLevel {
        DocKind kind;
        bool flow, in_item; /* in_item: its first entry follows "- " on the same line */
        int count;
    } level[DOC_MAX_DEPTH];
} DocWriter;

bool doc_is_json_path(const char *path);
void doc_open(DocWriter *w, const char *key, DocKind kind, bool flow);
void doc_close(DocWriter *w);
void doc_put_int(DocWriter *w, const char *key, int64_t value);
void doc_put_double(DocWriter *w, const char *key, double value); /* reads back to the same double */
void doc_put_bool(DocWriter *w, const char *key, bool value);
void doc_put_string(DocWriter *w, const char *key, const char *value); /* NULL: null */
void doc_put_word(DocWriter *w, const char *key, const char *word);    /* without quotes: null, true … */
void doc_comment(DocWriter *w, const char *comment);                   /* behind what was written last; YAML only */

/* Writes the file atomically. Frees the writer's memory, on failure too. */
int doc_finish(DocWriter *w, const char *path, Err *e);

/* Appends the document to a text instead. Frees the writer's memory. */
void doc_finish_text(DocWriter *w, Text *out);

#endif
