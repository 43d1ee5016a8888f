/* JPEG 2000 by OpenJPEG: DCMTK has no decoder of it. */
#include <limits.h>
#include <math.h>
#include <openjpeg.h>
#include <stdbool.h>
#include <string.h>

#include "dicom/pixels.h"

typedef struct Bytes {
    const unsigned char *data;
    size_t count, at;
} Bytes;

static OPJ_SIZE_T give(void *to, OPJ_SIZE_T count, void *context)
{
    Bytes *b = context;
    const size_t left = b->count - b->at, taken = count < left ? count : left;
    if (!taken) return (OPJ_SIZE_T)-1;
    memcpy(to, b->data + b->at, taken);
    b->at += taken;
    return taken;
}

static OPJ_OFF_T skip(OPJ_OFF_T count, void *context)
{
    Bytes *b = context;
    if (count < 0 || (size_t)count > b->count - b->at) return -1;
    b->at += (size_t)count;
    return count;
}

static OPJ_BOOL seek(OPJ_OFF_T to, void *context)
{
    Bytes *b = context;
    if (to < 0 || (size_t)to > b->count) return OPJ_FALSE;
    b->at = (size_t)to;
    return OPJ_TRUE;
}

static opj_stream_t *stream_of(Bytes *b)
{
    opj_stream_t *stream = opj_stream_default_create(OPJ_TRUE);
    if (!stream) return NULL;
    opj_stream_set_user_data(stream, b, NULL);
    opj_stream_set_user_data_length(stream, b->count);
    opj_stream_set_read_function(stream, give);
    opj_stream_set_skip_function(stream, skip);
    opj_stream_set_seek_function(stream, seek);
    return stream;
}

/* The library's own words about a failure. */
static void keep_reason(const char *text, void *reason)
{
    char *to = reason;
    const size_t length = strcspn(text, "\r\n");
    if (length < 128) memcpy(to, text, length), to[length] = '\0';
}

/* A file in the form JP2 instead of a bare codestream is not what DICOM asks for, but occurs. */
static bool is_jp2(const Bytes *b)
{
    static const unsigned char begins[] = {0, 0, 0, 12, 'j', 'P', ' ', ' '};
    return b->count > sizeof begins && !memcmp(b->data, begins, sizeof begins);
}

static double four_bytes(const unsigned char *at)
{
    return (double)((uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3]);
}

/* In a JP2 file the codestream is the content of the box jp2c. A box of more than 4 GiB would be in another form. */
static size_t find_codestream(const Bytes *b)
{
    enum { BOX = 8 };
    size_t at = 0;
    while (is_jp2(b) && b->count - at >= BOX) {
        const double size = four_bytes(b->data + at);
        if (!memcmp(b->data + at + 4, "jp2c", 4)) return at + BOX;
        if (size < BOX || size > (double)(b->count - at)) return b->count;
        at += (size_t)size;
    }
    return at;
}

/* Tiles along an axis: of the image, which ends at `end`; the grid of tiles begins at `start`. */
static double tiles(const unsigned char *end, const unsigned char *size, const unsigned char *start)
{
    return ceil((four_bytes(end) - four_bytes(start)) / four_bytes(size));
}

/* OpenJPEG takes some kB for each tile and component that the header tells: each must have its markers in the bytes. */
static int expect_tiles(const Bytes *b, Err *e)
{
    enum { SIZE_BYTES = 42, TILE_BYTES = 14 };
    static const unsigned char begins[] = {0xff, 0x4f, 0xff, 0x51};
    const size_t from = find_codestream(b);
    const unsigned char *at = b->data + from;
    if (b->count - from < SIZE_BYTES || memcmp(at, begins, sizeof begins))
        return err_set(e, ERR_FORMAT, "JPEG 2000: cut off or damaged: it does not begin with its size");
    const double count = tiles(at + 8, at + 24, at + 32) * tiles(at + 12, at + 28, at + 36);
    const int components = at[40] << 8 | at[41];
    if (count * components * TILE_BYTES <= (double)b->count) return 0; /* false also for 0 / 0 */
    return err_set(e, ERR_FORMAT, "JPEG 2000: cut off or damaged: it has %.0f tiles in %zu bytes", count, b->count);
}

/* Whether the header of a tile's part, at `at`, replaces the main header's coding; or is too long to tell. */
static bool replaces_coding(const Bytes *b, size_t at)
{
    enum { SOT_BYTES = 12, SOD = 0x93, COD = 0x52, COC = 0x53, SEGMENTS = 256 };
    at += SOT_BYTES;
    for (int i = 0; at + 4 <= b->count && b->data[at] == 0xff && b->data[at + 1] != SOD; i++) {
        if (i == SEGMENTS || b->data[at + 1] == COD || b->data[at + 1] == COC) return true;
        at += 2 + (size_t)(b->data[at + 2] << 8 | b->data[at + 3]);
    }
    return false;
}

/* The marker of a part's beginning does not occur in compressed bytes. */
static int expect_one_coding(const Bytes *b, Err *e)
{
    for (size_t at = 0; at + 1 < b->count; at++)
        if (b->data[at] == 0xff && b->data[at + 1] == 0x90 && replaces_coding(b, at))
            return err_set(e, ERR_UNSUPPORTED, "JPEG 2000 with tiles that have a coding of their own");
    return 0;
}

/* OpenJPEG takes some hundred bytes for each precinct, and each has a packet of a byte at least. */
static int expect_precincts(const Bytes *b, opj_codec_t *codec, int64_t rows, int64_t columns, Err *e)
{
    enum { OWN_SIZES = 1 }; /* of precincts; else they are as large as can be */
    double most = 0;
    opj_codestream_info_v2_t *info = opj_get_cstr_info(codec);
    if (!info) return err_set(e, ERR_NOMEM, "not enough memory for JPEG 2000");
    const opj_tccp_info_t *coding = info->m_default_tile_info.tccp_info;
    const int resolutions = coding->csty & OWN_SIZES ? (int)coding->numresolutions : 0;
    for (int i = 0; i < resolutions; i++) { /* the last is the whole image */
        const int halvings = 2 * (resolutions - 1 - i), size = (int)(coding->prcw[i] + coding->prch[i]);
        most = fmax(most, ldexp((double)rows * (double)columns, -halvings - size));
    }
    opj_destroy_cstr_info(&info);
    if (most <= (double)b->count) return 0;
    return err_set(e, ERR_FORMAT, "JPEG 2000: cut off or damaged: it has %.0f precincts in %zu bytes", most, b->count);
}

static int expect_size(const opj_image_t *image, int64_t rows, int64_t columns, Err *e)
{
    if (image->numcomps != 1)
        return err_set(e, ERR_UNSUPPORTED, "JPEG 2000 with %u components: expected 1", image->numcomps);
    if (image->comps[0].h != rows || image->comps[0].w != columns)
        return err_set(e, ERR_SHAPE, "JPEG 2000 of %ux%u pixels where the header has %lldx%lld", image->comps[0].w,
                       image->comps[0].h, (long long)columns, (long long)rows);
    return 0;
}

static int decode(const Bytes *b, opj_codec_t *codec, opj_stream_t *stream, opj_image_t **image, int64_t rows,
                  int64_t columns, Err *e)
{
    char reason[128] = "cut off or damaged";
    opj_dparameters_t parameters;
    TRY(expect_tiles(b, e));
    opj_set_default_decoder_parameters(&parameters);
    opj_set_error_handler(codec, keep_reason, reason);
    /* The size is checked before memory is taken for it. */
    if (!opj_setup_decoder(codec, &parameters) || !opj_read_header(stream, codec, image))
        return err_set(e, ERR_FORMAT, "JPEG 2000: %s", reason);
    TRY(expect_size(*image, rows, columns, e));
    TRY(expect_one_coding(b, e));
    TRY(expect_precincts(b, codec, rows, columns, e));
    if (!opj_decode(codec, stream, *image) || !opj_end_decompress(codec, stream) || !(*image)->comps[0].data)
        return err_set(e, ERR_FORMAT, "JPEG 2000: %s", reason);
    return expect_size(*image, rows, columns, e);
}

int jpeg2000_decode(int32_t *values, int64_t rows, int64_t columns, const void *bytes, size_t count, Err *e)
{
    Bytes b = {bytes, count, 0};
    opj_image_t *image = NULL;
    opj_stream_t *stream = stream_of(&b);
    opj_codec_t *codec = opj_create_decompress(is_jp2(&b) ? OPJ_CODEC_JP2 : OPJ_CODEC_J2K);
    int code = stream && codec ? 0 : err_set(e, ERR_NOMEM, "not enough memory for JPEG 2000");
    if (!code) code = decode(&b, codec, stream, &image, rows, columns, e);
    if (!code) memcpy(values, image->comps[0].data, (size_t)(rows * columns) * sizeof *values);
    if (image) opj_image_destroy(image);
    if (codec) opj_destroy_codec(codec);
    if (stream) opj_stream_destroy(stream);
    return code;
}
