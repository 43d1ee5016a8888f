/* NIfTI images: .nii, .hdr with .img, each also gzipped. */
#include <nifti2_io.h>
#include <string.h>
#include <strings.h>

#include "base/file.h"
#include "base/memory.h"
#include "data/byte_stream.h"
#include "data/image_format.h"
#include "data/nii_header.h"
#include "data/voxel_stream.h"

static int read_header(NiiHeader *h, ByteSource *s, Err *e)
{
    uint8_t bytes[NII_MAX_HEADER_BYTES];
    TRY(source_read(s, bytes, 4, e));
    const size_t size = nii_header_bytes(bytes);
    if (!size) return err_set(e, ERR_FORMAT, "%s: not NIfTI: sizeof_hdr, the first number, is not 348 or 540", s->path);
    TRY(source_read(s, bytes + 4, size - 4, e));
    if (nii_header_parse(h, bytes, e)) return err_context(e, "%s", s->path);
    if (!h->pair) h->data_at -= size; /* from here on */
    return 0;
}

/* The other file of a pair: "x.hdr.gz" and 'i','m','g' give "x.img.gz"; letters keep their case. */
static char *partner(const char *path, const char *ending, Err *e)
{
    char *name = mem_strdup(path, e);
    if (!name) return NULL;
    char *at = name + strlen(name) - (path_ends_with(name, "z") || path_ends_with(name, "Z") ? 6 : 3);
    for (int i = 0; i < 3; i++) at[i] = (char)(at[i] < 'a' ? ending[i] - 'a' + 'A' : ending[i]);
    return name;
}

/* Whether path ends in .img or .hdr, gzipped or not. */
static bool is_half(const char *path, const char *half)
{
    const size_t length = strlen(path), plain = strlen(half);
    return (length >= plain && !strcasecmp(path + length - plain, half)) ||
           (length >= plain + 3 && !strncasecmp(path + length - plain - 3, half, plain));
}

/* Opens the data file of the pair whose header is path, gzipped or not. */
static int open_data(ByteSource *s, char **name, const char *path, Err *e)
{
    bool there;
    if (image_expect_own_files(path, e)) return err_context(e, "%s", path);
    *name = partner(path, "img", e);
    if (!*name) return ERR_NOMEM;
    TRY(file_is_there(*name, &there, e));
    if (!there) {
        const size_t length = strlen(*name);
        char *other = path_ends_with(*name, ".gz") ? path_format(e, "%.*s", (int)length - 3, *name)
                                                   : path_format(e, "%s.gz", *name);
        int code = file_is_there(other, &there, e);
        if (!code && !there) code = err_set(e, ERR_IO, "%s: the pair's other file, %s, does not exist", path, *name);
        mem_free(*name);
        *name = other;
        if (code) return code;
    }
    return source_open(s, *name, e);
}

/* Checks that the data fit into the rest of the file, before memory is allocated. */
static int check_length(const NiiHeader *h, const ByteSource *s, Err *e)
{
    const uint64_t wanted = nii_data_bytes(h), limit = source_limit(s);
    const int64_t *shape = h->geometry.shape_zyx;
    if (h->data_at <= limit && wanted <= limit - h->data_at) return 0;
    return err_set(e, ERR_FORMAT,
                   "%s: cut off, or the header is wrong: shape %lldx%lldx%lld (x,y,z), %lld volume(s) of %s, "
                   "needs %llu bytes from byte %llu on; the file holds at most %llu",
                   s->path, (long long)shape[2], (long long)shape[1], (long long)shape[0], (long long)h->volumes,
                   dtype_name(h->dtype), (unsigned long long)wanted, (unsigned long long)h->data_at,
                   (unsigned long long)limit);
}

/* Reads the voxels from their source, whose position is `data_at` bytes before them. */
static int read_voxels(Image *image, const NiiHeader *h, ByteSource *s, Err *e)
{
    const int64_t *shape = h->geometry.shape_zyx;
    const VoxelLayout layout = {.dtype = h->dtype,
                                .swapped = h->swapped,
                                .shape_zyx = {shape[0], shape[1], shape[2]},
                                .components = h->components,
                                .volumes = h->volumes,
                                .slope = h->slope,
                                .intercept = h->intercept};
    TRY(check_length(h, s, e));
    TRY(source_skip(s, h->data_at, e));
    TRY(voxels_new(&image->voxels, &layout, e));
    TRY(voxels_read(image->voxels.data, &layout, s, 0, shape[0] * shape[1] * shape[2] * h->volumes, e));
    return source_finish(s, e);
}

/* Opens the header: path, or the pair's .hdr if path is .img; *name is the memory of s->path. */
static int open_header(NiiHeader *h, ByteSource *s, char **name, const char *path, Err *e)
{
    *name = is_half(path, ".img") ? partner(path, "hdr", e) : mem_strdup(path, e);
    if (!*name) return ERR_NOMEM;
    TRY(source_open(s, *name, e));
    return read_header(h, s, e);
}

/* The file of the header, and of a pair the one of the voxels. */
typedef struct Files {
    NiiHeader h;
    ByteSource header, data;
    char *header_name, *data_name; /* the memory of their paths */
} Files;

/* f is new; close_files frees it, also after a failure. */
static int open_files(Files *f, const char *path, Err *e)
{
    *f = (Files){0};
    TRY(open_header(&f->h, &f->header, &f->header_name, path, e));
    return f->h.pair ? open_data(&f->data, &f->data_name, f->header_name, e) : 0;
}

static ByteSource *voxels_of(Files *f) { return f->h.pair ? &f->data : &f->header; }

static void close_files(Files *f)
{
    source_close(&f->header);
    source_close(&f->data);
    mem_free(f->header_name);
    mem_free(f->data_name);
}

static int nii_read(Image *image, const char *path, ImageUse use, Err *e)
{
    Files f;
    (void)use;
    int failed = open_files(&f, path, e);
    image->geometry = f.h.geometry;
    image->alpha = f.h.components == 4;
    if (!failed) failed = read_voxels(image, &f.h, voxels_of(&f), e);
    close_files(&f);
    return failed;
}

static int nii_probe(ImageHeader *header, const char *path, ImageUse use, Err *e)
{
    (void)use;
    Files f;
    int failed = open_files(&f, path, e);
    if (!failed) failed = check_length(&f.h, voxels_of(&f), e);
    *header = (ImageHeader){f.h.geometry, failed ? 0 : f.h.volumes * f.h.components, f.h.components == 4};
    close_files(&f);
    return failed;
}

static int write_file(const char *path, const void *first, size_t first_bytes, const void *second, size_t second_bytes,
                      Err *e)
{
    ByteSink s;
    char buffer[PATH_NAMED_BYTES];
    const char *name = path_named(path, buffer);
    TRY(sink_open(&s, path, path_ends_with(name, "z") || path_ends_with(name, "Z"), e));
    int failed = sink_write(&s, first, first_bytes, e);
    if (!failed) failed = sink_write(&s, second, second_bytes, e);
    if (!failed) return sink_commit(&s, e);
    sink_abort(&s);
    return failed;
}

static int nii_write(const char *path, const Geometry *g, const Array *voxels, Err *e)
{
    TRY(image_expect_volume(path, voxels, e));
    const NiiHeader h = {.geometry = *g,
                         .volumes = voxels->rank == 4 ? voxels->shape[0] : 1,
                         .components = 1,
                         .dtype = voxels->dtype,
                         .pair = is_half(path, ".hdr") || is_half(path, ".img")};
    uint8_t bytes[NII_MAX_HEADER_BYTES];
    const size_t count = nii_header_format(bytes, &h);
    if (!h.pair) return write_file(path, bytes, count, voxels->data, array_bytes(voxels), e);
    /* The header is written last: without it the pair does not exist. */
    char *header = partner(path, "hdr", e), *data = partner(path, "img", e);
    int failed = header && data ? write_file(data, NULL, 0, voxels->data, array_bytes(voxels), e) : ERR_NOMEM;
    if (!failed) failed = write_file(header, bytes, count, NULL, 0, e);
    mem_free(header);
    mem_free(data);
    return failed;
}

/* The other half, gzipped or not. */
static int add_files(FileList *files, const char *path, Err *e)
{
    const bool is_header = is_half(path, ".hdr");
    if (!is_header && !is_half(path, ".img")) return 0;
    char *same = partner(path, is_header ? "img" : "hdr", e);
    if (!same) return ERR_NOMEM;
    const int length = (int)strlen(same);
    char *other =
        path_ends_with(same, ".gz") ? path_format(e, "%.*s", length - 3, same) : path_format(e, "%s.gz", same);
    const int failed = image_add_file(files, same, e);
    if (!failed) return image_add_file(files, other, e);
    mem_free(other);
    return failed;
}

static int name_beside(char **name, const char *path, Err *e)
{
    const bool is_header = is_half(path, ".hdr");
    *name = NULL;
    if (!is_header && !is_half(path, ".img")) return 0;
    *name = partner(path, is_header ? "img" : "hdr", e);
    return *name ? 0 : ERR_NOMEM;
}

const ImageFormat image_format_nifti = {
    .name = "NIfTI",
    .endings = (const char *const[]){".nii.gz", ".nii", ".hdr.gz", ".hdr", ".img.gz", ".img", NULL},
    .read = nii_read,
    .probe = nii_probe,
    .write = nii_write,
    .add_files = add_files,
    .name_beside = name_beside,
};
