/* zlib with the project's memory (base/memory.h). */
#ifndef DATA_ZLIB_MEMORY_H
#define DATA_ZLIB_MEMORY_H

#include <zlib.h>

#include "base/memory.h"

static inline void *zlib_alloc(void *opaque, unsigned items, unsigned size)
{
    (void)opaque;
    return mem_zalloc(items, size, NULL);
}

static inline void zlib_free(void *opaque, void *block)
{
    (void)opaque;
    mem_free(block);
}

/* A stream before inflateInit2 or deflateInit2. */
static inline z_stream zlib_stream(void) { return (z_stream){.zalloc = zlib_alloc, .zfree = zlib_free}; }

#endif
