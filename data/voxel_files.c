#include "data/voxel_files.h"

#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "data/image_format.h"

enum { MAX_FILES = 1000000, MAX_PATTERN = 256 };

/* Whether a name leads out of the header's folder. */
static bool leads_out(const char *name, size_t bytes)
{
    for (const char *part = name, *end = name + bytes; part < end;) {
        const char *slash = memchr(part, '/', (size_t)(end - part)), *past = slash ? slash : end;
        if (past == name || (past - part == 2 && part[0] == '.' && part[1] == '.')) return true;
        part = past + 1;
    }
    return false;
}

/* A header of others must not make a program read, and tell, files that the user did not name. */
static int refuse_file(const char *name, size_t bytes, Err *e)
{
    err_set(e, ERR_UNSUPPORTED,
            "its voxels are in %.*s: expected a file in the folder of the header, or below; move the file there, and "
            "name it by its path from there",
            (int)(bytes < 200 ? bytes : 200), name);
    err_plain(e);
    return ERR_UNSUPPORTED;
}

int voxel_files_add(VoxelFiles *f, const char *header, const char *name, size_t bytes, Err *e)
{
    const size_t folder = (size_t)(path_base(header) - header);
    TRY(image_expect_own_files(header, e));
    if (!bytes) return err_set(e, ERR_FORMAT, "a file of voxels has an empty name");
    if (leads_out(name, bytes)) return refuse_file(name, bytes, e);
    if (f->count >= MAX_FILES) return err_set(e, ERR_FORMAT, "more than %d files of voxels", MAX_FILES);
    TRY(mem_grow_list(&f->names, f->count, sizeof *f->names, e));
    char *path = path_format(e, "%.*s%.*s", (int)folder, header, (int)bytes, name);
    if (!path) return ERR_NOMEM;
    f->names[f->count++] = path;
    return 0;
}

/* Whether the pattern holds one %d, with a width of two digits at most, and no other %. */
static bool is_pattern(const char *pattern)
{
    const char *at = strchr(pattern, '%');
    if (!at) return false;
    const size_t digits = strspn(at + 1, "0123456789");
    at += 1 + digits;
    return *at == 'd' && digits <= 2 && !strchr(at, '%');
}

/* The name of number n by a pattern that is_pattern accepts. The pattern is not given to printf: the width is read
 * here. */
static int name_number(char *name, size_t bytes, const char *pattern, int n)
{
    const char *percent = strchr(pattern, '%'), *end = strchr(percent, 'd');
    const bool zeros = percent[1] == '0';
    int width = 0;
    for (const char *at = percent + 1; at < end; at++) width = 10 * width + (*at - '0');
    return zeros ? snprintf(name, bytes, "%.*s%0*d%s", (int)(percent - pattern), pattern, width, n, end + 1)
                 : snprintf(name, bytes, "%.*s%*d%s", (int)(percent - pattern), pattern, width, n, end + 1);
}

int voxel_files_add_pattern(VoxelFiles *f, const char *header, const char *pattern, size_t bytes,
                            const double first_last_step[3], Err *e)
{
    char text[MAX_PATTERN], name[MAX_PATTERN + 100]; /* a width and the number itself take less than 100 */
    const double first = first_last_step[0], last = first_last_step[1], step = first_last_step[2];
    snprintf(text, sizeof text, "%.*s", (int)(bytes < sizeof text ? bytes : 0), pattern);
    const bool sound =
        first >= 0 && last >= first && step >= 1 && step < 1e9 && last < 1e9 && (last - first) / step < MAX_FILES;
    if (!is_pattern(text) || !sound)
        return err_set(e, ERR_FORMAT,
                       "the files of voxels, '%s' from %g to %g by %g: expected a name with one %%d, and rising "
                       "numbers",
                       text, first, last, step);
    for (int n = (int)first; n <= (int)last; n += (int)step) {
        const int length = name_number(name, sizeof name, text, n);
        TRY(voxel_files_add(f, header, name, (size_t)length, e));
    }
    return 0;
}

void voxel_files_free(VoxelFiles *f)
{
    for (int i = 0; i < f->count; i++) mem_free(f->names[i]);
    mem_free(f->names);
    *f = (VoxelFiles){0};
}

static int64_t all_voxels(const VoxelLayout *l)
{
    return l->shape_zyx[0] * l->shape_zyx[1] * l->shape_zyx[2] * l->volumes;
}

/* Moves a plain source to the beginning of a share of so many bytes. */
static int skip(const VoxelFiles *f, ByteSource *s, uint64_t share, Err *e)
{
    for (int64_t i = 0; i < f->skip_lines; i++) {
        const void *end = memchr(s->bytes + s->at, '\n', s->count - s->at);
        if (!end)
            return err_set(e, ERR_FORMAT, "%s: cut off: fewer than the %lld lines to skip", s->path,
                           (long long)f->skip_lines);
        s->at = (size_t)((const uint8_t *)end - s->bytes) + 1;
    }
    if (f->encoding == VOXELS_PACKED) {
        TRY(source_unpack(s, e));
        return f->skip_bytes > 0 ? source_skip(s, (uint64_t)f->skip_bytes, e) : 0;
    }
    const uint64_t left = s->count - s->at;
    const uint64_t bytes = f->skip_bytes >= 0 ? (uint64_t)f->skip_bytes : left > share ? left - share : 0;
    if (bytes > left)
        return err_set(e, ERR_FORMAT, "%s: cut off within the %llu bytes to skip", s->path, (unsigned long long)bytes);
    s->at += (size_t)bytes;
    return 0;
}

/* Checks that the source holds a share of so many values and bytes. */
static int check_length(const VoxelFiles *f, const ByteSource *s, uint64_t share, uint64_t values, Err *e)
{
    const VoxelLayout *l = &f->layout;
    const uint64_t limit = source_limit(s), wanted = f->encoding == VOXELS_TEXT ? mem_product(values, 2) - 1 : share;
    if (wanted > limit)
        return err_set(e, ERR_FORMAT,
                       "%s: cut off, or the header is wrong: %lldx%lldx%lld voxels (x,y,z) in %d file(s), %lld "
                       "value(s) of %s each, need %llu bytes from byte %zu on; the file holds at most %llu",
                       s->path, (long long)l->shape_zyx[2], (long long)l->shape_zyx[1], (long long)l->shape_zyx[0],
                       f->count ? f->count : 1, (long long)(l->components * l->volumes), dtype_name(l->dtype),
                       (unsigned long long)wanted, s->at, (unsigned long long)limit);
    if (f->encoding == VOXELS_RAW && share < limit)
        return err_set(e, ERR_FORMAT,
                       "%s: %llu bytes more than the header says: %lldx%lldx%lld voxels (x,y,z) of %s need %llu "
                       "from byte %zu on; expected a header with the right sizes and type",
                       s->path, (unsigned long long)(limit - share), (long long)l->shape_zyx[2],
                       (long long)l->shape_zyx[1], (long long)l->shape_zyx[0], dtype_name(l->dtype),
                       (unsigned long long)share, s->at);
    return 0;
}

/* Opens and checks share i of the voxels. *own must be closed; the share may also be in the header's file. */
static int open_share(ByteSource *own, const VoxelFiles *f, const ByteSource *header, int i, Err *e)
{
    const int shares = f->count ? f->count : 1;
    const uint64_t all = voxels_bytes(&f->layout);
    const char *path = f->count ? f->names[i] : header->path;
    *own = (ByteSource){0};
    if (all > INT64_MAX)
        return err_set(e, ERR_FORMAT, "%s: damaged: the header claims more than 2^63 bytes", header->path);
    if (all_voxels(&f->layout) % shares)
        return err_set(e, ERR_FORMAT,
                       "%s: the voxels cannot be divided equally among the %d files that the header names", path,
                       shares);
    TRY(source_open_plain(own, path, e));
    if (!f->count) own->at = header->at;
    const uint64_t share = all / (uint64_t)shares;
    TRY(skip(f, own, share, e));
    return check_length(f, own, share, share / dtype_size(f->layout.dtype), e);
}

int voxel_files_check(const VoxelFiles *f, const ByteSource *header, Err *e)
{
    int failed = 0;
    for (int i = 0; i < (f->count ? f->count : 1) && !failed; i++) {
        ByteSource s;
        failed = open_share(&s, f, header, i, e);
        source_close(&s);
    }
    return failed && f->count ? err_context(e, "%s", header->path) : failed;
}

int voxel_files_read(Array *voxels, const VoxelFiles *f, ByteSource *header, Err *e)
{
    const int shares = f->count ? f->count : 1;
    TRY(voxel_files_check(f, header, e)); /* before memory is allocated */
    const int64_t count = all_voxels(&f->layout) / shares;
    TRY(voxels_new(voxels, &f->layout, e));
    int failed = 0;
    for (int i = 0; i < shares && !failed; i++) {
        ByteSource s;
        failed = open_share(&s, f, header, i, e);
        if (!failed)
            failed = (f->encoding == VOXELS_TEXT ? voxels_read_text : voxels_read)(voxels->data, &f->layout, &s,
                                                                                   i * count, count, e);
        if (!failed) failed = source_finish(&s, e);
        source_close(&s);
    }
    return failed && f->count ? err_context(e, "%s", header->path) : failed;
}

int voxel_files_write(const char *path, const Text *header, const char *data, const void *voxels, size_t bytes, Err *e)
{
    OutFile f;
    if (data) TRY(file_put(data, voxels, bytes, e));
    TRY(file_create(&f, path, e));
    int failed = file_write(&f, header->data, header->length, e);
    if (!failed && !data) failed = file_write(&f, voxels, bytes, e);
    if (!failed) return file_commit(&f, e);
    file_abort(&f);
    return failed;
}
