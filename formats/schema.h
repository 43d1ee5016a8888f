/* Schema: tables that map the fields of a struct to keys of a file. The same table serves to read, to write and to set
 * defaults.
 *
 *   static const Field fields[] = {
 *       ROW_INT("epochs", PlanTraining, epochs, 1, 1000000, "1000", "passes of training"),
 *       …
 *   };
 *   const Schema plan_training_schema = {"training", fields, sizeof fields / sizeof *fields, NULL};
 * Tables are constant and own nothing; a struct that is read contains all its values. */
#ifndef FORMATS_SCHEMA_H
#define FORMATS_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>

#include "formats/yaml.h"

typedef enum FieldType {
    FIELD_INT,     /* int */
    FIELD_INT64,   /* int64_t */
    FIELD_DOUBLE,  /* double */
    FIELD_BOOL,    /* bool */
    FIELD_STRING,  /* char[capacity]; "" is the file's null */
    FIELD_CHOICE,  /* an enum; choices[value] is its name in the file */
    FIELD_GROUP,   /* a struct with its own schema: a mapping */
    FIELD_INDEXED, /* an array of such structs: a mapping with the keys 0, 1, … */
    FIELD_VARIANT  /* a struct whose keys depend on its values: a mapping, by functions of its own */
} FieldType;

typedef enum FieldUse {
    FIELD_OPTIONAL,
    FIELD_REQUIRED, /* of a whole file, not of an override */
    FIELD_LEGACY,   /* an older name for the same place: read, never written */
    FIELD_SPARE     /* not written where it is empty: no entries, 0, "", false; null in the file is empty */
} FieldUse;

typedef enum SchemaMode { SCHEMA_WHOLE, SCHEMA_PART } SchemaMode;

/* How a FIELD_VARIANT is read and written; `at` is the struct's address. As the functions for schemas below. */
typedef struct SchemaVariant {
    void (*defaults)(void *at);
    int (*read)(void *at, const DocNode *map, SchemaMode mode, Text *notes, Err *e);
    void (*write)(const void *at, DocWriter *w);
} SchemaVariant;

typedef struct Field {
    const char *key;
    FieldType type;
    FieldUse use;
    size_t offset;               /* in the struct, bytes */
    int capacity;                /* lists: most entries, 0: a single value; strings: bytes */
    int inner;                   /* 2: a list of pairs; else 0 */
    size_t count_offset;         /* lists: of the int that counts; NO_COUNT: exactly `capacity` entries */
    bool spreads;                /* lists: a single value stands for each entry: all `capacity` entries are set, and the
                                   * count is 0, for the reader to set */
    double low, high;            /* numbers: the range, ends included */
    const char *fallback;        /* default as written in a file, list entries joined by ", "; NULL: zero */
    const char *const *choices;  /* FIELD_CHOICE: names, NULL at the end */
    const struct Schema *schema; /* FIELD_GROUP, FIELD_INDEXED */
    size_t item_bytes;           /* FIELD_INDEXED: of one struct */
    const SchemaVariant *variant; /* FIELD_VARIANT */
    const char *doc;              /* a comment written behind the value in the file; may be NULL */
} Field;

typedef struct Schema {
    const char *name; /* for messages: "configurations.2d"; "" for the root */
    const Field *fields;
    int count;
    const char *const *unused; /* keys that are accepted and not used, NULL at the end; "*": any */
} Schema;

#define NO_COUNT ((size_t)-1)

/* Sets every field of *object that has a default; the caller zeroes the struct before. */
void schema_defaults(const Schema *schema, void *object);

/* Reads a mapping into *object; fields whose keys are missing are not changed. Accepted unused keys are added to
 * `notes` (may be NULL), a line each. On failure *object may be half changed. Fails: ERR_FORMAT with the place:
 * wrong type, out of range, an unknown key (the nearest known one is named), with SCHEMA_WHOLE a missing required
 * key; ERR_NOMEM. */
int schema_read(const Schema *schema, void *object, const DocNode *map, SchemaMode mode, Text *notes, Err *e);

/* Writes all fields as entries of the writer's open mapping. */
void schema_write(const Schema *schema, const void *object, DocWriter *w);

/* The key of a schema that is nearest to `word` (base/nearest.h); "" where it has none. */
const char *schema_nearest_key(const Schema *schema, const char *word);

/* Rows of a table: KEY as in the file, MEMBER in the struct S, DEFAULT as `fallback`, DOC as `doc`. */
#define ROW(TYPE, KEY, S, MEMBER) .key = KEY, .type = TYPE, .offset = offsetof(S, MEMBER)
#define ROW_NUMBER(TYPE, KEY, S, MEMBER, LOW, HIGH, DEFAULT, DOC)                            \
    {                                                                                        \
        ROW(TYPE, KEY, S, MEMBER), .low = LOW, .high = HIGH, .fallback = DEFAULT, .doc = DOC \
    }
#define ROW_INT(KEY, S, MEMBER, LOW, HIGH, DEFAULT, DOC) ROW_NUMBER(FIELD_INT, KEY, S, MEMBER, LOW, HIGH, DEFAULT, DOC)
#define ROW_DOUBLE(KEY, S, MEMBER, LOW, HIGH, DEFAULT, DOC) \
    ROW_NUMBER(FIELD_DOUBLE, KEY, S, MEMBER, LOW, HIGH, DEFAULT, DOC)
#define ROW_BOOL(KEY, S, MEMBER, DEFAULT, DOC)                           \
    {                                                                    \
        ROW(FIELD_BOOL, KEY, S, MEMBER), .fallback = DEFAULT, .doc = DOC \
    }
#define ROW_STRING(KEY, S, MEMBER, DEFAULT, DOC)                                                               \
    {                                                                                                          \
        ROW(FIELD_STRING, KEY, S, MEMBER), .capacity = sizeof((S *)0)->MEMBER, .fallback = DEFAULT, .doc = DOC \
    }
#define ROW_CHOICE(KEY, S, MEMBER, CHOICES, DEFAULT, DOC)                                      \
    {                                                                                          \
        ROW(FIELD_CHOICE, KEY, S, MEMBER), .choices = CHOICES, .fallback = DEFAULT, .doc = DOC \
    }
#define ROW_GROUP(KEY, S, MEMBER, SCHEMA)                  \
    {                                                      \
        ROW(FIELD_GROUP, KEY, S, MEMBER), .schema = SCHEMA \
    }
#define ROW_VARIANT(KEY, S, MEMBER, VARIANT)                   \
    {                                                          \
        ROW(FIELD_VARIANT, KEY, S, MEMBER), .variant = VARIANT \
    }

/* Fields of list rows: a list of any length up to the array's, its length in COUNT; a list of exactly N entries. */
#define LIST_OF(S, MEMBER, COUNT) \
    .capacity = sizeof((S *)0)->MEMBER / sizeof((S *)0)->MEMBER[0], .count_offset = offsetof(S, COUNT)
#define EXACTLY(N) .capacity = N, .count_offset = NO_COUNT

#endif
