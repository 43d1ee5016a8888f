/* Buffers of a kernel under test, each with guard values before and after it. For kernels that get plain pointers: op_run.h
 * runs whole ops. */
#ifndef TESTS_SUPPORT_GUARDED_H
#define TESTS_SUPPORT_GUARDED_H

#include <stdbool.h>
#include <stdint.h>

typedef struct Guarded {
    float *data;   /* count values; NULL: no memory */
    int64_t count; /* may be 0 */
} Guarded;

/* Normally distributed values, which `seed` and `stream` choose. */
Guarded guarded_random(int64_t count, uint32_t seed, uint32_t stream);
/* Not a number everywhere: a value that is read before it is written shows in the result. */
Guarded guarded_unset(int64_t count);
Guarded guarded_copy(const Guarded *g); /* of a buffer that is there */
void guarded_free(Guarded *g);          /* also of {0} */
/* Whether there is a buffer, and no value before or after it has changed. */
bool guarded_intact(const Guarded *g);

#endif
