/* Characters of UTF-8 (RFC 3629: no overlong forms, no surrogates). */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stddef.h>

/* Bytes of the character at the beginning of `count` bytes; 0 if there is none that is well-formed. */
size_t utf8_length(const char *bytes, size_t count);

#endif
