/* A buffer for a kernel under test, with guard values before and after it. op_run.h runs whole ops in such buffers. */
#ifndef TESTS_SUPPORT_GUARDED_H
#define TESTS_SUPPORT_GUARDED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct Guarded {
    void *data; /* aligned as mem_alloc's memory; NULL: no memory */
    size_t bytes;
} Guarded;

/* The guard value, repeated: as float32 and as bfloat16 not a number. */
extern const uint32_t guard_value;

/* Filled with the guard value: a number that is read before it is written shows in the result. */
Guarded guarded_unset(size_t bytes);
/* `count` floats of a normal distribution; `seed` and `stream` choose them. */
Guarded guarded_random(int64_t count, uint32_t seed, uint32_t stream);
Guarded guarded_copy(const Guarded *g); /* of a buffer that exists */
void guarded_free(Guarded *g);          /* also of {0} */

/* Whether there is a buffer, and no value before or after it has changed. */
bool guarded_intact(const Guarded *g);

#endif
