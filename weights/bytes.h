/* Reads and writes little-endian integers of weight files, on machines of any byte order. */
#ifndef WEIGHTS_BYTES_H
#define WEIGHTS_BYTES_H

#include <stdint.h>

static inline uint64_t bytes_le(const void *from, int count)
{
    const unsigned char *at = from;
    uint64_t value = 0;
    for (int i = count - 1; i >= 0; i--) value = value << 8 | at[i];
    return value;
}

static inline void bytes_put_le(void *to, int count, uint64_t value)
{
    unsigned char *at = to;
    for (int i = 0; i < count; i++) at[i] = (unsigned char)(value >> 8 * i);
}

#endif
