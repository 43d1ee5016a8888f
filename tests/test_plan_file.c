/* docs/plan_file.md has each key of the plan's schema with its form and default, and no other. The rows that are missing or
 * wrong are printed as they should be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "formats/schema.h"
#include "network/models/network.h"
#include "plans/plan.h"
#include "plans/plan_schema.h"

#define DOCUMENT "docs/plan_file.md"

enum { MOST = 400, CELL = 512, PREFIXES = 4 };

/* "| `key` | form | default | source | meaning |"; key is the whole path. */
enum { KEY, FORM, DEFAULT, SOURCE, MEANING, CELLS };
typedef struct Row {
    char cells[CELLS][CELL];
} Row;

typedef struct Rows {
    Row rows[MOST];
    int count;
} Rows;

/* ---- what the schema says ---- */

static void add_choices(Text *t, const char *const *choices)
{
    for (int i = 0; choices[i]; i++) text_add(t, "%s%s", !i ? "" : choices[i + 1] ? ", " : " or ", choices[i]);
}

static void add_value(Text *t, const Field *field)
{
    switch (field->type) {
    case FIELD_INT:
    case FIELD_INT64:
    case FIELD_DOUBLE:
        text_add(t, "%snumber", field->type == FIELD_DOUBLE ? "" : "whole ");
        if (field->low < field->high) text_add(t, ", %.16g to %.16g", field->low, field->high);
        break;
    case FIELD_BOOL: text_add(t, "true or false"); break;
    case FIELD_STRING: text_add(t, "text"); break;
    case FIELD_CHOICE: add_choices(t, field->choices); break;
    case FIELD_GROUP:
    case FIELD_INDEXED:
    case FIELD_VARIANT: break;
    }
}

static bool is_list(const Field *field) { return field->capacity && field->type != FIELD_STRING; }

static void add_form(Text *t, const Field *field)
{
    if (field->use == FIELD_LEGACY) {
        text_add(t, "older key");
        return;
    }
    if (is_list(field) && field->count_offset == NO_COUNT) text_add(t, "list of %d: ", field->capacity);
    else if (is_list(field))
        text_add(t, "list%s%s: ", field->inner ? " of pairs" : "", field->spreads ? " or one" : "");
    add_value(t, field);
}

/* Of one value at `at`. */
static void add_stored(Text *t, const Field *field, const void *at)
{
    switch (field->type) {
    case FIELD_INT: text_add(t, "%d", *(const int *)at); break;
    case FIELD_INT64: text_add(t, "%lld", (long long)*(const int64_t *)at); break;
    case FIELD_DOUBLE: text_add_double(t, *(const double *)at); break;
    case FIELD_BOOL: text_add(t, *(const bool *)at ? "true" : "false"); break;
    case FIELD_CHOICE: text_add(t, "%s", field->choices[*(const int *)at]); break;
    case FIELD_STRING: text_add(t, "%s", *(const char *)at ? (const char *)at : "null"); break;
    case FIELD_GROUP:
    case FIELD_INDEXED:
    case FIELD_VARIANT: break;
    }
}

/* at: the struct with the defaults. */
static void add_default(Text *t, const Field *field, const char *at)
{
    if (field->use == FIELD_LEGACY) return;
    if (field->use == FIELD_REQUIRED) text_add(t, "required");
    else if (is_list(field)) text_add(t, "%s", field->fallback ? field->fallback : "none");
    else add_stored(t, field, at + field->offset);
}

static void put_cell(Row *row, int cell, Text *t)
{
    snprintf(row->cells[cell], CELL, "%s", t->length ? t->data : "");
    text_free(t);
}

static Row *new_row(Rows *r, const char *prefix, const char *key)
{
    if (r->count == MOST) fail_msg("more than %d keys", MOST);
    Row *row = &r->rows[r->count++];
    Text path = {0};
    *row = (Row){{{0}}};
    text_add(&path, "%s%s", prefix, key);
    put_cell(row, KEY, &path);
    return row;
}

static void list_schema(Rows *r, const Schema *schema, const char *prefix, const char *at);

static void list_field(Rows *r, const Field *field, const char *prefix, const char *at)
{
    char below[CELL];
    Text form = {0}, by_default = {0};
    snprintf(below, sizeof below, "%s%s.%s", prefix, field->key, field->type == FIELD_INDEXED ? "N." : "");
    if (field->type == FIELD_VARIANT) {
        Row *row = new_row(r, below, "name");
        strcpy(row->cells[FORM], "name of a network");
        snprintf(row->cells[DEFAULT], CELL, "%s", network_kinds()[0]->name);
    } else if (field->schema) list_schema(r, field->schema, below, at + field->offset);
    else {
        Row *row = new_row(r, prefix, field->key);
        add_form(&form, field);
        add_default(&by_default, field, at);
        put_cell(row, FORM, &form);
        put_cell(row, DEFAULT, &by_default);
    }
}

static void list_schema(Rows *r, const Schema *schema, const char *prefix, const char *at)
{
    for (int i = 0; i < schema->count; i++) list_field(r, &schema->fields[i], prefix, at);
    for (const char *const *unused = schema->unused; unused && *unused; unused++)
        strcpy(new_row(r, prefix, !strcmp(*unused, "*") ? "others" : *unused)->cells[FORM], "not used");
}

/* ---- what the document says ---- */

/* The texts in backquotes of a heading, each with a point behind. */
static int take_heading(char prefixes[PREFIXES][CELL], const char *line)
{
    int count = 0;
    const char *end = line + strcspn(line, "\n");
    for (const char *at = line; (at = strchr(at, '`')) && at < end; at++) {
        const int length = (int)strcspn(++at, "`");
        if (count == PREFIXES) fail_msg("more than %d sections in a heading", PREFIXES);
        snprintf(prefixes[count++], CELL, "%.*s.", length, at);
        at += length;
    }
    if (!count) prefixes[count++][0] = '\0';
    return count;
}

static void take_cells(Row *row, const char *line)
{
    for (int i = 0; i < CELLS; i++) {
        int length = 0;
        if (*line++ != '|') fail_msg("%.80s: expected %d cells", line, CELLS);
        for (; *line != '|' && *line != '\n' && *line && length < CELL - 1; line++)
            if (*line != '`' && (length || *line != ' ')) row->cells[i][length++] = *line;
        while (length && row->cells[i][length - 1] == ' ') length--;
        row->cells[i][length] = '\0';
    }
}

static void read_rows(Rows *r, const char *document)
{
    char prefixes[PREFIXES][CELL] = {""};
    int sections = 1;
    for (const char *line = document; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
        if (!strncmp(line, "## ", 3)) sections = take_heading(prefixes, line);
        if (strncmp(line, "| `", 3)) continue;
        Row cells = {{{0}}};
        take_cells(&cells, line);
        for (int i = 0; i < sections; i++) {
            char key[CELL];
            snprintf(key, sizeof key, "%s", cells.cells[KEY]);
            Row *row = new_row(r, prefixes[i], key);
            memcpy(row->cells[FORM], cells.cells[FORM], sizeof cells - sizeof cells.cells[KEY]);
        }
    }
}

/* ---- the comparison ---- */

static const Row *find(const Rows *r, const char *key)
{
    for (int i = 0; i < r->count; i++)
        if (!strcmp(r->rows[i].cells[KEY], key)) return &r->rows[i];
    return NULL;
}

static void check_row(Text *wrong, const Row *want, const Row *found)
{
    static const char *const sources[] = {"nnU-Net", "paper", "here"};
    bool is_source = false;
    if (!found || strcmp(found->cells[FORM], want->cells[FORM]) ||
        strcmp(found->cells[DEFAULT], want->cells[DEFAULT])) {
        text_add(wrong, "| `%s` | %s | %s |", want->cells[KEY], want->cells[FORM], want->cells[DEFAULT]);
        text_add(wrong, found ? " found %s, %s\n" : " is missing\n", found ? found->cells[FORM] : "",
                 found ? found->cells[DEFAULT] : "");
        return;
    }
    for (int i = 0; i < 3; i++) is_source = is_source || !strcmp(found->cells[SOURCE], sources[i]);
    if (!is_source) text_add(wrong, "%s: source \"%s\"\n", want->cells[KEY], found->cells[SOURCE]);
    if (strlen(found->cells[MEANING]) < 4) text_add(wrong, "%s has no meaning\n", want->cells[KEY]);
}

/* Adds a line for each difference. */
static void compare(Text *wrong, const char *document)
{
    Plan *defaults = calloc(1, sizeof *defaults);
    Rows *want = calloc(1, sizeof *want), *found = calloc(1, sizeof *found);
    if (!defaults || !want || !found) fail_msg("out of memory");
    plan_defaults(defaults);
    list_schema(want, &plan_schema, "", (const char *)defaults);
    read_rows(found, document);
    for (int i = 0; i < want->count; i++) check_row(wrong, &want->rows[i], find(found, want->rows[i].cells[KEY]));
    for (int i = 0; i < found->count; i++) {
        const char *key = found->rows[i].cells[KEY];
        if (!find(want, key)) text_add(wrong, "%s is no key\n", key);
        if (find(found, key) != &found->rows[i]) text_add(wrong, "%s is there twice\n", key);
    }
    free(defaults);
    free(want);
    free(found);
}

static char *read_document(void)
{
    char *text;
    size_t bytes;
    Err e = {0};
    if (file_get(DOCUMENT, &text, &bytes, &e)) fail_msg("%s", e.text);
    return text;
}

static void the_document_has_each_key(void **state)
{
    Text wrong = {0};
    char *document = read_document();
    (void)state;
    compare(&wrong, document);
    if (wrong.length) fputs(wrong.data, stderr); /* cmocka would cut it off */
    if (wrong.length) fail_msg(DOCUMENT " does not fit the schema");
    mem_free(document);
}

static void mistakes_in_the_document_are_found(void **state)
{
    static const struct {
        const char *before, *after, *says;
    } mistakes[] = {
        {"| `epochs` |", "| `epoch` |", "training.epoch is no key"},
        {"| `epochs` | whole number, 1 to 1000000 | 1000 |", "| `epochs` | whole number, 1 to 1000000 | 100 |",
         "| `training.epochs` | whole number, 1 to 1000000 | 1000 | found"},
        {"| `batch_dice` | true or false |", "| `batch_dice` | number |", "| `configurations.2d.batch_dice` |"},
        {"| `step` |", "| `stop` |", "| `inference.step` | number, 0.01 to 1 | 0.5 | is missing"},
        {"| `gaussian` | true or false | true | nnU-Net |", "| `gaussian` | true or false | true | me |",
         "inference.gaussian: source \"me\""},
        {"`configurations.2d.resampling_fn_seg_kwargs`", "`configurations.2d.resampling_fn_kwargs`",
         "configurations.2d.resampling_fn_kwargs.order is no key"},
        {"| `num_pool_per_axis` | not used |", "| `num_pool_per_axis` | text |", "| `configurations.2d.num_pool"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++) {
        Text changed = {0}, wrong = {0};
        char *document = read_document();
        const char *at = strstr(document, mistakes[i].before);
        if (!at) fail_msg(DOCUMENT " has no %s", mistakes[i].before);
        text_add_bytes(&changed, document, (size_t)(at - document));
        text_add(&changed, "%s%s", mistakes[i].after, at + strlen(mistakes[i].before));
        compare(&wrong, changed.data);
        if (!wrong.length || !strstr(wrong.data, mistakes[i].says))
            fail_msg("%s: expected %s, found %s", mistakes[i].after, mistakes[i].says,
                     wrong.length ? wrong.data : "nothing");
        text_free(&changed);
        text_free(&wrong);
        mem_free(document);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_document_has_each_key),
                                       cmocka_unit_test(mistakes_in_the_document_are_found)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
