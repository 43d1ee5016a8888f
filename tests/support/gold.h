/* GOLD bundles: the reference arrays of the golden folder.
 *
 * A bundle is a sequence of records "name dtype ndim d0 d1 …\n" + raw little-endian values, dtype one of
 * f4 f8 i4 u1. gold_open copies every record into an aligned Array that the Gold owns; gold_close
 * frees everything. `Gold g = {0}` is an empty bundle. */
#ifndef TESTS_SUPPORT_GOLD_H
#define TESTS_SUPPORT_GOLD_H

#include "base/array.h"
#include "base/error.h"

typedef struct GoldRecord {
    char *name;
    Array array;
} GoldRecord;

typedef struct Gold {
    GoldRecord *records; /* in the file's order */
    int count;
} Gold;

/* Fails: ERR_IO; ERR_FORMAT with the record's index; ERR_NOMEM. On failure nothing is owned. */
int gold_open(Gold *g, const char *path, Err *e);

/* The record of that name, borrowed until gold_close; NULL if there is none. */
const Array *gold_find(const Gold *g, const char *name);

void gold_close(Gold *g);

/* A path below the golden folder, which is that in the environment variable GOLDEN, or else ../shared/golden. Valid
 * until the fourth call after it. */
const char *gold_path(const char *below);

#endif
