#include "inference/watched_folder.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/progress.h"

int watched_folder_new(WatchedFolder *f, const char *path, double settle_seconds, Err *e)
{
    *f = (WatchedFolder){.path = mem_strdup(path, e), .settle = settle_seconds};
    return f->path ? 0 : ERR_NOMEM;
}

static void free_files(WatchedFile *files, int count)
{
    for (int i = 0; i < count; i++) mem_free(files[i].name);
    mem_free(files);
}

void watched_folder_free(WatchedFolder *f)
{
    free_files(f->files, f->count);
    mem_free(f->path);
    *f = (WatchedFolder){0};
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const WatchedFile *)a)->name, ((const WatchedFile *)b)->name);
}

WatchedFile *watched_folder_find(const WatchedFolder *f, const char *name)
{
    const WatchedFile key = {.name = (char *)name};
    return f->count ? bsearch(&key, f->files, (size_t)f->count, sizeof key, by_name) : NULL;
}

static bool is_same(const FileVersion *a, const FileVersion *b)
{
    return a->bytes == b->bytes && a->modified_ns == b->modified_ns && a->is_file == b->is_file;
}

static int look_at(FileVersion *v, const char *folder, const char *name, bool fresh, Err *e)
{
    char *path = path_format(e, "%s/%s", folder, name);
    const int code = path ? file_version(v, path, fresh, e) : ERR_NOMEM;
    mem_free(path);
    return code;
}

bool watched_folder_is_same(const WatchedFolder *f, const WatchedFile *file)
{
    FileVersion now;
    return !look_at(&now, f->path, file->name, true, NULL) && is_same(&now, &file->version);
}

/* What is known of an entry, with what is seen now. */
static WatchedFile see(const WatchedFile *known, const FileVersion *v, double settle, double now)
{
    if (known && is_same(&known->version, v)) {
        WatchedFile file = *known;
        file.is_settled = now - file.since >= settle;
        return file;
    }
    return (WatchedFile){.version = *v, .since = now, .due = now + settle};
}

/* An entry that is gone meanwhile is not added. One that is not settled may be older on its server than it seems. */
static int add(WatchedFolder *seen, const WatchedFolder *f, const char *name, double now, Err *e)
{
    FileVersion v;
    const WatchedFile *known = watched_folder_find(f, name);
    const int failed = look_at(&v, f->path, name, !known || !known->is_settled, e);
    if (failed) return failed == ERR_NOMEM ? failed : 0;
    WatchedFile file = see(known, &v, f->settle, now);
    if (!(file.name = mem_strdup(name, e))) return ERR_NOMEM;
    seen->files[seen->count++] = file;
    return 0;
}

int watched_folder_look(WatchedFolder *f, bool *is_due, Err *e)
{
    FileList names;
    WatchedFolder seen = {0};
    const double now = clock_seconds();
    *is_due = false;
    TRY(file_list(&names, f->path, e));
    seen.files = mem_zalloc((size_t)names.count + 1, sizeof *seen.files, e);
    int code = seen.files ? 0 : ERR_NOMEM;
    for (int i = 0; i < names.count && !code; i++) code = add(&seen, f, names.names[i], now, e);
    file_list_free(&names);
    if (code) {
        free_files(seen.files, seen.count);
        return code;
    }
    free_files(f->files, f->count);
    f->files = seen.files;
    f->count = seen.count;
    for (int i = 0; i < f->count; i++) *is_due |= f->files[i].is_settled && f->files[i].due <= now;
    return 0;
}

int watched_folder_settled(const WatchedFolder *f, FileList *names, Err *e)
{
    int code = 0;
    *names = (FileList){0};
    for (int i = 0; i < f->count && !code; i++)
        if (f->files[i].is_settled && f->files[i].version.is_file)
            code = file_list_add(names, path_format(e, "%s", f->files[i].name), e);
    if (code) file_list_free(names);
    return code;
}
