/* Values in a row of bytes, as processes of one program send them (base/crew.h). They are added by text_add_bytes. */
#ifndef BASE_BYTES_H
#define BASE_BYTES_H

#include <stddef.h>
#include <string.h>

/* Copies a value from the bytes, and returns what follows it. */
static inline const char *bytes_take(void *value, const char *from, size_t size)
{
    memcpy(value, from, size);
    return from + size;
}

#endif
