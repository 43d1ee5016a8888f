#include "base/hash.h"

#include <inttypes.h>
#include <stdio.h>
#define XXH_STATIC_LINKING_ONLY /* for the size of the state, a local variable */
#include <xxhash.h>

#include "base/file.h"

static void put(char hash[HASH_BYTES], XXH128_hash_t value)
{
    snprintf(hash, HASH_BYTES, "%016" PRIx64 "%016" PRIx64, (uint64_t)value.high64, (uint64_t)value.low64);
}

void hash_bytes(char hash[HASH_BYTES], const void *data, size_t bytes) { put(hash, XXH3_128bits(data, bytes)); }

void hash_sampled(char hash[HASH_BYTES], const void *data, size_t bytes)
{
    enum { WHOLE = 1 << 20, PIECES = 64, PIECE = 4096 };
    if (bytes <= WHOLE) {
        hash_bytes(hash, data, bytes);
        return;
    }
    XXH128_hash_t pieces[PIECES + 1];
    const size_t step = (bytes - PIECE) / (PIECES - 1);
    pieces[PIECES] = (XXH128_hash_t){bytes, 0};
    for (size_t i = 0; i < PIECES; i++) {
        const size_t at = i == PIECES - 1 ? bytes - PIECE : i * step;
        pieces[i] = XXH3_128bits((const char *)data + at, PIECE);
    }
    hash_bytes(hash, pieces, sizeof pieces);
}

int hash_file(char hash[HASH_BYTES], const char *path, Err *e)
{
    enum { PART = 4 << 20 };
    void *data;
    size_t bytes;
    XXH3_state_t state;
    TRY(file_map(path, &data, &bytes, e));
    XXH3_128bits_reset(&state);
    for (size_t at = 0; at < bytes; at += PART) {
        const size_t part = bytes - at < PART ? bytes - at : PART;
        XXH3_128bits_update(&state, (const char *)data + at, part);
        file_forget((const char *)data + at, part); /* else the whole file would count as the process's memory */
    }
    file_unmap(data, bytes);
    put(hash, XXH3_128bits_digest(&state));
    return 0;
}
