/* NRRD: .nrrd, and .nhdr with the voxels in other files; raw, gzip or text. The header is text, "field: value" a
 * line, and ends with an empty one. Coordinates are ITK's (data/lps.h): spaces with R or A are converted to LPS,
 * all others are taken as LPS, as in ITK. The first or the last axis may hold channels (its kind is no domain, or
 * its space direction is "none"). Written with gzip compression. Source:
 * http://teem.sourceforge.net/nrrd/format.html, and ITK's itkNrrdImageIO.cxx. */
#include <math.h>
#include <string.h>
#include <strings.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "data/image_format.h"
#include "data/lps.h"
#include "data/text_header.h"
#include "data/voxel_files.h"

enum { MAX_AXES = 4, MAX_SPACE = 3, MAX_COMPONENTS = 1 << 20 };

static const struct {
    DType dtype;
    const char *names; /* separated by '|'; the first is written */
} types[] = {
    {DTYPE_I8, "|signed char|int8|int8_t|"},
    {DTYPE_U8, "|unsigned char|uchar|uint8|uint8_t|"},
    {DTYPE_I16, "|short|short int|signed short|signed short int|int16|int16_t|"},
    {DTYPE_U16, "|unsigned short|ushort|unsigned short int|uint16|uint16_t|"},
    {DTYPE_I32, "|int|signed int|int32|int32_t|"},
    {DTYPE_U32, "|unsigned int|uint|uint32|uint32_t|"},
    {DTYPE_I64, "|long long|longlong|long long int|signed long long|signed long long int|int64|int64_t|"},
    {DTYPE_U64, "|unsigned long long|ulonglong|unsigned long long int|uint64|uint64_t|"},
    {DTYPE_F32, "|float|"},
    {DTYPE_F64, "|double|"},
};
enum { TYPE_COUNT = sizeof types / sizeof *types };

/* The values of the fields; axes are counted from the fastest one. */
typedef struct Nrrd {
    int axes; /* dimension */
    int64_t size[MAX_AXES];
    bool has_type, has_encoding, has_endian, big_endian, has_ranges;
    DType dtype;
    bool has_kinds, domain[MAX_AXES]; /* of kinds */
    bool has_spacings;
    double spacing[MAX_AXES];            /* NaN: not given */
    int space;                           /* dimension of the space; 0: not given */
    double sign[MAX_SPACE];              /* from the file's space to LPS */
    bool has_directions, none[MAX_AXES]; /* none: the axis has no direction in space */
    double direction[MAX_AXES][MAX_SPACE];
    int origins;
    double origin[MAX_SPACE];
    bool colours_with_alpha;
    int spatial, channel_axis; /* axes in space; the other one, or -1 */
    Geometry geometry;
    VoxelFiles files;
} Nrrd;

static int bad_value(const char *field, const char *value, const char *expected, Err *e)
{
    err_set(e, ERR_FORMAT, "%s is '%s': expected %s", field, value, expected);
    err_plain(e);
    return ERR_FORMAT;
}

/* Whether the word is in a list "|word|word|". */
static bool is_in(const char *list, const char *word)
{
    const size_t length = strlen(word);
    for (const char *at = list; (at = strchr(at, '|')) && at[1]; at++)
        if (!strncasecmp(at + 1, word, length) && at[1 + length] == '|') return true;
    return false;
}

/* The next word of a list of words; NULL at its end. Changes the text. */
static char *next_word(char **at)
{
    char *word;
    while ((word = strsep(at, " \t")) && !*word) {
    }
    return word;
}

/* ---- fields ---- */

static int set_type(Nrrd *n, const char *value, Err *e)
{
    for (int i = 0; i < TYPE_COUNT; i++) {
        if (!is_in(types[i].names, value)) continue;
        n->dtype = types[i].dtype;
        n->has_type = true;
        return 0;
    }
    err_set(e, ERR_UNSUPPORTED, "type '%s': expected whole numbers of 8 to 64 bits, float or double", value);
    err_plain(e);
    return ERR_UNSUPPORTED;
}

static int set_encoding(Nrrd *n, const char *value, Err *e)
{
    n->has_encoding = true;
    if (is_in("|raw|", value)) n->files.encoding = VOXELS_RAW;
    else if (is_in("|gzip|gz|", value)) n->files.encoding = VOXELS_PACKED;
    else if (is_in("|ascii|text|txt|", value)) n->files.encoding = VOXELS_TEXT;
    else {
        err_set(e, ERR_UNSUPPORTED, "encoding '%s': expected raw, gzip or ascii (teem: unu save -f nrrd -e gzip)",
                value);
        err_plain(e);
        return ERR_UNSUPPORTED;
    }
    return 0;
}

/* Known spaces with the signs that convert x and y to LPS; every other space is taken as LPS. */
static int set_space(Nrrd *n, const char *value, Err *e)
{
    (void)e;
    const bool three = !strchr(value, '4') && !strstr(value, "time");
    n->space = three ? 3 : 4;
    for (int i = 0; i < MAX_SPACE; i++) n->sign[i] = 1;
    if (is_in("|right-anterior-superior|RAS|right-anterior-superior-time|RAST|", value)) n->sign[0] = n->sign[1] = -1;
    if (is_in("|left-anterior-superior|LAS|left-anterior-superior-time|LAST|", value)) n->sign[1] = -1;
    if (n->space == 3) return 0;
    return err_set(e, ERR_UNSUPPORTED, "space %.60s: expected one without time", value);
}

static int set_kinds(Nrrd *n, char *value, Err *e)
{
    const char *word;
    int i = 0;
    for (; (word = next_word(&value)) && i < n->axes; i++) {
        n->domain[i] = is_in("|domain|space|none|unknown|\?\?\?|", word);
        if (is_in("|RGBA-color|", word)) n->colours_with_alpha = true;
    }
    n->has_kinds = true;
    return i == n->axes && !word ? 0 : err_set(e, ERR_FORMAT, "kinds: expected one for each of %d axes", n->axes);
}

/* "(1,0,0) (0,1,0) none …" */
static int set_directions(Nrrd *n, char *value, Err *e)
{
    int i = 0;
    for (char *at = value; i < n->axes; i++) {
        at += strspn(at, " \t");
        n->none[i] = !strncasecmp(at, "none", 4);
        char *end = n->none[i] ? at + 4 : strchr(at, ')');
        if (!end || !*at) break;
        const char after = *end;
        *end = '\0';
        const int count = n->none[i] ? n->space : header_numbers(at, n->direction[i], MAX_SPACE);
        if (count != n->space) break;
        at = end + (after == ')');
        if (after != ')') *end = after;
    }
    n->has_directions = true;
    return i == n->axes ? 0
                        : err_set(e, ERR_FORMAT,
                                  "space directions: expected for each of %d axes none or a "
                                  "vector of %d numbers, as (1,0,0)",
                                  n->axes, n->space);
}

static int set_spacings(Nrrd *n, const char *value, Err *e)
{
    n->has_spacings = true;
    return header_numbers(value, n->spacing, MAX_AXES) == n->axes
               ? 0
               : bad_value("spacings", value, "a number (or nan) for each axis", e);
}

static int set_whole(int64_t *number, const char *field, const char *value, int64_t lowest, int64_t highest, Err *e)
{
    if (header_whole_numbers(value, number, 1, lowest) == 1 && *number <= highest) return 0;
    return bad_value(field, value, "a whole number that fits", e);
}

/* "LIST", a pattern with its numbers, or a name. */
static int set_data_file(Nrrd *n, HeaderLines *lines, const char *path, const char *value, bool *ended, Err *e)
{
    if (!strncmp(value, "LIST", 4) && strspn(value + 4, " \t0123456789") == strlen(value + 4)) {
        while (header_next_line(lines))
            if (lines->text[0]) TRY(voxel_files_add(&n->files, path, lines->text, strlen(lines->text), e));
        *ended = true;
        return n->files.count ? 0 : err_set(e, ERR_FORMAT, "data file is LIST, and no file is named below it");
    }
    if (!strchr(value, '%')) return voxel_files_add(&n->files, path, value, strlen(value), e);
    const char *numbers = value + strcspn(value, " \t");
    double range[4] = {0};
    if (header_numbers(numbers, range, 4) < 3)
        return bad_value("data file", value, "a pattern, the first and the last number and the step", e);
    return voxel_files_add_pattern(&n->files, path, value, (size_t)(numbers - value), range, e);
}

static int take_layout(Nrrd *n, const char *field, const char *value, Err *e)
{
    int64_t number;
    if (is_in("|dimension|", field)) {
        TRY(set_whole(&number, field, value, 2, MAX_AXES, e));
        n->axes = (int)number;
        memset(n->size, 0, sizeof n->size); /* sizes of another number of axes do not count */
    } else if (is_in("|sizes|", field)) {
        if (header_whole_numbers(value, n->size, MAX_AXES, 1) != n->axes || !n->axes)
            return bad_value(field, value, "as many whole numbers above 0 as the dimension, which must precede it", e);
    } else if (is_in("|type|", field)) {
        return set_type(n, value, e);
    } else if (is_in("|encoding|", field)) {
        return set_encoding(n, value, e);
    } else if (is_in("|endian|", field)) {
        n->has_endian = true;
        n->big_endian = is_in("|big|", value);
        return n->big_endian || is_in("|little|", value) ? 0 : bad_value(field, value, "little or big", e);
    } else if (is_in("|line skip|lineskip|", field)) {
        return set_whole(&n->files.skip_lines, field, value, 0, INT32_MAX, e);
    } else if (is_in("|byte skip|byteskip|", field)) {
        return set_whole(&n->files.skip_bytes, field, value, -1, INT64_MAX, e);
    }
    return 0;
}

static int take_space(Nrrd *n, const char *field, char *value, Err *e)
{
    int64_t number;
    if (is_in("|space|", field)) return set_space(n, value, e);
    if (is_in("|space dimension|", field)) {
        TRY(set_whole(&number, field, value, 2, MAX_SPACE, e));
        n->space = (int)number;
    } else if (is_in("|space directions|", field)) {
        return set_directions(n, value, e);
    } else if (is_in("|space origin|", field)) {
        n->origins = header_numbers(value, n->origin, MAX_SPACE);
        if (n->origins != n->space) return bad_value(field, value, "a vector of the space, as (1,0,0)", e);
    } else if (is_in("|spacings|", field)) {
        return set_spacings(n, value, e);
    } else if (is_in("|kinds|", field)) {
        return set_kinds(n, value, e);
    } else if (is_in("|axis mins|axismins|axis maxs|axismaxs|", field)) {
        n->has_ranges = true;
    }
    return 0;
}

/* ---- the header as a whole ---- */

/* Finds the axes in space and the axis of channels. */
static int find_axes(Nrrd *n, Err *e)
{
    n->channel_axis = -1;
    int others = 0;
    for (int i = 0; i < n->axes; i++) {
        const bool spatial = n->has_directions ? !n->none[i]
                             : n->has_kinds    ? n->domain[i]
                                               : n->axes < MAX_AXES || !n->has_spacings || !isnan(n->spacing[i]);
        if (spatial) continue;
        n->channel_axis = i;
        others++;
    }
    n->spatial = n->axes - others;
    if (others > 1 || n->spatial < 2 || n->spatial > 3)
        return err_set(e, ERR_UNSUPPORTED,
                       "%d axes, of which %d lie in space (kinds, space directions): expected 2 or 3, and one of "
                       "channels at most (kind list or vector)",
                       n->axes, n->spatial);
    if (n->channel_axis > 0 && n->channel_axis < n->axes - 1)
        return err_set(e, ERR_UNSUPPORTED,
                       "the axis of channels, %d, is between those in space: expected it "
                       "first or last",
                       n->channel_axis);
    if (n->channel_axis >= 0 && n->size[n->channel_axis] > MAX_COMPONENTS)
        return err_set(e, ERR_UNSUPPORTED, "%lld channels: expected at most 2^20", (long long)n->size[n->channel_axis]);
    return 0;
}

/* Spacing and direction of an axis: the length of its vector, and the unit vector. */
static void place_axis(LpsPlace *p, const Nrrd *n, int axis, int to)
{
    double length = 0;
    if (!n->has_directions) {
        if (n->has_spacings && !isnan(n->spacing[axis])) p->spacing_xyz[to] = n->spacing[axis];
        return;
    }
    for (int k = 0; k < n->space; k++) length += n->direction[axis][k] * n->direction[axis][k];
    length = sqrt(length);
    p->spacing_xyz[to] = length;
    for (int k = 0; k < MAX_SPACE; k++)
        p->direction[to][k] = k < n->space ? n->sign[k] * n->direction[axis][k] / length : 0;
}

static int place(Nrrd *n, Err *e)
{
    LpsPlace p = lps_plain();
    int64_t shape[3] = {1, 1, 1};
    for (int axis = 0, to = 0; axis < n->axes; axis++) {
        if (axis == n->channel_axis) continue;
        place_axis(&p, n, axis, to);
        shape[2 - to++] = n->size[axis];
    }
    for (int k = 0; k < n->origins; k++) p.origin[k] = n->sign[k] * n->origin[k];
    p.given = n->has_directions;
    if (n->has_ranges && !n->has_directions && !n->has_spacings)
        return err_set(e, ERR_UNSUPPORTED,
                       "axis mins and axis maxs without spacings: expected spacings, or space "
                       "directions");
    return lps_to_geometry(&n->geometry, n->spatial, shape, &p, e);
}

static int finish(Nrrd *n, Err *e)
{
    const char *missing = !n->axes           ? "dimension"
                          : !n->size[0]      ? "sizes"
                          : !n->has_type     ? "type"
                          : !n->has_encoding ? "encoding"
                                             : NULL;
    if (missing) return err_set(e, ERR_FORMAT, "the field %s is missing", missing);
    const bool raw = n->files.encoding != VOXELS_TEXT && dtype_size(n->dtype) > 1;
    if (raw && !n->has_endian) return err_set(e, ERR_FORMAT, "the field endian is missing (little or big)");
    TRY(find_axes(n, e));
    TRY(place(n, e));
    const int64_t channels = n->channel_axis >= 0 ? n->size[n->channel_axis] : 1;
    const bool first = n->channel_axis == 0;
    n->files.layout = (VoxelLayout){.dtype = n->dtype,
                                    .swapped = n->big_endian != (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__),
                                    .components = first ? channels : 1,
                                    .volumes = first ? 1 : channels,
                                    .slope = 1};
    memcpy(n->files.layout.shape_zyx, n->geometry.shape_zyx, sizeof n->files.layout.shape_zyx);
    return 0;
}

/* One line of the header; *ended: the voxels follow. */
static int take_line(Nrrd *n, HeaderLines *lines, const char *path, bool *ended, Err *e)
{
    char *field, *value;
    *ended = !lines->text[0];
    if (*ended || lines->text[0] == '#') return 0;
    const char *pair = strstr(lines->text, ":=");
    if (pair && pair < strstr(lines->text, ": ")) return 0;
    if (pair && !strstr(lines->text, ": ")) return 0; /* a key/value pair, which is no field */
    if (!header_split(lines->text, ":", &field, &value)) return err_set(e, ERR_FORMAT, "expected 'field: value'");
    if (is_in("|data file|datafile|", field)) return set_data_file(n, lines, path, value, ended, e);
    TRY(take_layout(n, field, value, e));
    return take_space(n, field, value, e);
}

/* Parses the text; *at is set to what follows it. */
static int parse(Nrrd *n, const ByteSource *s, size_t *at, Err *e)
{
    HeaderLines lines = {.bytes = s->bytes, .count = s->count};
    bool ended = false;
    *n = (Nrrd){.sign = {1, 1, 1}};
    if (!header_next_line(&lines) || strncmp(lines.text, "NRRD000", 7))
        return err_set(e, ERR_FORMAT, "not NRRD: the first line is not NRRD0001 to NRRD0005");
    while (!ended && header_next_line(&lines)) {
        const int failed = take_line(n, &lines, s->path, &ended, e);
        if (failed) return err_context(e, "line %d", lines.number);
    }
    if (!ended && !n->files.count)
        return err_set(e, ERR_FORMAT, "cut off: the empty line behind the header is missing after line %d",
                       lines.number);
    *at = lines.at;
    return finish(n, e);
}

static int open_header(Nrrd *n, ByteSource *s, const char *path, Err *e)
{
    *n = (Nrrd){0};
    TRY(source_open_plain(s, path, e));
    return parse(n, s, &s->at, e) ? err_context(e, "%s", path) : 0;
}

static int read_image(Image *image, const char *path, ImageUse use, Err *e)
{
    Nrrd n;
    ByteSource s = {0};
    (void)use;
    int failed = open_header(&n, &s, path, e);
    image->geometry = n.geometry;
    image->alpha = n.colours_with_alpha;
    if (!failed) failed = voxel_files_read(&image->voxels, &n.files, &s, e);
    voxel_files_free(&n.files);
    source_close(&s);
    return failed;
}

static int probe_image(ImageHeader *header, const char *path, ImageUse use, Err *e)
{
    Nrrd n;
    ByteSource s = {0};
    (void)use;
    int failed = open_header(&n, &s, path, e);
    if (!failed) failed = voxel_files_check(&n.files, &s, e);
    const VoxelLayout *l = &n.files.layout;
    *header = (ImageHeader){n.geometry, failed ? 0 : l->components * l->volumes, n.colours_with_alpha};
    voxel_files_free(&n.files);
    source_close(&s);
    return failed;
}

static int add_files(FileList *files, const char *path, Err *e)
{
    Nrrd n;
    ByteSource s = {0};
    Err unreadable;
    const int unknown = open_header(&n, &s, path, &unreadable);
    int failed = unknown == ERR_NOMEM ? err_set(e, ERR_NOMEM, "%s", unreadable.text) : 0;
    for (int i = 0; !unknown && i < n.files.count && !failed; i++)
        failed = image_add_file(files, mem_strdup(n.files.names[i], e), e);
    voxel_files_free(&n.files);
    source_close(&s);
    return failed;
}

/* ---- writing ---- */

static void add_vector(Text *t, const double *v, double scale, int count)
{
    for (int i = 0; i < count; i++) {
        text_add(t, i ? "," : " (");
        text_add_double(t, v[i] * scale);
    }
    text_add(t, ")");
}

static void add_place(Text *t, const Geometry *g, bool channels)
{
    const LpsPlace p = lps_from_geometry(g);
    const int n = g->dimensions;
    if (!p.given) {
        text_add(t, "spacings:");
        for (int i = 0; i < n; i++) {
            text_add(t, " ");
            text_add_double(t, p.spacing_xyz[i]);
        }
        text_add(t, "%s\n", channels ? " nan" : "");
        return;
    }
    text_add(t, n == 3 ? "space: left-posterior-superior\n" : "space dimension: 2\n");
    text_add(t, "space directions:");
    for (int i = 0; i < n; i++) add_vector(t, p.direction[i], p.spacing_xyz[i], n);
    text_add(t, "%s\nspace origin:", channels ? " none" : "");
    add_vector(t, p.origin, 1, n);
    text_add(t, "\n");
}

static void add_header(Text *t, const Geometry *g, const Array *voxels, const char *data)
{
    int type = 0;
    while (types[type].dtype != voxels->dtype) type++;
    const char *name = types[type].names + 1;
    const bool channels = voxels->rank == 4;
    text_add(t, "NRRD0004\ntype: %.*s\ndimension: %d\n", (int)strcspn(name, "|"), name, g->dimensions + channels);
    text_add(t, "sizes:");
    for (int i = 0; i < g->dimensions; i++) text_add(t, " %lld", (long long)g->shape_zyx[2 - i]);
    if (channels) text_add(t, " %lld", (long long)voxels->shape[0]);
    text_add(t, "\n");
    add_place(t, g, channels);
    text_add(t, "kinds:");
    for (int i = 0; i < g->dimensions; i++) text_add(t, " domain");
    text_add(t, "%s\nendian: %s\nencoding: gzip\n", channels ? " list" : "",
             __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? "big" : "little");
    if (data) text_add(t, "data file: %s\n", data);
    else text_add(t, "\n");
}

/* The voxels of CASE.nhdr are in CASE.raw.gz; .nrrd contains them. */
static int name_beside(char **name, const char *path, Err *e)
{
    *name = NULL;
    if (!path_ends_with(path, "r") && !path_ends_with(path, "R")) return 0;
    *name = path_format(e, "%.*sraw.gz", (int)strlen(path) - 4, path);
    return *name ? 0 : ERR_NOMEM;
}

static int write_image(const char *path, const Geometry *g, const Array *voxels, Err *e)
{
    Text header = {0};
    void *packed = NULL;
    size_t bytes = 0;
    char *data;
    TRY(image_expect_volume(path, voxels, e));
    TRY(name_beside(&data, path, e));
    int failed = bytes_pack(&packed, &bytes, voxels->data, array_bytes(voxels), true, e);
    if (!failed) add_header(&header, g, voxels, data ? path_base(data) : NULL);
    if (!failed) failed = text_check(&header, e);
    if (!failed) failed = voxel_files_write(path, &header, data, packed, bytes, e);
    text_free(&header);
    mem_free(packed);
    mem_free(data);
    return failed;
}

const ImageFormat image_format_nrrd = {
    .name = "NRRD",
    .endings = (const char *const[]){".nrrd", ".nhdr", NULL},
    .read = read_image,
    .probe = probe_image,
    .write = write_image,
    .add_files = add_files,
    .name_beside = name_beside,
};
