#include "tests/support/png_chunk.h"

#include <stdint.h>
#include <zlib.h>

void png_chunk_add(Text *t, const char *kind, const void *content, size_t bytes)
{
    uint8_t number[4] = {0, 0, (uint8_t)(bytes >> 8), (uint8_t)bytes};
    text_add_bytes(t, (const char *)number, 4);
    text_add_bytes(t, kind, 4);
    text_add_bytes(t, content, bytes);
    const uint32_t check = (uint32_t)crc32(crc32(0, (const uint8_t *)kind, 4), content, (uInt)bytes);
    for (int i = 0; i < 4; i++) number[i] = (uint8_t)(check >> (24 - 8 * i));
    text_add_bytes(t, (const char *)number, 4);
}
