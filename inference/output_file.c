#include "inference/output_file.h"

#include <string.h>
#include <strings.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/output.h"
#include "data/image_files.h"
#include "data/image_io.h"

static int is_no_folder(const char *output, bool *is, Err *e)
{
    bool is_folder;
    TRY(file_is_folder(output, &is_folder, e));
    *is = !is_folder;
    return 0;
}

int output_file_is_meant(const char *output, bool *is, Err *e)
{
    *is = false;
    return image_is_written(output) ? is_no_folder(output, is, e) : 0;
}

int output_file_is_dicom(const char *output, bool *is, Err *e)
{
    *is = false;
    return path_ends_with(output, ".dcm") ? is_no_folder(output, is, e) : 0;
}

int output_file_unknown(const char *output, const char **ending, Err *e)
{
    static const char *const endings[] = {".gz",  ".zip", ".jpg", ".jpeg", ".gif", ".webp", ".dcm", ".mgz",
                                          ".mgh", ".mnc", ".npy", ".npz",  ".vtk", ".stl",  NULL};
    bool is_file;
    int i = 0;
    *ending = NULL;
    while (endings[i] && !path_ends_with(output, endings[i])) i++;
    if (!endings[i] || image_is_written(output)) return 0;
    TRY(is_no_folder(output, &is_file, e));
    if (is_file) *ending = endings[i];
    return 0;
}

/* *is: path is one of the files that an image consists of. */
static int is_part(bool *is, const char *path, const char *image, Err *e)
{
    FileList files;
    char *output = path_absolute(path, e);
    *is = false;
    if (!output) return e->code;
    int code = image_files(&files, image, e);
    for (int i = 0; i < files.count && !*is && !code; i++) {
        char *input = path_absolute(files.names[i], e);
        *is = input && !strcmp(output, input);
        if (!input) code = e->code;
        mem_free(input);
    }
    file_list_free(&files);
    mem_free(output);
    return code;
}

static int expect_free(const char *path, const Case *c, bool replace, Err *e)
{
    bool there, is = false;
    TRY(file_is_there(path, &there, e));
    if (!there) return 0;
    for (int i = 0; i < c->image_count && !is; i++) TRY(is_part(&is, path, c->images[i], e));
    if (is) return err_set(e, ERR_VALUE, "%s belongs to the image itself: give another name with -o", path);
    return output_expect_free(path, replace, e);
}

/* Checks the file, and the one that is written beside it. */
static int expect_all_free(const char *path, const Case *c, bool replace, Err *e)
{
    FileList files;
    TRY(image_written_files(&files, path, e));
    int code = 0;
    for (int i = 0; i < files.count && !code; i++) code = expect_free(files.names[i], c, replace, e);
    file_list_free(&files);
    return code;
}

static bool holds_one_slice(const char *ending)
{
    static const char *const endings[] = {".png", ".bmp", NULL};
    int i = 0;
    while (endings[i] && strcasecmp(ending, endings[i])) i++;
    return endings[i];
}

int output_file_expect_format(const char *path, const Case *c, Err *e)
{
    Geometry g;
    int64_t channels;
    char name[PATH_NAMED_BYTES];
    if (!holds_one_slice(image_ending(path_named(path, name)))) return 0;
    TRY(image_probe(&g, &channels, c->images[0], e));
    if (g.shape_zyx[0] == 1) return 0;
    return err_set(e, ERR_SHAPE,
                   "%s: a picture cannot store the %lld slices of %s: give a file of another format, such as "
                   "-o seg%s",
                   path, (long long)g.shape_zyx[0], c->images[0], image_ending(path_named(c->images[0], name)));
}

int output_file_expect_writable(const char *path, Err *e)
{
    OutFile probe;
    const int length = (int)(path_base(path) - path);
    char *folder = path_format(e, "%.*s", length ? length : 1, length ? path : ".");
    int code = folder ? file_make_folders(folder, e) : ERR_NOMEM;
    mem_free(folder);
    if (!code && !(code = file_create(&probe, path, e))) file_abort(&probe);
    return code;
}

int output_file_expect(const char *path, const Case *c, bool replace, Err *e)
{
    if (path_is_open_file(path)) return output_file_expect_format(path, c, e);
    TRY(expect_all_free(path, c, replace, e));
    TRY(output_file_expect_format(path, c, e));
    return output_file_expect_writable(path, e);
}
