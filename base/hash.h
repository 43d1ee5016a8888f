/* Content hashes: a short text by which changed bytes are noticed.
 *
 * XXH3, 128 bits (libxxhash): its speed is that of memory. It is no cryptographic hash: it guards against mistakes,
 * not against attacks. */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stddef.h>

#include "base/error.h"

enum { HASH_BYTES = 33 }; /* 32 hexadecimal digits and the NUL */

void hash_bytes(char hash[HASH_BYTES], const void *data, size_t bytes);

/* Hash of the length and of 64 pieces of 4 KiB, spread evenly over the block; a block of up to 1 MiB is hashed
 * whole. It tells arrays of different runs apart and reads only a few pages of a mapped file. A single changed byte
 * may go unnoticed. */
void hash_sampled(char hash[HASH_BYTES], const void *data, size_t bytes);

/* Of a file's whole content. Fails: ERR_IO, ERR_NOMEM. */
int hash_file(char hash[HASH_BYTES], const char *path, Err *e);

#endif
