/* Buffers of a kernel under test, each with guard values before and after it. For kernels that get plain pointers: op_run.h
 * runs whole ops. */
#ifndef TESTS_SUPPORT_GUARDED_H
#define TESTS_SUPPORT_GUARDED_H

#include <stdint.h>

typedef struct Guarded {
    float *data;   /* count values */
    int64_t count; /* may be 0 */
} Guarded;

/* Normally distributed values, which `seed` and `stream` choose. Ends the test if there is no memory. */
Guarded guarded_random(int64_t count, uint32_t seed, uint32_t stream);
/* Not a number everywhere: a value that is read before it is written shows in the result. */
Guarded guarded_unset(int64_t count);
Guarded guarded_copy(const Guarded *g);
void guarded_free(Guarded *g); /* also of {0} */
/* Ends the test if a value before or after the buffer has changed. */
void guarded_check(const Guarded *g);

#endif
