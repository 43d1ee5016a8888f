/* Python pickles, read without executing anything: the fixed subset that PyTorch's files need.
 *
 * Source: CPython's pickletools.py (opcodes), torch/serialization.py and torch/_utils.py (how tensors and storages
 * are stored). A pickle is a program for a stack machine; here the machine only builds Values. It calls only the
 * functions of pickle_calls.c: a call (REDUCE) of any other global fails with its name; an unknown class that is
 * only instantiated becomes an inert VALUE_OBJECT without content. Memory is bounded by a multiple of the pickle's
 * length; the result has no cycles, is at most PICKLE_MAX_DEPTH deep, and no dictionary has a key twice. Values
 * belong to their Pickle; those of kind BYTES, LONG and tensors may view the pickle's bytes, which must outlive it.
 * `Pickle p = {0}` is an empty one; pickle_free frees everything. */
#ifndef WEIGHTS_PICKLE_H
#define WEIGHTS_PICKLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/array.h"
#include "base/error.h"

enum { PICKLE_MAX_DEPTH = 64 };

typedef enum ValueKind {
    VALUE_NONE,
    VALUE_BOOL,
    VALUE_INT,
    VALUE_FLOAT,
    VALUE_STRING,
    VALUE_BYTES,
    VALUE_LONG, /* an integer beyond 64 bits: its bytes, little-endian two's complement */
    VALUE_LIST, /* lists and sets */
    VALUE_TUPLE,
    VALUE_DICT,
    VALUE_TENSOR,
    VALUE_STORAGE,
    VALUE_DTYPE,
    VALUE_GLOBAL, /* a class or function, by name only */
    VALUE_OBJECT  /* an instance of an unknown class */
} ValueKind;

/* One block of numbers of the file; several tensors may share it. */
typedef struct PickleStorage {
    DType dtype;
    const char *key;            /* its name in the file */
    int64_t count;              /* elements */
    const char *data;           /* NULL until it is found in the file */
    bool in_pickle;             /* data is valid as long as the Pickle only (a NumPy array), not as long as the file */
    struct PickleStorage *next; /* all storages of a pickle */
} PickleStorage;

typedef struct PickleTensor {
    const PickleStorage *storage; /* NULL: an array whose content the pickle does not set */
    int64_t offset;               /* elements */
    int rank;
    int64_t shape[ARRAY_MAX_RANK], stride[ARRAY_MAX_RANK]; /* strides in elements, >= 0 */
} PickleTensor;

typedef struct Value Value;
struct Value {
    ValueKind kind;
    int height; /* of the tree below, 1 for a leaf (checked when the pickle is read) */
    union {
        bool truth;
        int64_t integer;
        double number;
        struct {
            const char *data;
            size_t bytes;
        } text; /* STRING: UTF-8 and a NUL behind */
        struct {
            Value **items;
            uint32_t count, capacity;
        } list; /* DICT: key, value, key, value … */
        struct {
            const char *module, *name;
        } global; /* OBJECT: its class */
        PickleStorage *storage;
        PickleTensor *tensor;
        DType dtype;
    };
};

typedef struct Pickle {
    const Value *root;
    PickleStorage *storages;    /* those named by persistent ids */
    struct PickleBlock *blocks; /* the memory of all values */
} Pickle;

/* Reads the pickle at `data`, which ends with its STOP; *used (may be NULL) is its length. On failure
 * nothing is owned. Fails: ERR_FORMAT, ERR_UNSUPPORTED, with the byte; ERR_NOMEM. */
int pickle_read(Pickle *p, const char *data, size_t bytes, size_t *used, Err *e);
void pickle_free(Pickle *p);

/* The dictionary's value under that string key; NULL if there is none, or v is NULL or no dictionary. */
const Value *value_get(const Value *v, const char *key);

/* value_get along "key/key/key"; an integer key or the index of a list or tuple is written in decimals. */
const Value *value_at(const Value *v, const char *path);

#endif
