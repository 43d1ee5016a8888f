#include "base/hash.h"

#include <inttypes.h>
#include <stdio.h>
#include <xxhash.h>

#include "base/file.h"

void hash_bytes(char hash[HASH_BYTES], const void *data, size_t bytes)
{
    const XXH128_hash_t value = XXH3_128bits(data, bytes);
    snprintf(hash, HASH_BYTES, "%016" PRIx64 "%016" PRIx64, (uint64_t)value.high64, (uint64_t)value.low64);
}

int hash_file(char hash[HASH_BYTES], const char *path, Err *e)
{
    void *data;
    size_t bytes;
    TRY(file_map(path, &data, &bytes, e));
    hash_bytes(hash, data, bytes);
    file_unmap(data, bytes);
    return 0;
}
