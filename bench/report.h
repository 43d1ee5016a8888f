/* Report: the measured values as rows of named fields, printed as tables, written as JSON, and compared.
 *
 *   report_row(r, "networks");
 *   report_text(r, "network", "unet");  report_number(r, "height", 320);   … the fields that identify the row
 *   report_measure(r, "seconds", s);                                      … the measured values
 *   report_end(r);
 * The fields of a row before its first measure identify it in another run. Rows are printed when they end. Lack of
 * memory is stored and returned by report_check. Owned by the caller; report_free frees its memory. */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

enum { REPORT_FIELDS = 16, REPORT_TEXT = 48 };

typedef struct BenchField {
    const char *name;       /* a constant */
    char text[REPORT_TEXT]; /* as printed */
    double number;
    bool is_text, is_measure;
} BenchField;

typedef struct BenchRow {
    const char *section; /* "limits", "ops", "scan", "networks", "scaling", "table", "pipeline" */
    BenchField fields[REPORT_FIELDS];
    int count;
} BenchRow;

typedef struct BenchReport {
    BenchRow *rows;
    int count, room;
    BenchRow row; /* the current row, not complete */
    Err error;
} BenchReport;

void report_row(BenchReport *r, const char *section);
void report_text(BenchReport *r, const char *name, const char *text);
void report_number(BenchReport *r, const char *name, int64_t number);
void report_measure(BenchReport *r, const char *name, double value);
void report_end(BenchReport *r); /* adds and prints the row */
int report_check(const BenchReport *r, Err *e);
void report_free(BenchReport *r);

/* Writes a mapping of sections: `limits` is a mapping, the others are lists of rows. Fails: ERR_IO, ERR_NOMEM. */
int report_write(const BenchReport *r, const char *path, Err *e);

/* Prints the ratio of each measure to that in an earlier report, for every row that is in both. Fails: ERR_IO,
 * ERR_FORMAT, ERR_NOMEM. */
int report_compare(const BenchReport *r, const char *path, Err *e);

#endif
