/* Changes within what is packed or has a checksum or a length, for FuzzTarget.mutate. */
#ifndef TESTS_FUZZ_PACKING_H
#define TESTS_FUZZ_PACKING_H

#include "tests/fuzz/fuzz.h"

/* What a gzip member holds. */
size_t fuzz_mutate_gzip(uint8_t *data, size_t size, size_t most, unsigned choice, FuzzBytes *change);

/* One chunk of a PNG file; of the pixels what is packed in them. Or a chunk is repeated or left out. */
size_t fuzz_mutate_png(uint8_t *data, size_t size, size_t most, unsigned choice, FuzzBytes *change);

/* The content of one entry of an archive as PyTorch makes it. */
size_t fuzz_mutate_zip(uint8_t *data, size_t size, size_t most, unsigned choice, FuzzBytes *change);

/* A header whose length is stored at data[at] in `bytes` bytes, and which follows these. */
size_t fuzz_mutate_header(uint8_t *data, size_t size, size_t most, size_t at, int bytes, FuzzBytes *change);

/* zlib (window 15), gzip (31), as inflateInit2 and deflateInit2 name them. Return the number of bytes; 0: damaged,
 * or no room. */
size_t fuzz_inflate(uint8_t *to, size_t room, const uint8_t *from, size_t bytes, int window);
size_t fuzz_deflate(uint8_t *to, size_t room, const uint8_t *from, size_t bytes, int window);

#endif
