#include "bench/report.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/program.h"
#include "formats/yaml.h"

void report_row(BenchReport *r, const char *section) { r->row = (BenchRow){.section = section}; }

static BenchField *add_field(BenchReport *r, const char *name)
{
    BenchField *field = &r->row.fields[r->row.count++];
    *field = (BenchField){.name = name};
    return field;
}

void report_text(BenchReport *r, const char *name, const char *text)
{
    BenchField *field = add_field(r, name);
    snprintf(field->text, sizeof field->text, "%s", text);
    field->is_text = true;
}

void report_number(BenchReport *r, const char *name, int64_t number)
{
    BenchField *field = add_field(r, name);
    snprintf(field->text, sizeof field->text, "%lld", (long long)number);
    field->number = (double)number;
}

void report_measure(BenchReport *r, const char *name, double value)
{
    BenchField *field = add_field(r, name);
    snprintf(field->text, sizeof field->text, "%.4g", value);
    field->number = value;
    field->is_measure = true;
}

/* ---- tables ---- */

static int width_of(const BenchField *field)
{
    const int least = field->is_text ? 22 : field->is_measure ? 10 : 6, name = (int)strlen(field->name);
    return name > least ? name : least;
}

static void add_cell(Text *t, const BenchField *field, const char *text, const char *end)
{
    text_add(t, field->is_text ? "%-*s%s" : "%*s%s", width_of(field), text, end);
}

static bool same_columns(const BenchRow *a, const BenchRow *b)
{
    if (a->section != b->section || a->count != b->count) return false;
    for (int i = 0; i < a->count; i++)
        if (strcmp(a->fields[i].name, b->fields[i].name)) return false;
    return true;
}

static void print_row(const BenchRow *row, const BenchRow *previous)
{
    Text t = {0};
    if (!previous || !same_columns(row, previous)) {
        text_add(&t, "\n%s\n", row->section);
        for (int i = 0; i < row->count; i++)
            add_cell(&t, &row->fields[i], row->fields[i].name, i + 1 < row->count ? "  " : "\n");
    }
    for (int i = 0; i < row->count; i++)
        add_cell(&t, &row->fields[i], row->fields[i].text, i + 1 < row->count ? "  " : "\n");
    if (t.length) program_print(t.data);
    text_free(&t);
}

void report_end(BenchReport *r)
{
    if (r->error.code) return;
    if (r->count == r->room) {
        const int room = r->room ? 2 * r->room : 64;
        const size_t each = sizeof *r->rows;
        if (mem_grow((void **)&r->rows, (size_t)r->count * each, (size_t)room * each, &r->error)) return;
        r->room = room;
    }
    print_row(&r->row, r->count ? &r->rows[r->count - 1] : NULL);
    r->rows[r->count++] = r->row;
}

int report_check(const BenchReport *r, Err *e)
{
    if (r->error.code && e) *e = r->error;
    return (int)r->error.code;
}

void report_free(BenchReport *r)
{
    mem_free(r->rows);
    *r = (BenchReport){0};
}

/* ---- JSON ---- */

static const char *const sections[] = {"limits", "ops", "scan", "networks", "scaling", "table", "pipeline"};
enum { SECTIONS = sizeof sections / sizeof sections[0] };

/* Limits are one mapping, because each has its own name. */
static bool is_mapping(const char *section) { return !strcmp(section, "limits"); }

static void write_row(DocWriter *w, const BenchRow *row)
{
    if (!is_mapping(row->section)) doc_open(w, NULL, DOC_MAPPING, true);
    for (int i = 0; i < row->count; i++) {
        const BenchField *field = &row->fields[i];
        if (field->is_text) doc_put_string(w, field->name, field->text);
        else if (field->is_measure) doc_put_double(w, field->name, field->number);
        else doc_put_int(w, field->name, (int64_t)field->number);
    }
    if (!is_mapping(row->section)) doc_close(w);
}

int report_write(const BenchReport *r, const char *path, Err *e)
{
    DocWriter w = {.json = true};
    doc_open(&w, NULL, DOC_MAPPING, false);
    for (int s = 0; s < SECTIONS; s++) {
        doc_open(&w, sections[s], is_mapping(sections[s]) ? DOC_MAPPING : DOC_SEQUENCE, false);
        for (int i = 0; i < r->count; i++)
            if (!strcmp(r->rows[i].section, sections[s])) write_row(&w, &r->rows[i]);
        doc_close(&w);
    }
    doc_close(&w);
    return doc_finish(&w, path, e);
}

/* ---- comparison with an earlier run ---- */

static bool is_same(const BenchField *field, const DocNode *old)
{
    double number;
    if (!old || old->kind != DOC_SCALAR) return false;
    if (field->is_text) return !strcmp(field->text, old->text);
    return doc_text_to_double(old->text, &number) && number == field->number;
}

static bool identifies(const BenchRow *row, const DocNode *old)
{
    for (int i = 0; i < row->count && !row->fields[i].is_measure; i++)
        if (!is_same(&row->fields[i], doc_find(old, row->fields[i].name))) return false;
    return true;
}

static const DocNode *find_row(const BenchRow *row, const DocNode *section)
{
    if (!section || section->kind == DOC_MAPPING) return section;
    for (const DocNode *old = section->first; old; old = old->next)
        if (identifies(row, old)) return old;
    return NULL;
}

static void add_ratios(Text *t, const BenchRow *row, const DocNode *old)
{
    text_add(t, "%-9s", row->section);
    for (int i = 0; i < row->count; i++) {
        const BenchField *field = &row->fields[i];
        const DocNode *before = field->is_measure ? doc_find(old, field->name) : NULL;
        double number;
        if (!field->is_measure) text_add(t, " %s", field->text);
        else if (before && doc_text_to_double(before->text, &number) && number != 0)
            text_add(t, "  %s ×%.3f", field->name, field->number / number);
    }
    text_add(t, "\n");
}

int report_compare(const BenchReport *r, const char *path, Err *e)
{
    Doc doc;
    Text t = {0};
    TRY(doc_read(&doc, path, e));
    text_add(&t, "\nthis run / %s\n", path);
    for (int i = 0; i < r->count; i++) {
        const DocNode *old = find_row(&r->rows[i], doc_find(doc.root, r->rows[i].section));
        if (old) add_ratios(&t, &r->rows[i], old);
    }
    doc_free(&doc);
    const int failed = text_check(&t, e);
    if (!failed) program_print(t.data);
    text_free(&t);
    return failed;
}
