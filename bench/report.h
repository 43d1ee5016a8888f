/* What was measured: rows of named fields, printed as tables while they come, written as JSON, compared.
 *
 *   report_row(r, "networks");
 *   report_text(r, "network", "unet");  report_number(r, "height", 320);   … what identifies the row
 *   report_measure(r, "seconds", s);                                      … what was found
 *   report_end(r);
 * A row's fields up to its first measure identify it in another run. Lack of memory sticks and is
 * reported by report_check. Owned by the caller, report_free gives its memory back. */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

enum { REPORT_FIELDS = 16, REPORT_TEXT = 48 };

typedef struct Field {
    const char *name;          /* a constant */
    char text[REPORT_TEXT];    /* as it is printed */
    double number;
    bool is_text, is_measure;
} Field;

typedef struct Row {
    const char *section;       /* "limits", "ops", "scan", "networks", "scaling", "pipeline" */
    Field fields[REPORT_FIELDS];
    int count;
} Row;

typedef struct Report {
    Row *rows;
    int count, room;
    Row row;                   /* under construction */
    Err error;
} Report;

void report_row(Report *r, const char *section);
void report_text(Report *r, const char *name, const char *text);
void report_number(Report *r, const char *name, int64_t number);
void report_measure(Report *r, const char *name, double value);
void report_end(Report *r);                         /* keeps and prints the row */
int report_check(const Report *r, Err *e);
void report_free(Report *r);

/* One mapping: `limits` is a mapping too, the other sections are lists of rows. Fails: ERR_IO, ERR_NOMEM. */
int report_write(const Report *r, const char *path, Err *e);

/* Prints, for every row that an earlier report has too, how each measure is to the one there.
 * Fails: ERR_IO, ERR_FORMAT, ERR_NOMEM. */
int report_compare(const Report *r, const char *path, Err *e);

#endif
