/* Content hashes: a short text that tells whether bytes are the same as before.
 *
 * XXH3, 128 bits (libxxhash): it reads as fast as memory gives. It guards against mistakes, not against
 * somebody who wants two files to look alike. */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stddef.h>

#include "base/error.h"

enum { HASH_BYTES = 33 }; /* 32 hexadecimal digits and the NUL */

void hash_bytes(char hash[HASH_BYTES], const void *data, size_t bytes);

/* Of a long block's length and of a part of it: 64 pieces of 4 KiB, spread evenly from its beginning to its
 * end; up to 1 MiB: of all. It tells arrays apart that were made otherwise, at the price of a few pages of a
 * mapped file; a single changed byte may stay unseen. */
void hash_sampled(char hash[HASH_BYTES], const void *data, size_t bytes);

/* Of a file's whole content. Fails: ERR_IO, ERR_NOMEM. */
int hash_file(char hash[HASH_BYTES], const char *path, Err *e);

#endif
