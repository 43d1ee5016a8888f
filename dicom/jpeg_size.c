/* The size at the beginning of a JPEG or JPEG-LS codestream (ITU-T T.81, annex B; T.87, annex C). */
#include <stdbool.h>

#include "dicom/pixels.h"

enum { MARKER = 0xff, SOI = 0xd8, SOF_JPEG_LS = 0xf7, SIZE_BYTES = 9 };

static int two_bytes(const unsigned char *at) { return at[0] << 8 | at[1]; }

/* Whether a frame header follows. Among its numbers are those of three other markers: DHT, JPG, DAC. */
static bool has_size(int marker)
{
    const bool is_other = marker == 0xc4 || marker == 0xc8 || marker == 0xcc;
    return marker == SOF_JPEG_LS || (marker >= 0xc0 && marker <= 0xcf && !is_other);
}

int jpeg_expect_size(const void *bytes, size_t count, int64_t rows, int64_t columns, Err *e)
{
    const unsigned char *at = bytes, *past = at + count;
    if (count < 2 || at[0] != MARKER || at[1] != SOI) return 0;
    for (at += 2; past - at >= SIZE_BYTES && at[0] == MARKER;) {
        if (has_size(at[1])) {
            const int height = two_bytes(at + 5), width = two_bytes(at + 7);
            if (height == rows && width == columns) return 0;
            return err_set(e, ERR_SHAPE, "JPEG of %dx%d pixels where the header has %lldx%lld", width, height,
                           (long long)columns, (long long)rows);
        }
        const ptrdiff_t segment = at[1] == MARKER ? 1 : 2 + two_bytes(at + 2); /* a filling byte, else a length */
        if (segment > past - at) break;
        at += segment;
    }
    return err_set(e, ERR_FORMAT, "JPEG: cut off or damaged: it does not begin with its size");
}
