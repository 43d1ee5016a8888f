/* MetaImage: .mha, and .mhd with the voxels in other files (raw, zlib, one file or a list of slices). The header is
 * text, "Key = value" a line; ElementDataFile is its last one. Coordinates are ITK's (data/lps.h). A fourth axis
 * and the components of a voxel are channels. Written with zlib compression, as by ITK. Source: MetaIO,
 * https://itk.org/Wiki/MetaIO/Documentation, and ITK's itkMetaImageIO.cxx. */
#include <string.h>
#include <strings.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "data/image_format.h"
#include "data/lps.h"
#include "data/text_header.h"
#include "data/voxel_files.h"

enum { MAX_AXES = 4, MAX_MATRIX = MAX_AXES * MAX_AXES };

static const struct {
    const char *name;
    DType dtype;
} types[] = {
    {"MET_CHAR", DTYPE_I8},       {"MET_UCHAR", DTYPE_U8},       {"MET_SHORT", DTYPE_I16}, {"MET_USHORT", DTYPE_U16},
    {"MET_INT", DTYPE_I32},       {"MET_UINT", DTYPE_U32},       {"MET_LONG", DTYPE_I32},  {"MET_ULONG", DTYPE_U32},
    {"MET_LONG_LONG", DTYPE_I64}, {"MET_ULONG_LONG", DTYPE_U64}, {"MET_FLOAT", DTYPE_F32}, {"MET_DOUBLE", DTYPE_F64},
};
enum { TYPE_COUNT = sizeof types / sizeof *types };

typedef struct Meta {
    int64_t axes, size[MAX_AXES], channels;
    DType dtype;
    bool has_type, binary, big_endian, packed;
    int64_t header_size;           /* bytes to skip in a file of voxels; -1: its last bytes */
    int spacings, matrix, origins; /* numbers of values that were given */
    double spacing[MAX_AXES], element[MAX_AXES], direction[MAX_MATRIX], origin[MAX_AXES];
    int elements;
    Geometry geometry;
    VoxelFiles files;
} Meta;

static int bad_value(const char *key, const char *value, const char *expected, Err *e)
{
    err_set(e, ERR_FORMAT, "%s is '%s': expected %s", key, value, expected);
    err_plain(e);
    return ERR_FORMAT;
}

static int set_type(Meta *m, const char *value, Err *e)
{
    for (int i = 0; i < TYPE_COUNT; i++) {
        if (strcasecmp(value, types[i].name)) continue;
        m->dtype = types[i].dtype;
        m->has_type = true;
        return 0;
    }
    err_set(e, ERR_UNSUPPORTED, "ElementType %s: expected MET_UCHAR, MET_SHORT … or MET_FLOAT, MET_DOUBLE", value);
    err_plain(e);
    return ERR_UNSUPPORTED;
}

static int set_truth(bool *truth, const char *key, const char *value, Err *e)
{
    const int found = header_truth(value);
    if (found < 0) return bad_value(key, value, "True or False", e);
    *truth = found;
    return 0;
}

static int set_numbers(double *numbers, int *count, int most, const char *key, const char *value, Err *e)
{
    *count = header_numbers(value, numbers, most);
    return *count < 0 ? bad_value(key, value, "numbers", e) : 0;
}

static int set_whole(int64_t *number, const char *key, const char *value, int64_t lowest, int64_t highest, Err *e)
{
    if (header_whole_numbers(value, number, 1, lowest) == 1 && *number <= highest) return 0;
    return bad_value(key, value, "a whole number that fits", e);
}

static bool is_one_of(const char *key, const char *first, const char *second, const char *third)
{
    return !strcasecmp(key, first) || (second && !strcasecmp(key, second)) || (third && !strcasecmp(key, third));
}

/* Reads a line; keys that do not concern the voxels (Modality, comments) are skipped. */
static int take(Meta *m, const char *key, const char *value, Err *e)
{
    int sizes;
    if (is_one_of(key, "ObjectType", NULL, NULL))
        return strcasecmp(value, "Image") ? bad_value(key, value, "Image", e) : 0;
    if (is_one_of(key, "NDims", NULL, NULL)) {
        memset(m->size, 0, sizeof m->size); /* sizes of another number of axes do not count */
        return set_whole(&m->axes, key, value, 2, MAX_AXES, e);
    }
    if (is_one_of(key, "DimSize", NULL, NULL)) {
        sizes = header_whole_numbers(value, m->size, MAX_AXES, 1);
        return sizes == m->axes
                   ? 0
                   : bad_value(key, value, "as many whole numbers above 0 as NDims, which must precede it", e);
    }
    if (is_one_of(key, "ElementType", NULL, NULL)) return set_type(m, value, e);
    if (is_one_of(key, "ElementNumberOfChannels", NULL, NULL))
        return set_whole(&m->channels, key, value, 1, 1 << 20, e);
    if (is_one_of(key, "ElementSpacing", NULL, NULL))
        return set_numbers(m->spacing, &m->spacings, MAX_AXES, key, value, e);
    if (is_one_of(key, "ElementSize", NULL, NULL))
        return set_numbers(m->element, &m->elements, MAX_AXES, key, value, e);
    if (is_one_of(key, "Offset", "Position", "Origin"))
        return set_numbers(m->origin, &m->origins, MAX_AXES, key, value, e);
    if (is_one_of(key, "TransformMatrix", "Rotation", "Orientation"))
        return set_numbers(m->direction, &m->matrix, MAX_MATRIX, key, value, e);
    if (is_one_of(key, "BinaryData", NULL, NULL)) return set_truth(&m->binary, key, value, e);
    if (is_one_of(key, "BinaryDataByteOrderMSB", "ElementByteOrderMSB", NULL))
        return set_truth(&m->big_endian, key, value, e);
    if (is_one_of(key, "CompressedData", NULL, NULL)) return set_truth(&m->packed, key, value, e);
    if (is_one_of(key, "HeaderSize", NULL, NULL)) return set_whole(&m->header_size, key, value, -1, INT64_MAX, e);
    return 0;
}

/* ---- ElementDataFile ---- */

/* "LIST": the names of the files are the lines that follow. */
static int take_list(Meta *m, HeaderLines *lines, const char *path, Err *e)
{
    while (header_next_line(lines))
        if (lines->text[0]) TRY(voxel_files_add(&m->files, path, lines->text, strlen(lines->text), e));
    return m->files.count ? 0 : err_set(e, ERR_FORMAT, "ElementDataFile is LIST, and no file is named below it");
}

/* "slice_%03d.raw 1 40 1": a pattern with the first and the last number, and the step. */
static int take_pattern(Meta *m, const char *path, const char *value, Err *e)
{
    const char *numbers = value + strcspn(value, " \t");
    double range[3] = {0, 0, 1};
    const int count = header_numbers(numbers, range, 3);
    if (count < 2) return bad_value("ElementDataFile", value, "a pattern, the first and the last number", e);
    return voxel_files_add_pattern(&m->files, path, value, (size_t)(numbers - value), range, e);
}

static int take_data_file(Meta *m, HeaderLines *lines, const char *path, const char *value, Err *e)
{
    if (!strcasecmp(value, "LOCAL")) return 0;
    if (!strncasecmp(value, "LIST", 4) && strspn(value + 4, " \t0123456789") == strlen(value + 4))
        return take_list(m, lines, path, e);
    if (strchr(value, '%')) return take_pattern(m, path, value, e);
    return voxel_files_add(&m->files, path, value, strlen(value), e);
}

/* ---- the header as a whole ---- */

static int place(Meta *m, Err *e)
{
    LpsPlace p = lps_plain();
    const int n = (int)m->axes, spatial = n < 3 ? n : 3;
    if ((m->spacings && m->spacings < spatial) || (m->origins && m->origins < spatial) ||
        (m->matrix && m->matrix != n * n))
        return err_set(e, ERR_FORMAT, "ElementSpacing, Offset or TransformMatrix has too few numbers for %d axes", n);
    const double *spacing = m->spacings ? m->spacing : m->elements >= spatial ? m->element : NULL;
    for (int i = 0; i < spatial; i++) {
        if (spacing) p.spacing_xyz[i] = spacing[i];
        if (m->origins) p.origin[i] = m->origin[i];
        for (int k = 0; k < spatial && m->matrix; k++) p.direction[i][k] = m->direction[i * n + k];
    }
    p.given = m->origins || m->matrix;
    const int64_t shape[3] = {n > 2 ? m->size[2] : 1, m->size[1], m->size[0]};
    return lps_to_geometry(&m->geometry, spatial, shape, &p, e);
}

static int finish(Meta *m, Err *e)
{
    if (!m->axes || !m->size[0] || !m->has_type)
        return err_set(e, ERR_FORMAT, "%s is missing in front of ElementDataFile",
                       !m->axes      ? "NDims"
                       : m->has_type ? "DimSize"
                                     : "ElementType");
    TRY(place(m, e));
    VoxelFiles *f = &m->files;
    f->encoding = !m->binary ? VOXELS_TEXT : m->packed ? VOXELS_PACKED : VOXELS_RAW;
    f->skip_bytes = f->count ? m->header_size : 0;
    f->layout = (VoxelLayout){.dtype = m->dtype,
                              .swapped = m->big_endian != (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__),
                              .components = m->channels,
                              .volumes = m->axes == 4 ? m->size[3] : 1,
                              .slope = 1};
    memcpy(f->layout.shape_zyx, m->geometry.shape_zyx, sizeof f->layout.shape_zyx);
    return 0;
}

/* Parses the text; *at is set to what follows it. */
static int parse(Meta *m, const ByteSource *s, size_t *at, Err *e)
{
    HeaderLines lines = {.bytes = s->bytes, .count = s->count};
    char *key, *value;
    *m = (Meta){.channels = 1, .binary = true};
    while (header_next_line(&lines)) {
        if (!lines.text[0]) continue;
        if (!header_split(lines.text, "=", &key, &value)) break;
        if (strcasecmp(key, "ElementDataFile")) {
            const int failed = take(m, key, value, e);
            if (failed) return err_context(e, "line %d", lines.number);
            continue;
        }
        TRY(take_data_file(m, &lines, s->path, value, e));
        *at = lines.at;
        return finish(m, e);
    }
    return err_set(e, ERR_FORMAT, "not MetaImage: line %d is no 'Key = value', or ElementDataFile is missing",
                   lines.number + 1);
}

static int open_header(Meta *m, ByteSource *s, const char *path, Err *e)
{
    *m = (Meta){0};
    TRY(source_open_plain(s, path, e));
    return parse(m, s, &s->at, e) ? err_context(e, "%s", path) : 0;
}

static int read_image(Image *image, const char *path, ImageUse use, Err *e)
{
    Meta m;
    ByteSource s = {0};
    (void)use;
    int failed = open_header(&m, &s, path, e);
    image->geometry = m.geometry;
    if (!failed) failed = voxel_files_read(&image->voxels, &m.files, &s, e);
    voxel_files_free(&m.files);
    source_close(&s);
    return failed;
}

static int probe_image(ImageHeader *header, const char *path, ImageUse use, Err *e)
{
    Meta m;
    ByteSource s = {0};
    (void)use;
    int failed = open_header(&m, &s, path, e);
    if (!failed) failed = voxel_files_check(&m.files, &s, e);
    *header = (ImageHeader){.geometry = m.geometry, .channels = failed ? 0 : m.channels * m.files.layout.volumes};
    voxel_files_free(&m.files);
    source_close(&s);
    return failed;
}

static int add_files(FileList *files, const char *path, Err *e)
{
    Meta m;
    ByteSource s = {0};
    Err unreadable;
    const int unknown = open_header(&m, &s, path, &unreadable);
    int failed = unknown == ERR_NOMEM ? err_set(e, ERR_NOMEM, "%s", unreadable.text) : 0;
    for (int i = 0; !unknown && i < m.files.count && !failed; i++)
        failed = image_add_file(files, mem_strdup(m.files.names[i], e), e);
    voxel_files_free(&m.files);
    source_close(&s);
    return failed;
}

/* ---- writing ---- */

static void add_numbers(Text *t, const char *key, const double *numbers, int count)
{
    text_add(t, "%s =", key);
    for (int i = 0; i < count; i++) {
        text_add(t, " ");
        text_add_double(t, numbers[i]);
    }
    text_add(t, "\n");
}

static void add_place(Text *t, const Geometry *g)
{
    const int n = g->dimensions;
    const LpsPlace p = lps_from_geometry(g);
    double matrix[9];
    for (int i = 0; i < n * n; i++) matrix[i] = p.direction[i / n][i % n];
    if (p.given) {
        add_numbers(t, "TransformMatrix", matrix, n * n);
        add_numbers(t, "Offset", p.origin, n);
        add_numbers(t, "CenterOfRotation", (double[3]){0}, n);
    }
    add_numbers(t, "ElementSpacing", p.spacing_xyz, n);
}

static void add_header(Text *t, const Geometry *g, const Array *voxels, size_t packed_bytes, const char *data)
{
    int type = 0;
    while (types[type].dtype != voxels->dtype) type++;
    text_add(t, "ObjectType = Image\nNDims = %d\nBinaryData = True\nBinaryDataByteOrderMSB = %s\n", g->dimensions,
             __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? "True" : "False");
    text_add(t, "CompressedData = True\nCompressedDataSize = %zu\n", packed_bytes);
    add_place(t, g);
    text_add(t, "DimSize =");
    for (int i = 0; i < g->dimensions; i++) text_add(t, " %lld", (long long)g->shape_zyx[2 - i]);
    text_add(t, "\n");
    if (voxels->rank == 4) text_add(t, "ElementNumberOfChannels = %lld\n", (long long)voxels->shape[0]);
    text_add(t, "ElementType = %s\nElementDataFile = %s\n", types[type].name, data);
}

/* (C,Z,Y,X) to (Z,Y,X,C), in a new block. */
static int interleave(void **out, const Array *voxels, Err *e)
{
    const size_t channels = (size_t)voxels->shape[0], size = dtype_size(voxels->dtype);
    const size_t plane = (size_t)array_count(voxels) / channels;
    const char *in = voxels->data;
    char *to = *out = mem_alloc(array_bytes(voxels), e);
    for (size_t i = 0; i < plane && to; i++)
        for (size_t c = 0; c < channels; c++) memcpy(to + (i * channels + c) * size, in + (c * plane + i) * size, size);
    return to ? 0 : ERR_NOMEM;
}

/* The voxels of CASE.mhd are in CASE.zraw; .mha contains them, and so does a file in memory. */
static int name_beside(char **name, const char *path, Err *e)
{
    *name = NULL;
    if (path_is_open_file(path) || path_ends_with(path, "a") || path_ends_with(path, "A")) return 0;
    *name = path_format(e, "%.*szraw", (int)strlen(path) - 3, path);
    return *name ? 0 : ERR_NOMEM;
}

static int put_files(const char *path, const Geometry *g, const Array *voxels, const void *packed, size_t bytes, Err *e)
{
    Text header = {0};
    char *data;
    TRY(name_beside(&data, path, e));
    add_header(&header, g, voxels, bytes, data ? path_base(data) : "LOCAL");
    int failed = text_check(&header, e);
    if (!failed) failed = voxel_files_write(path, &header, data, packed, bytes, e);
    text_free(&header);
    mem_free(data);
    return failed;
}

static int write_image(const char *path, const Geometry *g, const Array *voxels, Err *e)
{
    void *mixed = NULL, *packed = NULL;
    size_t bytes = 0;
    TRY(image_expect_volume(path, voxels, e));
    int failed = voxels->rank == 4 ? interleave(&mixed, voxels, e) : 0;
    if (!failed) failed = bytes_pack(&packed, &bytes, mixed ? mixed : voxels->data, array_bytes(voxels), false, e);
    if (!failed) failed = put_files(path, g, voxels, packed, bytes, e);
    mem_free(mixed);
    mem_free(packed);
    return failed;
}

const ImageFormat image_format_metaimage = {
    .name = "MetaImage",
    .endings = (const char *const[]){".mha", ".mhd", NULL},
    .read = read_image,
    .probe = probe_image,
    .write = write_image,
    .add_files = add_files,
    .name_beside = name_beside,
};
