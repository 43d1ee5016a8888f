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

typedef struct BenchField {
    const char *name;          /* a constant */
    char text[REPORT_TEXT];    /* as it is printed */
    double number;
    bool is_text, is_measure;
} BenchField;

typedef struct BenchRow {
    const char *section;       /* "limits", "ops", "scan", "networks", "scaling", "pipeline" */
    BenchField fields[REPORT_FIELDS];
    int count;
} BenchRow;

typedef struct BenchReport {
    BenchRow *rows;
    int count, room;
    BenchRow row;                   /* under construction */
    Err error;
} BenchReport;

void report_row(BenchReport *r, const char *section);
void report_text(BenchReport *r, const char *name, const char *text);
void report_number(BenchReport *r, const char *name, int64_t number);
void report_measure(BenchReport *r, const char *name, double value);
void report_end(BenchReport *r);                         /* keeps and prints the row */
int report_check(const BenchReport *r, Err *e);
void report_free(BenchReport *r);

/* One mapping: `limits` is a mapping too, the other sections are lists of rows. Fails: ERR_IO, ERR_NOMEM. */
int report_write(const BenchReport *r, const char *path, Err *e);

/* Prints, for every row that an earlier report has too, how each measure is to the one there.
 * Fails: ERR_IO, ERR_FORMAT, ERR_NOMEM. */
int report_compare(const BenchReport *r, const char *path, Err *e);

#endif
