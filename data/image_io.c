#include "data/image_io.h"

#include <math.h>
#include <string.h>
#include <strings.h>

#include "base/file.h"
#include "data/image_content.h"
#include "data/image_format.h"

#define IMAGE_FORMAT_ADDRESS(name) &image_format_##name,
static const ImageFormat *const formats[] = {IMAGE_FORMATS(IMAGE_FORMAT_ADDRESS)};
enum { FORMAT_COUNT = sizeof formats / sizeof *formats };

/* The format of path and where its ending begins, or NULL. */
static const ImageFormat *format_of(const char *path, const char **ending)
{
    const size_t length = strlen(path_base(path));
    for (int i = 0; i < FORMAT_COUNT; i++) {
        for (const char *const *known = formats[i]->endings; *known; known++) {
            if (length <= strlen(*known)) continue;
            *ending = path + strlen(path) - strlen(*known);
            if (!strcasecmp(*ending, *known)) return formats[i];
        }
    }
    return NULL;
}

const ImageFormat *image_format_of(const char *path)
{
    const char *ending;
    char name[PATH_NAMED_BYTES];
    return format_of(path_named(path, name), &ending);
}

const char *image_ending(const char *path)
{
    const char *ending;
    return format_of(path, &ending) ? ending : NULL;
}

void image_known_endings(char text[IMAGE_ENDINGS_BYTES], bool written)
{
    text[0] = '\0';
    for (int i = 0; i < FORMAT_COUNT; i++) {
        if (written && !formats[i]->write) continue;
        for (const char *const *one = formats[i]->endings; *one; one++) {
            strncat(text, " ", IMAGE_ENDINGS_BYTES - strlen(text) - 1);
            strncat(text, *one, IMAGE_ENDINGS_BYTES - strlen(text) - 1);
        }
    }
}

/* Of a file in memory that was made without an ending. */
static int find_by_content(const ImageFormat **format, const char *path, Err *e)
{
    const char *name;
    TRY(image_content_name(&name, path, e));
    for (int i = 0; i < FORMAT_COUNT; i++)
        if (!strcmp(formats[i]->name, name)) *format = formats[i];
    return *format ? 0 : err_set(e, ERR_UNSUPPORTED, "%s: %s is not read", path, name);
}

static int find_format(const ImageFormat **format, const char *path, Err *e)
{
    char known[IMAGE_ENDINGS_BYTES];
    *format = image_format_of(path);
    if (*format) return 0;
    if (path_is_open_file(path)) return find_by_content(format, path, e);
    image_known_endings(known, false);
    return err_set(e, ERR_UNSUPPORTED, "%s: no image format has this ending: expected one of%s", path, known);
}

bool image_is_written(const char *path)
{
    const ImageFormat *format = image_format_of(path);
    return format && format->write;
}

bool image_is_picture(const char *path)
{
    const ImageFormat *format = image_format_of(path);
    return format && format->pictures;
}

int image_read_as(Image *image, const char *path, ImageUse use, Err *e)
{
    const ImageFormat *format;
    *image = (Image){0};
    TRY(find_format(&format, path, e));
    const int failed = format->read(image, path, use, e);
    if (!failed) return 0;
    image_free(image);
    return image_content_explain(path, format, failed, e);
}

int image_read(Image *image, const char *path, Err *e) { return image_read_as(image, path, IMAGE_INTENSITIES, e); }

int image_read_header(ImageHeader *header, const char *path, ImageUse use, Err *e)
{
    const ImageFormat *format;
    *header = (ImageHeader){0};
    TRY(find_format(&format, path, e));
    const int failed = format->probe(header, path, use, e);
    return failed ? image_content_explain(path, format, failed, e) : 0;
}

int image_probe_labels(Geometry *g, const char *path, Err *e)
{
    ImageHeader header;
    const int failed = image_read_header(&header, path, IMAGE_LABELS, e);
    *g = header.geometry;
    return failed;
}

int image_probe(Geometry *g, int64_t *channels, const char *path, Err *e)
{
    ImageHeader header;
    const int failed = image_read_header(&header, path, IMAGE_INTENSITIES, e);
    *g = header.geometry;
    *channels = header.channels;
    return failed;
}

int image_write(const char *path, const Geometry *g, const Array *voxels, Err *e)
{
    const ImageFormat *format;
    TRY(find_format(&format, path, e));
    const int lead = voxels->rank - 3;
    for (int i = 0; i < 3; i++) {
        if (lead >= 0 && lead <= 1 && voxels->shape[lead + i] == g->shape_zyx[i]) continue;
        return err_set(e, ERR_SHAPE, "%s: the voxels' shape is not that of the geometry, %lldx%lldx%lld", path,
                       (long long)g->shape_zyx[0], (long long)g->shape_zyx[1], (long long)g->shape_zyx[2]);
    }
    if (!format->write)
        return err_set(e, ERR_UNSUPPORTED, "%s: %s changes the values and is not written", path, format->name);
    const int code = format->write(path, g, voxels, e);
    return code == ERR_NOMEM ? err_context(e, "%s", path) : code; /* what packs bytes does not know their file */
}

void image_free(Image *image)
{
    array_free(&image->voxels);
    *image = (Image){0};
}

int image_turn_onto(Image *image, const Geometry *onto, GridMatch *match, Err *e)
{
    GridAxes axes;
    const GridMatch found = grid_match(&image->geometry, onto, &axes);
    if (match) *match = found;
    if (found == GRID_DIFFERENT) return 0;
    TRY(grid_axes_turn(&axes, &image->voxels, e));
    image->geometry = grid_axes_apply(&axes, &image->geometry);
    return 0;
}

int image_expect_one_label(const ImageHeader *header, Err *e)
{
    const int64_t channels = header->channels;
    if (channels == 1) return 0;
    return err_set(
        e, ERR_SHAPE, "a label image with %lld channels: expected one%s", (long long)channels,
        header->alpha && channels == 2
            ? " without alpha; remove it (for example: mogrify -alpha off FILE)"
            : ", in which the value of each voxel is that of its label in dataset.json (colours are not used here, "
              "nor does a channel for each label)");
}

int image_to_labels(Array *labels, const Image *image, Err *e)
{
    const int64_t *shape = image->voxels.shape;
    *labels = (Array){0};
    TRY(image_expect_one_label(&(ImageHeader){.channels = shape[0], .alpha = image->alpha}, e));
    TRY(array_new(labels, DTYPE_I16, 3, shape + 1, e));
    const float *in = image->voxels.data;
    int16_t *out = labels->data;
    int64_t bad = 0, first = -1;
    for (int64_t i = 0, n = array_count(labels); i < n; i++) {
        const float whole = rintf(in[i]);
        if (fabsf(in[i] - whole) <= 1e-3f && whole >= INT16_MIN && whole <= INT16_MAX) {
            out[i] = (int16_t)whole;
        } else {
            if (!bad++) first = i;
        }
    }
    if (!bad) return 0;
    array_free(labels);
    return err_set(e, ERR_VALUE,
                   "%lld label voxel(s) that are no whole number from -32768 to 32767, the first %g at z %lld, y %lld, "
                   "x %lld (voxel %lld in storage order)",
                   (long long)bad, in[first], (long long)(first / (shape[2] * shape[3])),
                   (long long)(first / shape[3] % shape[2]), (long long)(first % shape[3]), (long long)first);
}

/* g and onto may be NULL. */
static int read_labels(Array *labels, Geometry *g, const char *path, const Geometry *onto, Err *e)
{
    Image image;
    *labels = (Array){0};
    TRY(image_read_as(&image, path, IMAGE_LABELS, e));
    int failed = onto ? image_turn_onto(&image, onto, NULL, e) : 0;
    if (!failed) failed = image_to_labels(labels, &image, e);
    if (g) *g = image.geometry;
    image_free(&image);
    return failed ? err_context(e, "%s", path) : 0;
}

int image_read_labels(Array *labels, Geometry *g, const char *path, Err *e)
{
    return read_labels(labels, g, path, NULL, e);
}

int image_read_labels_onto(Array *labels, const char *path, const Geometry *onto, Err *e)
{
    return read_labels(labels, NULL, path, onto, e);
}
