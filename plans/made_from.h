/* MadeFrom: the inputs of a result, as a list of named texts that is stored beside the result.
 *
 * A program that uses a result makes the list again and compares both. Where they differ, the result is made again or
 * refused, and the message names the keys. Files are compared by content, not by time.
 *   MadeFrom m = {0};
 *   made_from_add(&m, "spacing", "%g %g", y, x);
 *   made_from_add_file(&m, "label", path);
 *   … made_from_write(&m, path, e);
 *   made_from_free(&m);
 * Adding can fail (no memory; a file that cannot be read): the first failure is kept, later additions do nothing,
 * and made_from_check returns it. */
#ifndef PLANS_MADE_FROM_H
#define PLANS_MADE_FROM_H

#include <stdbool.h>

#include "base/error.h"
#include "base/text.h"
#include "formats/yaml.h"

typedef struct MadeFromItem {
    char *key, *value; /* owned */
} MadeFromItem;

typedef struct MadeFrom {
    MadeFromItem *items; /* count of them, in the order in which they were added */
    int count;
    Err failure;
} MadeFrom;

/* key: unique in the list; copied. */
void made_from_add(MadeFrom *m, const char *key, const char *format, ...) __attribute__((format(printf, 3, 4)));
void made_from_add_file(MadeFrom *m, const char *key, const char *path); /* the content's hash (base/hash.h) */
void made_from_add_all(MadeFrom *m, const MadeFrom *other);              /* its items, and its failure */
int made_from_check(const MadeFrom *m, Err *e);
void made_from_free(MadeFrom *m);

/* The text of a key, borrowed; NULL if the key is missing. */
const char *made_from_find(const MadeFrom *m, const char *key);

bool made_from_same(const MadeFrom *a, const MadeFrom *b);

/* Adds the differences to text: "spacing: 1 1, now 2 2; label: none, now 3f…". Only keys that begin with `prefix`
 * ("" for all) are compared. Returns the number of differences. */
int made_from_differences(Text *text, const MadeFrom *then, const MadeFrom *now, const char *prefix);

/* A YAML file: a mapping of keys to texts. Read: *m is new and owned by the caller. Fail: as doc_read, doc_finish
 * and made_from_check. */
int made_from_write(const MadeFrom *m, const char *path, Err *e);
int made_from_read(MadeFrom *m, const char *path, Err *e);

/* As bytes, with the failure, for another process of this program. unpack: *m is new and owned by the caller. Fails: ERR_NOMEM. */
void made_from_pack(Text *bytes, const MadeFrom *m);
int made_from_unpack(MadeFrom *m, const char *bytes, size_t size, Err *e);

/* As the value of a key in a larger file. */
void made_from_put(DocWriter *w, const char *key, const MadeFrom *m);
int made_from_get(MadeFrom *m, const DocNode *node, Err *e);

#endif
