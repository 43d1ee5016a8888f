#include "inference/inputs.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "inference/input_files.h"

static void free_case(InputCase *one)
{
    Case *c = &one->files;
    for (int k = 0; k < c->image_count; k++) mem_free(c->images[k]);
    mem_free(c->images);
    mem_free(c->id);
    mem_free(one->fault);
}

void inputs_keep(InputList *list, const bool *kept)
{
    int count = 0;
    for (int i = 0; i < list->count; i++) {
        if (kept[i]) list->cases[count++] = list->cases[i];
        else free_case(&list->cases[i]);
    }
    list->count = count;
}

void inputs_free(InputList *list)
{
    for (int i = 0; i < list->count; i++) free_case(&list->cases[i]);
    mem_free(list->cases);
    faults_free(&list->warnings);
    *list = (InputList){0};
}

/* ---- warnings about names of files ---- */

static void warn_of(FaultList *warnings, InputNames *n, const char *folder, const char *format_end)
{
    if (n->count)
        fault_add(warnings, FAULT_WARNING, "%s: %d file%s (%s) %s", folder, n->count, n->count == 1 ? "" : "s",
                  input_names_end(n), format_end);
    text_free(&n->text);
}

static void drop(InputFile *file)
{
    mem_free(file->path);
    file->path = NULL;
}

/* In a folder with files CASE_0000, a file without a number is probably not an image, but a mask or a prediction. */
static void check_folder(InputFiles *f, int index, const char *path, int channels, FaultList *warnings)
{
    InputNames dropped = {0}, whole = {0}, beyond = {0};
    bool has_channels = false;
    for (int i = 0; i < f->count; i++) has_channels |= f->files[i].folder == index && f->files[i].channel == 0;
    for (int i = 0; i < f->count; i++) {
        InputFile *file = &f->files[i];
        if (file->folder != index || file->channel != INPUT_WHOLE) continue;
        const bool is_beyond = has_channels && file->number >= channels;
        if (has_channels && file->number == INPUT_WHOLE) {
            input_names_add(&dropped, file->name);
            drop(file);
        } else {
            input_names_add(is_beyond ? &beyond : &whole, file->name);
        }
    }
    warn_of(warnings, &dropped, path,
            "without a channel number, while others have one (_0000): not read; if they are images, give the files, or "
            "a folder with only them");
    warn_of(warnings, &whole, path, "without a channel number (_0000): each is a case of its whole name");
    warn_of(warnings, &beyond, path,
            channels == 1
                ? "with a number above that of the model's only channel (_0000): each is a case of its whole name"
                : "with a number above those of the model's channels: each is a case of its whole name");
}

static int check_folders(InputFiles *f, const char *const *paths, int count, const DatasetInfo *info,
                         FaultList *warnings, Err *e)
{
    for (int i = 0; i < count; i++) {
        bool is_folder;
        TRY(file_is_folder(paths[i], &is_folder, e));
        if (is_folder) check_folder(f, i, paths[i], info->channel_count, warnings);
    }
    return 0;
}

/* Removes the files without a path from the list. */
static void forget_dropped(InputFiles *f)
{
    int kept = 0;
    for (int i = 0; i < f->count; i++)
        if (f->files[i].path) f->files[kept++] = f->files[i];
    f->count = kept;
}

/* ---- cases ---- */

static int compare_ids(const InputFile *a, const InputFile *b)
{
    const int p = input_file_id_length(a), q = input_file_id_length(b);
    const int order = memcmp(a->name, b->name, (size_t)(p < q ? p : q));
    return order ? order : p - q;
}

static int by_id(const void *a, const void *b)
{
    const InputFile *x = a, *y = b;
    const int order = compare_ids(x, y);
    if (order) return order;
    if (x->channel != y->channel) return x->channel - y->channel;
    return strcmp(x->path, y->path);
}

static void set_fault(InputCase *c, Err *e, const char *format, ...) __attribute__((format(printf, 3, 4)));

static void set_fault(InputCase *c, Err *e, const char *format, ...)
{
    va_list args;
    if (c->fault) return; /* only the first fault is kept */
    va_start(args, format);
    c->fault = text_format(e, format, args);
    va_end(args);
}

/* Compares a file with the case's last one, which has the same or a lower channel. Returns whether it is a duplicate. */
static bool is_double(InputCase *c, const InputFile *last, const InputFile *file, Err *e)
{
    /* The same file may be two channels, by links with both names; otherwise it was given twice. */
    if (input_files_same(last, file) && (last->channel == file->channel || last->channel == INPUT_WHOLE)) return true;
    if (last->channel == file->channel && file->channel == INPUT_WHOLE)
        set_fault(c, e, "it has two files: %s and %s; omit one", last->path, file->path);
    else if (last->channel == file->channel)
        set_fault(c, e, "its channel %d has two files: %s and %s; omit one", file->channel, last->path, file->path);
    else if (last->channel == INPUT_WHOLE)
        set_fault(c, e, "all its channels are in %s, and one of them also in %s; omit one", last->path, file->path);
    return false;
}

static void expect_channel(InputCase *c, const InputFile *file, int channel, const DatasetInfo *info, Err *e)
{
    if (file->channel == INPUT_WHOLE || file->channel == channel) return;
    c->incomplete = !c->fault;
    set_fault(c, e, "channel %d (%s) is missing: expected %.*s_%04d%s beside %s", channel, info->channel_names[channel],
              (int)(file->name - file->path) + file->stem_length, file->path, channel, file->name + file->name_length,
              file->name);
}

/* Makes a case of files with the same id and takes ownership of their paths. */
static int make_case(InputCase *c, InputFile *files, int count, const DatasetInfo *info, Err *e)
{
    Case *made = &c->files;
    made->id = path_format(e, "%.*s", input_file_id_length(&files[0]), files[0].name);
    made->images = mem_zalloc((size_t)count, sizeof *made->images, e);
    if (!made->id || !made->images) return ERR_NOMEM;
    const InputFile *last = NULL;
    for (int i = 0; i < count; i++) {
        if (last && is_double(c, last, &files[i], e)) continue;
        if (!c->fault) expect_channel(c, &files[i], made->image_count, info, e);
        last = &files[i];
        made->images[made->image_count++] = mem_strdup(last->path, e);
        if (!made->images[made->image_count - 1]) return ERR_NOMEM;
    }
    c->may_grow = files[0].channel == INPUT_WHOLE ? files[0].number > 0 && files[0].number < info->channel_count
                                                  : made->image_count < info->channel_count;
    return 0;
}

static int make_cases(InputList *list, InputFiles *f, const DatasetInfo *info, Err *e)
{
    if (!f->count) return 0;
    qsort(f->files, (size_t)f->count, sizeof *f->files, by_id);
    list->cases = mem_zalloc((size_t)f->count, sizeof *list->cases, e);
    if (!list->cases) return ERR_NOMEM;
    for (int first = 0, past; first < f->count; first = past) {
        for (past = first; past < f->count && !compare_ids(&f->files[first], &f->files[past]);) past++;
        TRY(make_case(&list->cases[list->count++], f->files + first, past - first, info, e));
    }
    return 0;
}

/* The cases of the files; f is freed. code: of listing them. */
static int group(InputList *list, InputFiles *f, const char *const *paths, int count, const DatasetInfo *info, int code,
                 Err *e)
{
    if (!code) {
        input_files_classify(f, info->channel_count);
        code = check_folders(f, paths, count, info, &list->warnings, e);
        forget_dropped(f);
        if (!code) code = make_cases(list, f, info, e);
    }
    input_files_free(f);
    if (code) inputs_free(list);
    return code;
}

int inputs_list(InputList *list, const char *const *paths, int count, const DatasetInfo *info, Err *e)
{
    InputFiles f = {0};
    int code = 0;
    *list = (InputList){0};
    for (int i = 0; i < count && !code; i++) code = input_files_add(&f, paths[i], i, info, &list->warnings, e);
    return group(list, &f, paths, count, info, code, e);
}

int inputs_list_names(InputList *list, const char *folder, const FileList *names, const DatasetInfo *info, Err *e)
{
    InputFiles f = {0};
    *list = (InputList){0};
    const int code = input_files_add_names(&f, folder, names, 0, info->file_ending, e);
    return group(list, &f, &folder, 1, info, code, e);
}
