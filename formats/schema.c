#include "formats/schema.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/nearest.h"

const char *schema_nearest_key(const Schema *schema, const char *word)
{
    const char *nearest = "";
    for (int i = 0, least = INT_MAX; i < schema->count; i++) {
        const int distance = name_distance(word, schema->fields[i].key);
        if (distance >= least) continue;
        least = distance;
        nearest = schema->fields[i].key;
    }
    return nearest;
}

/* ---- reading */

typedef struct Reader {
    SchemaMode mode;
    Text *notes;
    Err *e;
} Reader;

static int read_mapping(const Reader *r, const Schema *schema, void *object, const DocNode *map);

static size_t element_bytes(const Field *field)
{
    switch (field->type) {
    case FIELD_INT: return sizeof(int);
    case FIELD_INT64: return sizeof(int64_t);
    case FIELD_DOUBLE: return sizeof(double);
    case FIELD_BOOL: return sizeof(bool);
    case FIELD_CHOICE: return sizeof(int);
    case FIELD_INDEXED: return field->item_bytes;
    case FIELD_STRING:
    case FIELD_GROUP:
    case FIELD_VARIANT: break;
    }
    return 0;
}

static bool is_list(const Field *field)
{
    return field->capacity && field->type != FIELD_STRING && field->type != FIELD_INDEXED;
}

static int read_integer(const Field *field, void *at, const DocNode *node, Err *e)
{
    int64_t value = 0;
    TRY(doc_get_int(node, (int64_t)field->low, (int64_t)field->high, &value, e));
    if (field->type == FIELD_INT64) *(int64_t *)at = value;
    else *(int *)at = (int)value;
    return 0;
}

static int read_double(const Field *field, void *at, const DocNode *node, Err *e)
{
    double value = 0;
    TRY(doc_get_double(node, &value, e));
    if (field->low < field->high && !(value >= field->low && value <= field->high))
        return doc_error(node, e, "%s: found %s, expected a number from %g to %g", field->key, node->text, field->low,
                         field->high);
    *(double *)at = value;
    return 0;
}

static int read_string(const Field *field, char *at, const DocNode *node, Err *e)
{
    const char *value = "";
    if (!doc_is_null(node)) TRY(doc_get_string(node, &value, e));
    if (strlen(value) >= (size_t)field->capacity)
        return doc_error(node, e, "%s: text of %zu bytes, expected at most %d", field->key, strlen(value),
                         field->capacity - 1);
    strcpy(at, value);
    return 0;
}

static int read_choice(const Field *field, void *at, const DocNode *node, Err *e)
{
    TRY(doc_expect(node, DOC_SCALAR, e));
    const char *name = doc_is_null(node) ? "null" : node->text;
    Text known = {0};
    for (int i = 0; field->choices[i]; i++) {
        if (!strcmp(name, field->choices[i])) {
            memcpy(at, &i, sizeof i);
            text_free(&known);
            return 0;
        }
        text_add(&known, "%s%s", i ? ", " : "", field->choices[i]);
    }
    const int code = doc_error(node, e, "%s: found \"%.80s\", expected one of %s", field->key, name,
                               known.failed ? "those documented" : known.data);
    text_free(&known);
    return code;
}

static int read_value(const Reader *r, const Field *field, void *at, const DocNode *node)
{
    switch (field->type) {
    case FIELD_INT:
    case FIELD_INT64: return read_integer(field, at, node, r->e);
    case FIELD_DOUBLE: return read_double(field, at, node, r->e);
    case FIELD_BOOL: return doc_get_bool(node, at, r->e);
    case FIELD_STRING: return read_string(field, at, node, r->e);
    case FIELD_CHOICE: return read_choice(field, at, node, r->e);
    case FIELD_GROUP: return read_mapping(r, field->schema, at, node);
    case FIELD_VARIANT: return field->variant->read(at, node, r->mode, r->notes, r->e);
    case FIELD_INDEXED: break;
    }
    return 0;
}

/* One entry of a list: a value, or `inner` values. */
static int read_entry(const Reader *r, const Field *field, char *at, const DocNode *node)
{
    if (!field->inner) return read_value(r, field, at, node);
    if (field->spreads && node->kind == DOC_SCALAR) {
        for (int i = 0; i < field->inner; i++, at += element_bytes(field)) TRY(read_value(r, field, at, node));
        return 0;
    }
    TRY(doc_expect(node, DOC_SEQUENCE, r->e));
    if (node->count != field->inner)
        return doc_error(node, r->e, "%s: a list of %d, expected %d", field->key, node->count, field->inner);
    for (const DocNode *item = node->first; item; item = item->next, at += element_bytes(field))
        TRY(read_value(r, field, at, item));
    return 0;
}

static size_t entry_bytes(const Field *field)
{
    return element_bytes(field) * (size_t)(field->inner ? field->inner : 1);
}

/* A single value for each entry. */
static int spread(const Reader *r, const Field *field, char *object, const DocNode *node)
{
    char *at = object + field->offset;
    for (int i = 0; i < field->capacity; i++, at += entry_bytes(field)) TRY(read_entry(r, field, at, node));
    *(int *)(object + field->count_offset) = 0;
    return 0;
}

static int read_list(const Reader *r, const Field *field, char *object, const DocNode *node)
{
    const bool exact = field->count_offset == NO_COUNT;
    const size_t step = entry_bytes(field);
    char *at = object + field->offset;
    if (field->spreads && node->kind == DOC_SCALAR) return spread(r, field, object, node);
    TRY(doc_expect(node, DOC_SEQUENCE, r->e));
    if (node->count > field->capacity || (exact && node->count != field->capacity))
        return doc_error(node, r->e, "%s: a list of %d, expected %s %d", field->key, node->count,
                         exact ? "exactly" : "at most", field->capacity);
    memset(at, 0, step * (size_t)field->capacity);
    for (const DocNode *item = node->first; item; item = item->next, at += step) TRY(read_entry(r, field, at, item));
    if (!exact) *(int *)(object + field->count_offset) = node->count;
    return 0;
}

/* An override may name some of the entries; the others are kept. */
static int read_indexed(const Reader *r, const Field *field, char *object, const DocNode *node)
{
    int *count = (int *)(object + field->count_offset);
    TRY(doc_expect(node, DOC_MAPPING, r->e));
    if (node->count > field->capacity)
        return doc_error(node, r->e, "%s: %d entries, expected at most %d", field->key, node->count, field->capacity);
    for (const DocNode *item = node->first; item; item = item->next) {
        int index = 0;
        TRY(doc_key_index(item, r->mode == SCHEMA_WHOLE ? node->count : field->capacity, &index, r->e));
        TRY(read_mapping(r, field->schema, object + field->offset + (size_t)index * field->item_bytes, item));
        if (r->mode == SCHEMA_PART && index >= *count) *count = index + 1;
    }
    if (r->mode == SCHEMA_WHOLE) *count = node->count;
    return 0;
}

static void make_empty(const Field *field, char *object)
{
    const int entries = is_list(field) ? field->capacity : 1;
    memset(object + field->offset, 0, field->type == FIELD_STRING ? 1 : (size_t)entries * entry_bytes(field));
    if (is_list(field)) *(int *)(object + field->count_offset) = 0;
}

static int read_field(const Reader *r, const Field *field, char *object, const DocNode *node)
{
    if (field->use == FIELD_SPARE && doc_is_null(node)) {
        make_empty(field, object);
        return 0;
    }
    if (field->type == FIELD_INDEXED) return read_indexed(r, field, object, node);
    if (is_list(field)) return read_list(r, field, object, node);
    return read_value(r, field, object + field->offset, node);
}

static bool is_unused(const Schema *schema, const char *key)
{
    for (const char *const *name = schema->unused; name && *name; name++)
        if (!strcmp(*name, "*") || !strcmp(*name, key)) return true;
    return false;
}

static const Field *find_field(const Schema *schema, const char *key)
{
    for (int i = 0; i < schema->count; i++)
        if (!strcmp(schema->fields[i].key, key)) return &schema->fields[i];
    return NULL;
}

/* The group of the schema that has the key; NULL: none has. */
static const Field *find_group(const Schema *schema, const char *key)
{
    for (int i = 0; i < schema->count; i++) {
        const Field *field = &schema->fields[i];
        if (field->type == FIELD_GROUP && find_field(field->schema, key)) return field;
    }
    return NULL;
}

static int take_unknown(const Reader *r, const Schema *schema, const DocNode *node)
{
    const char *dot = *schema->name ? "." : "";
    if (is_unused(schema, node->key)) {
        if (r->notes)
            text_add(r->notes, "%s:%d:%d: %s%s%s: not used here\n", node->file, node->key_line, node->key_column,
                     schema->name, dot, node->key);
        return 0;
    }
    const Field *group = find_group(schema, node->key);
    if (group)
        return doc_key_error(node, r->e, "unknown key %s%s%.80s; it belongs under %s", schema->name, dot, node->key,
                             group->key);
    if (!schema->count)
        return doc_key_error(node, r->e, "unknown key %s%s%.80s; there is no key here", schema->name, dot, node->key);
    return doc_key_error(node, r->e, "unknown key %s%s%.80s; the nearest known key is %s", schema->name, dot, node->key,
                         schema_nearest_key(schema, node->key));
}

static int read_mapping(const Reader *r, const Schema *schema, void *object, const DocNode *map)
{
    const bool left_empty = map->key && doc_is_null(map); /* a key whose lines are all commented out */
    if (!left_empty) TRY(doc_expect(map, DOC_MAPPING, r->e));
    for (const DocNode *child = map->first; child; child = child->next) {
        const Field *field = find_field(schema, child->key);
        if (field) TRY(read_field(r, field, object, child));
        else TRY(take_unknown(r, schema, child));
    }
    for (int i = 0; i < schema->count && r->mode == SCHEMA_WHOLE; i++) {
        const Field *field = &schema->fields[i];
        if (field->use == FIELD_REQUIRED && !doc_find(map, field->key))
            return doc_error(map, r->e, "the key %s%s%s is missing", schema->name, *schema->name ? "." : "",
                             field->key);
    }
    return 0;
}

int schema_read(const Schema *schema, void *object, const DocNode *map, SchemaMode mode, Text *notes, Err *e)
{
    const Reader r = {mode, notes, e};
    TRY(read_mapping(&r, schema, object, map));
    return notes ? text_check(notes, e) : 0;
}

/* ---- defaults: parsed from the table's text like a file's values */

enum { FALLBACK_MOST = 16, FALLBACK_BYTES = 160 };

static void set_default(const Field *field, char *object)
{
    const Reader r = {SCHEMA_PART, NULL, NULL};
    if (!is_list(field)) {
        const DocNode node = {.kind = DOC_SCALAR, .file = "", .key = field->key, .text = field->fallback};
        read_field(&r, field, object, &node);
        return;
    }
    char text[FALLBACK_BYTES] = "", *rest = NULL;
    strncpy(text, field->fallback, sizeof text - 1);
    DocNode items[FALLBACK_MOST], list = {.kind = DOC_SEQUENCE, .file = "", .key = field->key};
    for (char *word = strtok_r(text, ", ", &rest); word && list.count < FALLBACK_MOST;
         word = strtok_r(NULL, ", ", &rest)) {
        items[list.count] = (DocNode){.kind = DOC_SCALAR, .file = "", .text = word};
        if (list.count) items[list.count - 1].next = &items[list.count];
        list.count++;
    }
    list.first = list.count ? items : NULL;
    read_field(&r, field, object, &list);
}

void schema_defaults(const Schema *schema, void *object)
{
    for (int i = 0; i < schema->count; i++) {
        const Field *field = &schema->fields[i];
        if (field->type == FIELD_GROUP) schema_defaults(field->schema, (char *)object + field->offset);
        else if (field->type == FIELD_VARIANT) field->variant->defaults((char *)object + field->offset);
        else if (field->fallback) set_default(field, object);
    }
}

/* ---- writing */

/* Names of choices that are YAML keywords are written without quotes: null, true, false. */
static void write_choice(const char *key, const char *name, DocWriter *w)
{
    const bool is_word = !strcmp(name, "null") || !strcmp(name, "true") || !strcmp(name, "false");
    if (is_word) doc_put_word(w, key, name);
    else doc_put_string(w, key, name);
}

static void write_value(const Field *field, const char *key, const char *at, DocWriter *w)
{
    int choice = 0;
    switch (field->type) {
    case FIELD_INT: doc_put_int(w, key, *(const int *)at); break;
    case FIELD_INT64: doc_put_int(w, key, *(const int64_t *)at); break;
    case FIELD_DOUBLE: doc_put_double(w, key, *(const double *)at); break;
    case FIELD_BOOL: doc_put_bool(w, key, *(const bool *)at); break;
    case FIELD_STRING: doc_put_string(w, key, *at ? at : NULL); break;
    case FIELD_CHOICE:
        memcpy(&choice, at, sizeof choice);
        write_choice(key, field->choices[choice], w);
        break;
    case FIELD_GROUP:
    case FIELD_INDEXED:
    case FIELD_VARIANT: break;
    }
}

static void write_list(const Field *field, const char *object, DocWriter *w)
{
    const bool exact = field->count_offset == NO_COUNT;
    const int count = exact ? field->capacity : *(const int *)(object + field->count_offset);
    const int inner = field->inner ? field->inner : 1;
    const char *at = object + field->offset;
    const size_t step = element_bytes(field);
    doc_open(w, field->key, DOC_SEQUENCE, true);
    for (int i = 0; i < count && i < field->capacity; i++) {
        if (field->inner) doc_open(w, NULL, DOC_SEQUENCE, true);
        for (int k = 0; k < inner; k++, at += step) write_value(field, NULL, at, w);
        if (field->inner) doc_close(w);
    }
    doc_close(w);
}

static void write_indexed(const Field *field, const char *object, DocWriter *w)
{
    const int count = *(const int *)(object + field->count_offset);
    doc_open(w, field->key, DOC_MAPPING, false);
    for (int i = 0; i < count && i < field->capacity; i++) {
        char key[16];
        snprintf(key, sizeof key, "%d", i);
        doc_open(w, key, DOC_MAPPING, false);
        schema_write(field->schema, object + field->offset + (size_t)i * field->item_bytes, w);
        doc_close(w);
    }
    doc_close(w);
}

/* Of a list, whether it has no entries; of a single value, whether it is 0, "" or false. */
static bool is_empty(const Field *field, const char *object)
{
    static const char zero[sizeof(double)];
    if (is_list(field)) return !*(const int *)(object + field->count_offset);
    return !memcmp(object + field->offset, zero, field->type == FIELD_STRING ? 1 : element_bytes(field));
}

void schema_write(const Schema *schema, const void *object, DocWriter *w)
{
    for (int i = 0; i < schema->count; i++) {
        const Field *field = &schema->fields[i];
        const char *at = (const char *)object + field->offset;
        if (field->use == FIELD_LEGACY || (field->use == FIELD_SPARE && is_empty(field, object))) continue;
        if (field->type == FIELD_GROUP || field->type == FIELD_VARIANT) {
            doc_open(w, field->key, DOC_MAPPING, false);
            if (field->type == FIELD_GROUP) schema_write(field->schema, at, w);
            else field->variant->write(at, w);
            doc_close(w);
        } else if (field->type == FIELD_INDEXED) {
            write_indexed(field, object, w);
        } else {
            if (is_list(field)) write_list(field, object, w);
            else write_value(field, field->key, at, w);
            if (field->doc) doc_comment(w, field->doc);
        }
    }
}
