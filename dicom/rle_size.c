/* The header of a frame in RLE (DICOM PS3.5, annex G): how many segments, and where each begins. */
#include "dicom/pixels.h"

enum { HEADER = 64, SEGMENTS_MOST = 15 };

static uint32_t number_at(const unsigned char *bytes, int index)
{
    const unsigned char *at = bytes + 4 * index;
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

int rle_expect_segments(const void *frame, size_t count, int segments, Err *e)
{
    const unsigned char *bytes = frame;
    if (count < HEADER) return err_set(e, ERR_FORMAT, "RLE: cut off: a frame of %zu bytes", count);
    const uint32_t found = number_at(bytes, 0);
    if (found != (uint32_t)segments || found > SEGMENTS_MOST)
        return err_set(e, ERR_FORMAT, "RLE: damaged: a frame has %u segments, expected %d", found, segments);
    for (int i = 1; i <= segments; i++) {
        const uint32_t first = number_at(bytes, i);
        if (first < (i > 1 ? number_at(bytes, i - 1) : HEADER) || first > count)
            return err_set(e, ERR_FORMAT, "RLE: cut off or damaged: segment %d of a frame begins at byte %u of %zu", i,
                           first, count);
    }
    return 0;
}
