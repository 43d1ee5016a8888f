/* JPEG 2000 by OpenJPEG: DCMTK has no decoder of it. */
#include <limits.h>
#include <openjpeg.h>
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
static opj_codec_t *codec_of(const Bytes *b)
{
    static const unsigned char jp2[] = {0, 0, 0, 12, 'j', 'P', ' ', ' '};
    const int is_jp2 = b->count > sizeof jp2 && !memcmp(b->data, jp2, sizeof jp2);
    return opj_create_decompress(is_jp2 ? OPJ_CODEC_JP2 : OPJ_CODEC_J2K);
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

static int decode(opj_codec_t *codec, opj_stream_t *stream, opj_image_t **image, int64_t rows, int64_t columns, Err *e)
{
    char reason[128] = "cut off or damaged";
    opj_dparameters_t parameters;
    opj_set_default_decoder_parameters(&parameters);
    opj_set_error_handler(codec, keep_reason, reason);
    /* The size is checked before memory is taken for it. */
    if (!opj_setup_decoder(codec, &parameters) || !opj_read_header(stream, codec, image))
        return err_set(e, ERR_FORMAT, "JPEG 2000: %s", reason);
    TRY(expect_size(*image, rows, columns, e));
    if (!opj_decode(codec, stream, *image) || !opj_end_decompress(codec, stream) || !(*image)->comps[0].data)
        return err_set(e, ERR_FORMAT, "JPEG 2000: %s", reason);
    return expect_size(*image, rows, columns, e);
}

int jpeg2000_decode(int32_t *values, int64_t rows, int64_t columns, const void *bytes, size_t count, Err *e)
{
    Bytes b = {bytes, count, 0};
    opj_image_t *image = NULL;
    opj_stream_t *stream = stream_of(&b);
    opj_codec_t *codec = codec_of(&b);
    int code = stream && codec ? 0 : err_set(e, ERR_NOMEM, "not enough memory for JPEG 2000");
    if (!code) code = decode(codec, stream, &image, rows, columns, e);
    if (!code) memcpy(values, image->comps[0].data, (size_t)(rows * columns) * sizeof *values);
    if (image) opj_image_destroy(image);
    if (codec) opj_destroy_codec(codec);
    if (stream) opj_stream_destroy(stream);
    return code;
}
