/* All heap memory of the project comes from here, so that faults can be injected in one place.
 *
 * Blocks are aligned to MEM_ALIGN bytes (one AVX-512 register, one cache line), owned by the caller
 * and given back with mem_free (NULL is fine). Sizes in bytes; a size of 0 gives a valid block. */
#ifndef BASE_MEMORY_H
#define BASE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum { MEM_ALIGN = 64 };

/* A new block, not initialised; NULL with e filled. */
void *mem_alloc(size_t bytes, Err *e);

/* count * size bytes, zeroed; NULL with e filled (also when the product overflows). */
void *mem_zalloc(size_t count, size_t size, Err *e);

/* Grows *block, whose first `used` bytes are kept; 0, or negative with *block as it was. */
int mem_grow(void **block, size_t used, size_t bytes, Err *e);

/* Makes space for one more entry in a list that only grows by this. list: address of the pointer to its `count`
 * entries of `size` bytes, NULL for an empty list. It has space for the next power of two, and so needs no capacity
 * of its own. Returns 0, or ERR_NOMEM with the list unchanged. */
int mem_grow_list(void *list, int64_t count, size_t size, Err *e);

char *mem_strdup(const char *text, Err *e);
void mem_free(void *block);

/* Resident memory of the process in bytes, now and at its peak; 0 where the system does not tell. */
int64_t mem_resident(void);
int64_t mem_resident_most(void);

/* a * b, or SIZE_MAX where that overflows (an allocation of SIZE_MAX fails). */
size_t mem_product(size_t a, size_t b);

#endif
