#include "inference/input_files.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/path_hint.h"
#include "base/sys.h"
#include "base/text.h"
#include "data/image_io.h"

enum { CHANNEL_LENGTH = 5 }; /* of "_0001" */

void input_files_free(InputFiles *f)
{
    for (int i = 0; i < f->count; i++) mem_free(f->files[i].path);
    mem_free(f->files);
    *f = (InputFiles){0};
}

bool input_files_same(const InputFile *a, const InputFile *b)
{
    return !strcmp(a->path, b->path) || (a->inode && a->inode == b->inode && a->device == b->device);
}

int input_file_id_length(const InputFile *file)
{
    return file->channel == INPUT_WHOLE ? file->name_length : file->stem_length;
}

/* The number in NAME_0001, or INPUT_WHOLE. */
static int number_of(const char *name, int length)
{
    if (length <= CHANNEL_LENGTH || name[length - CHANNEL_LENGTH] != '_') return INPUT_WHOLE;
    int number = 0;
    for (int i = length - CHANNEL_LENGTH + 1; i < length; i++) {
        if (!isdigit((unsigned char)name[i])) return INPUT_WHOLE;
        number = 10 * number + (name[i] - '0');
    }
    return number;
}

/* An open file has its name behind its path. */
static char *named_path(const char *path, Err *e)
{
    char named[PATH_NAMED_BYTES];
    if (!path_is_open_file(path)) return mem_strdup(path, e);
    const char *name = path_base(path_named(path, named));
    const size_t length = strlen(path) + 1, more = strlen(name) + 1;
    char *both = mem_alloc(length + more, e);
    if (!both) return NULL;
    memcpy(both, path, length);
    memcpy(both + length, name, more);
    return both;
}

/* Takes ownership of path, also on failure. */
static int add_file(InputFiles *f, char *path, size_t ending_length, int folder, Err *e)
{
    struct stat info = {0};
    if (!path) return ERR_NOMEM;
    if (mem_grow_list(&f->files, f->count, sizeof *f->files, e)) {
        mem_free(path);
        return ERR_NOMEM;
    }
    const char *name = path_is_open_file(path) ? path + strlen(path) + 1 : path_base(path);
    InputFile file = {.path = path, .name = name, .folder = folder};
    if (!sys_stat(path, &info)) {
        file.device = (uint64_t)info.st_dev;
        file.inode = (uint64_t)info.st_ino;
    }
    file.name_length = (int)(strlen(file.name) - ending_length);
    file.number = number_of(file.name, file.name_length);
    file.stem_length = file.name_length - (file.number == INPUT_WHOLE ? 0 : CHANNEL_LENGTH);
    f->files[f->count++] = file;
    return 0;
}

/* ---- a single file ---- */

/* Adds the other channels of the case, if the file may be a channel. */
static int add_siblings(InputFiles *f, const InputFile *file, int channels, Err *e)
{
    const int stem = (int)(file->name - file->path) + file->stem_length;
    const char *ending = file->name + file->name_length;
    for (int i = 0; i < channels; i++) {
        if (i == file->number) continue;
        bool there;
        char *path = path_format(e, "%.*s_%04d%s", stem, file->path, i, ending);
        const int code = path ? file_is_there(path, &there, e) : ERR_NOMEM;
        if (!code && there) {
            TRY(add_file(f, path, strlen(ending), -1, e));
            continue;
        }
        mem_free(path);
        if (code) return code;
    }
    return 0;
}

static int add_single(InputFiles *f, const char *path, int channels, Err *e)
{
    char known[IMAGE_ENDINGS_BYTES], named[PATH_NAMED_BYTES];
    const char *ending = image_ending(path_named(path, named));
    bool there;
    TRY(file_is_there(path, &there, e));
    image_known_endings(known, false);
    if (!there) {
        err_set(e, ERR_IO, "%s: there is no such file or folder", path);
        return path_hint(e, path);
    }
    if (!ending) return err_set(e, ERR_VALUE, "%s: expected a folder of images, or an image (%s)", path, known + 1);
    TRY(add_file(f, named_path(path, e), strlen(ending), -1, e));
    const InputFile added = f->files[f->count - 1];
    if (path_is_open_file(path)) return 0;
    return added.number >= 0 && added.number < channels ? add_siblings(f, &added, channels, e) : 0;
}

/* ---- a folder ---- */

static bool has_ending(const char *name, const char *ending)
{
    const size_t length = strlen(name), more = strlen(ending);
    return length > more && !strcasecmp(name + length - more, ending);
}

bool input_file_is_half(const char *name, const char *ending)
{
    static const struct {
        const char *ending, *other;
    } pairs[] = {{".hdr", ".img"},  {".hdr", ".img.gz"}, {".hdr.gz", ".img.gz"}, {".hdr.gz", ".img"},
                 {".img", ".hdr"},  {".img", ".hdr.gz"}, {".img.gz", ".hdr.gz"}, {".img.gz", ".hdr"},
                 {".mhd", ".raw"},  {".mhd", ".zraw"},   {".nhdr", ".raw"},      {".nhdr", ".raw.gz"},
                 {".tif", ".json"}, {".tiff", ".json"}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        if (!strcasecmp(ending, pairs[i].ending) && has_ending(name, pairs[i].other)) return true;
    return false;
}

enum { NAMES_SHOWN = 5 };

void input_names_add(InputNames *n, const char *name)
{
    if (n->count++ < NAMES_SHOWN) text_add(&n->text, "%s%s", n->count > 1 ? ", " : "", name);
}

const char *input_names_end(InputNames *n)
{
    if (n->count > NAMES_SHOWN) text_add(&n->text, " and %d more", n->count - NAMES_SHOWN);
    return n->text.data ? n->text.data : "";
}

static const char *plural(int count) { return count == 1 ? "" : "s"; }

/* The entries of a folder that are not images with the model's ending. */
typedef struct Others {
    InputNames files, folders, image_folders; /* image_folders: imagesTr, imagesTs … of a dataset */
    const char *ending;                       /* of the first image of another format, borrowed; NULL: there is none */
    int images;                               /* with this ending */
} Others;

static int list_others(Others *o, const char *path, const FileList *names, const char *ending, Err *e)
{
    *o = (Others){0};
    for (int i = 0; i < names->count; i++) {
        const char *name = names->names[i], *own = image_ending(name);
        char *whole = path_format(e, "%s/%s", path, name);
        if (!whole) return ERR_NOMEM;
        const bool is_folder = file_is_folder(whole);
        mem_free(whole);
        if (has_ending(name, ending) || (!is_folder && input_file_is_half(name, ending))) continue;
        input_names_add(is_folder ? &o->folders : &o->files, name);
        if (is_folder && !strncmp(name, "images", 6)) input_names_add(&o->image_folders, name);
        if (is_folder || !own || (o->ending && strcasecmp(own, o->ending))) continue;
        if (!o->ending) o->ending = own;
        o->images++;
    }
    return 0;
}

static void free_others(Others *o)
{
    text_free(&o->files.text);
    text_free(&o->folders.text);
    text_free(&o->image_folders.text);
}

/* Fails for a folder without images of the ending; the message names images of another format, or subfolders. */
static int refuse_folder(const char *path, Others *o, const char *ending, Err *e)
{
    if (o->ending)
        return err_set(e, ERR_VALUE,
                       "%s: there is no image with the ending %s, which the model was trained on, but %d %s file%s. If "
                       "these are images of the same kind, give the files, not the folder: -i %s/*%s",
                       path, ending, o->images, o->ending, plural(o->images), path, o->ending);
    if (o->folders.count)
        return err_set(e, ERR_VALUE,
                       "%s: there is no image with the ending %s, but the folder%s %s: give this folder, or "
                       "several with one -i for each",
                       path, ending, plural((o->image_folders.count ? &o->image_folders : &o->folders)->count),
                       input_names_end(o->image_folders.count ? &o->image_folders : &o->folders));
    if (o->files.count)
        return err_set(e, ERR_VALUE,
                       "%s: there is no image with the ending %s, but %d other file%s (%s): expected "
                       "CASE_0000%s …",
                       path, ending, o->files.count, plural(o->files.count), input_names_end(&o->files), ending);
    return err_set(e, ERR_VALUE, "%s: the folder is empty: expected images CASE_0000%s …", path, ending);
}

static void warn_of_others(FaultList *warnings, const char *path, Others *o, const char *ending)
{
    const int files = o->files.count, folders = o->folders.count;
    if (files)
        fault_add(warnings, FAULT_WARNING, "%s: %d file%s without the ending %s %s not read: %s%s", path, files,
                  plural(files), ending, files == 1 ? "is" : "are", input_names_end(&o->files),
                  o->ending ? "; to predict images of another format give the files, not the folder" : "");
    if (folders)
        fault_add(warnings, FAULT_WARNING, "%s: %d folder%s in it %s not read: %s", path, folders, plural(folders),
                  folders == 1 ? "is" : "are", input_names_end(&o->folders));
}

int input_files_add_names(InputFiles *f, const char *folder, const FileList *names, int index, const char *ending,
                          Err *e)
{
    const size_t length = strlen(folder);
    const char *slash = length && folder[length - 1] == '/' ? "" : "/";
    for (int i = 0; i < names->count; i++)
        if (has_ending(names->names[i], ending))
            TRY(add_file(f, path_format(e, "%s%s%s", folder, slash, names->names[i]), strlen(ending), index, e));
    return 0;
}

static int add_folder(InputFiles *f, const char *path, const FileList *names, int index, const char *ending,
                      FaultList *warnings, Err *e)
{
    Others others;
    const int before = f->count;
    TRY(input_files_add_names(f, path, names, index, ending, e));
    int code = list_others(&others, path, names, ending, e);
    if (!code && f->count == before) code = refuse_folder(path, &others, ending, e);
    else if (!code) warn_of_others(warnings, path, &others, ending);
    free_others(&others);
    return code;
}

int input_files_add(InputFiles *f, const char *path, int index, const DatasetInfo *info, FaultList *warnings, Err *e)
{
    FileList names;
    bool is_folder;
    TRY(folder_is_there(path, &is_folder, e));
    if (!is_folder) return add_single(f, path, info->channel_count, e);
    TRY(file_list(&names, path, e));
    const int code = add_folder(f, path, &names, index, info->file_ending, warnings, e);
    file_list_free(&names);
    return code;
}

/* ---- meaning of the numbers ---- */

static int compare_stems(const InputFile *a, const InputFile *b)
{
    const int shorter = a->stem_length < b->stem_length ? a->stem_length : b->stem_length;
    const int order = memcmp(a->name, b->name, (size_t)shorter);
    return order ? order : a->stem_length - b->stem_length;
}

static int by_stem(const void *a, const void *b)
{
    const InputFile *x = a, *y = b;
    const int order = compare_stems(x, y);
    if (order) return order;
    if (x->number != y->number) return x->number - y->number;
    return strcmp(x->path, y->path);
}

void input_files_classify(InputFiles *f, int channels)
{
    if (f->count) qsort(f->files, (size_t)f->count, sizeof *f->files, by_stem);
    for (int first = 0, past; first < f->count; first = past) {
        bool has_channel_0 = false;
        for (past = first; past < f->count && !compare_stems(&f->files[first], &f->files[past]); past++)
            has_channel_0 |= f->files[past].number == 0;
        for (int i = first; i < past; i++) {
            const int number = f->files[i].number;
            f->files[i].channel = has_channel_0 && number < channels ? number : INPUT_WHOLE;
        }
    }
}
