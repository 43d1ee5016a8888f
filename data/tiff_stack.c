#include "data/tiff_stack.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "data/image_format.h"
#include "formats/yaml.h"

enum { MAX_PAGES = 1 << 24 };

/* Values of a description; 0 or NaN if missing. */
typedef struct Named {
    int64_t channels, slices, frames;
    bool slices_together;
    double spacing_zyx[3];
} Named;

/* ---- ImageJ: lines "key=value" ---- */

static double imagej_number(const char *text, const char *key)
{
    const size_t length = strlen(key);
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (!strncmp(line, key, length) && line[length] == '=') return strtod(line + length + 1, NULL);
    }
    return NAN;
}

static int64_t count_of(double number) { return number >= 1 && number <= MAX_PAGES ? (int64_t)number : 0; }

static void read_imagej(Named *n, const TiffFile *f, const char *text)
{
    float x = 0, y = 0; /* pixels per unit */
    n->channels = count_of(imagej_number(text, "channels"));
    n->slices = count_of(imagej_number(text, "slices"));
    n->frames = count_of(imagej_number(text, "frames"));
    n->spacing_zyx[0] = imagej_number(text, "spacing");
    if (n->spacing_zyx[0] < 0) n->spacing_zyx[0] = -n->spacing_zyx[0]; /* ImageJ: reverse order */
    if (TIFFGetField(f->tiff, TIFFTAG_YRESOLUTION, &y) && y > 0) n->spacing_zyx[1] = 1 / (double)y;
    if (TIFFGetField(f->tiff, TIFFTAG_XRESOLUTION, &x) && x > 0) n->spacing_zyx[2] = 1 / (double)x;
}

/* ---- OME: XML, the attributes of <Pixels> ---- */

/* The value of an attribute, `length` characters; NULL if it is missing. */
static const char *attribute(const char *element, const char *key, size_t *length)
{
    const char *end = strchr(element, '>');
    const size_t letters = strlen(key);
    for (const char *at = element; (at = strstr(at, key)) && (!end || at < end); at += letters) {
        if (!isspace((unsigned char)at[-1]) || at[letters] != '=' ||
            (at[letters + 1] != '"' && at[letters + 1] != '\''))
            continue;
        const char *value = at + letters + 2, *close = strchr(value, at[letters + 1]);
        if (!close) return NULL;
        *length = (size_t)(close - value);
        return value;
    }
    return NULL;
}

static double ome_number(const char *pixels, const char *key)
{
    size_t length;
    const char *value = attribute(pixels, key, &length);
    return value ? strtod(value, NULL) : NAN;
}

static bool same_attribute(const char *pixels, const char *key, const char *other)
{
    size_t a = 0, b = 0;
    const char *first = attribute(pixels, key, &a), *second = attribute(pixels, other, &b);
    return a == b && (!a || !memcmp(first, second, a));
}

static int read_ome(Named *n, const TiffFile *f, const char *pixels, Err *e)
{
    size_t length = 0;
    const char *order = attribute(pixels, "DimensionOrder", &length);
    n->channels = count_of(ome_number(pixels, "SizeC"));
    n->slices = count_of(ome_number(pixels, "SizeZ"));
    n->frames = count_of(ome_number(pixels, "SizeT"));
    n->slices_together = order && length == 5 && memchr(order, 'Z', 5) < memchr(order, 'C', 5);
    n->spacing_zyx[0] = ome_number(pixels, "PhysicalSizeZ");
    n->spacing_zyx[1] = ome_number(pixels, "PhysicalSizeY");
    n->spacing_zyx[2] = ome_number(pixels, "PhysicalSizeX");
    if (isnan(n->spacing_zyx[0]) || (same_attribute(pixels, "PhysicalSizeXUnit", "PhysicalSizeZUnit") &&
                                     same_attribute(pixels, "PhysicalSizeXUnit", "PhysicalSizeYUnit")))
        return 0;
    return err_set(e, ERR_UNSUPPORTED,
                   "%s: its OME metadata give the sizes of its axes in different units: expected one unit, or the "
                   "spacing in a side file (docs/images.md)",
                   f->path);
}

/* ---- side file ---- */

static const char digits[] = "0123456789";

/* The existing side files: of the file itself, then, for image channels, of their case. A file in memory has none. */
static int add_sides(FileList *sides, const char *path, ImageUse use, Err *e)
{
    if (path_is_open_file(path)) return 0;
    const char *dot = strrchr(path_base(path), '.');
    const int length = (int)(dot - path);
    TRY(image_add_file(sides, path_format(e, "%.*s.json", length, path), e));
    if (use == IMAGE_LABELS) return 0;
    if (length < 6 || path[length - 5] != '_' || strspn(path + length - 4, digits) != 4) return 0;
    return image_add_file(sides, path_format(e, "%.*s.json", length - 5, path), e);
}

int tiff_stack_add_side(FileList *files, const char *path, Err *e)
{
    return add_sides(files, path, IMAGE_INTENSITIES, e);
}

static int read_side(double spacing_zyx[3], bool *found, const char *name, Err *e)
{
    Doc doc;
    TRY(doc_read(&doc, name, e));
    const DocNode *list = doc_find(doc.root, "spacing");
    int failed = 0;
    *found = list != NULL;
    if (list && (list->kind != DOC_SEQUENCE || list->count != 3))
        failed = doc_error(list, e, "spacing: expected a list of three numbers, as [z, y, x]");
    const DocNode *item = list && !failed ? list->first : NULL;
    for (int i = 0; item && !failed; i++, item = item->next) {
        failed = doc_get_double(item, &spacing_zyx[i], e);
        if (!failed && !geometry_is_spacing(spacing_zyx[i]))
            failed = doc_error(item, e, "spacing is %g: expected " GEOMETRY_SPACINGS, spacing_zyx[i]);
    }
    doc_free(&doc);
    return failed;
}

static int expect_same(const double a[3], const double b[3], const char *path, const char *side, const char *other,
                       Err *e)
{
    if (a[0] == b[0] && a[1] == b[1] && a[2] == b[2]) return 0;
    return err_set(
        e, ERR_VALUE,
        "%s: its spacing is [%g, %g, %g] in %s and [%g, %g, %g] in %s: expected one; correct it, or remove one "
        "of these files",
        path, a[0], a[1], a[2], path_base(side), b[0], b[1], b[2], path_base(other));
}

/* Reads the side files, which must agree. A .json beside a picture may be another kind of file (labelme's): then it
 * is ignored. */
static int find_side(TiffStack *s, bool *found, const TiffFile *f, int64_t pages, ImageUse use, Err *e)
{
    FileList sides = {0};
    const char *first = NULL;
    int failed = add_sides(&sides, f->path, use, e);
    for (int i = 0; i < sides.count && !failed; i++) {
        double spacing[3];
        bool has = false;
        failed = read_side(spacing, &has, sides.names[i], e);
        if (failed && pages == 1 && !has) failed = 0;
        if (failed || !has) continue;
        if (first) failed = expect_same(s->spacing_zyx, spacing, f->path, first, sides.names[i], e);
        else memcpy(s->spacing_zyx, spacing, sizeof spacing);
        if (!first) first = sides.names[i];
    }
    *found = first != NULL;
    file_list_free(&sides);
    return failed;
}

/* ---- the stack ---- */

static int read_named(Named *n, const TiffFile *f, Err *e)
{
    char *text = NULL;
    *n = (Named){.spacing_zyx = {NAN, NAN, NAN}};
    if (!TIFFGetField(f->tiff, TIFFTAG_IMAGEDESCRIPTION, &text) || !text) return 0;
    const char *pixels = strstr(text, "<OME") ? strstr(text, "<Pixels") : NULL;
    if (pixels) return read_ome(n, f, pixels, e);
    if (!strncmp(text, "ImageJ=", 7)) read_imagej(n, f, text);
    return 0;
}

/* Assigns slices and channels to the pages; without metadata all pages are slices. */
static int share_pages(TiffStack *s, const Named *n, const TiffFile *f, int64_t pages, int samples, ImageUse use,
                       Err *e)
{
    int64_t channels = n->channels > 1 ? n->channels : 1, slices = n->slices > 1 ? n->slices : 1;
    if (channels % samples == 0) channels /= samples; /* OME counts the samples of a pixel among the channels */
    if (n->frames > 1 && slices > 1)
        return err_set(e, ERR_UNSUPPORTED,
                       "%s: %lld time points of %lld slices: expected one; write each to a file of its own", f->path,
                       (long long)n->frames, (long long)slices);
    if (n->frames > 1) slices = n->frames;
    if (channels == 1 && slices == 1) slices = pages;
    if (channels * slices != pages)
        return err_set(e, ERR_FORMAT,
                       "%s: %lld page(s), and its metadata name %lld slice(s) and %lld channel(s): expected as many "
                       "pages; save it again as one whole TIFF file",
                       f->path, (long long)pages, (long long)slices, (long long)channels);
    if (use == IMAGE_LABELS && slices == 1) {
        slices = channels;
        channels = 1;
    }
    s->channels = channels;
    s->slices = slices;
    s->slices_together = n->slices_together;
    return 0;
}

int tiff_stack_find(TiffStack *s, const TiffFile *f, int64_t pages, int samples, ImageUse use, Err *e)
{
    Named n;
    bool side;
    *s = (TiffStack){.spacing_zyx = {1, 1, 1}};
    TRY(read_named(&n, f, e));
    TRY(share_pages(s, &n, f, pages, samples, use, e));
    TRY(find_side(s, &side, f, pages, use, e));
    s->volume = s->slices > 1 || side;
    for (int i = 0; i < 3 && s->volume && !side; i++)
        if (geometry_is_spacing(n.spacing_zyx[i])) s->spacing_zyx[i] = n.spacing_zyx[i];
    return 0;
}

void tiff_stack_describe(Text *description, const TiffStack *s)
{
    text_add(description, "ImageJ=1.53t\nimages=%lld\n", (long long)(s->channels * s->slices));
    if (s->channels > 1) text_add(description, "channels=%lld\n", (long long)s->channels);
    if (s->slices > 1) text_add(description, "slices=%lld\n", (long long)s->slices);
    if (s->channels > 1) text_add(description, "hyperstack=true\n");
    text_add(description, "unit=mm\nspacing=");
    text_add_double(description, s->spacing_zyx[0]);
    text_add(description, "\nloop=false\n");
}

int tiff_stack_name_side(char **name, const char *path, Err *e)
{
    const char *dot = strrchr(path_base(path), '.');
    *name = path_format(e, "%.*s.json", (int)(dot - path), path);
    return *name ? 0 : ERR_NOMEM;
}

int tiff_stack_write_side(const char *path, const double spacing_zyx[3], Err *e)
{
    Text text = {0};
    char *name;
    TRY(tiff_stack_name_side(&name, path, e));
    text_add(&text, "{\"spacing\": [");
    for (int i = 0; i < 3; i++) {
        text_add(&text, i ? ", " : "");
        text_add_double(&text, spacing_zyx[i]);
    }
    text_add(&text, "]}\n");
    int failed = text_check(&text, e);
    if (!failed) failed = file_put(name, text.data, text.length, e);
    text_free(&text);
    mem_free(name);
    return failed;
}
