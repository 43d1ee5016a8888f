#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory_file.h"

enum { FILES = 128, PATHS = 4, PATH_BYTES = 512 };

#define FUZZ_ADDRESS(target) &fuzz_target_##target,
const FuzzTarget *const fuzz_targets[] = {FUZZ_TARGETS(FUZZ_ADDRESS) NULL};

const FuzzTarget *fuzz_target(const char *name)
{
    for (int i = 0; fuzz_targets[i]; i++)
        if (!strcmp(fuzz_targets[i]->name, name)) return fuzz_targets[i];
    return NULL;
}

void fuzz_expect(bool condition, const char *what, const char *file, int line)
{
    if (condition) return;
    fprintf(stderr, "%s:%d: expected %s\n", file, line, what);
    abort();
}

bool fuzz_done(int code, const Err *e)
{
    if (!code) return true;
    FUZZ_EXPECT(code < 0 && (int)e->code == code && e->text[0]);
    return false;
}

void fuzz_touch(const void *data, size_t bytes)
{
    static volatile unsigned sum;
    const unsigned char *at = data;
    unsigned total = 0;
    for (size_t i = 0; i < bytes; i++) total += at[i];
    sum = total;
    (void)sum;
}

/* ---- files ---- */

typedef struct MemoryFile {
    const char *name;
    int fd;
    char path[MEMORY_FILE_PATH_BYTES];
} MemoryFile;

/* They stay open: one is used again for each input. */
static MemoryFile *file_of(const char *name)
{
    static MemoryFile files[FILES];
    int i = 0;
    while (i < FILES && files[i].name && strcmp(files[i].name, name)) i++;
    FUZZ_EXPECT(i < FILES);
    if (!files[i].name) {
        Err e = {0};
        files[i].fd = memory_file_new(name, files[i].path, &e);
        FUZZ_EXPECT(files[i].fd >= 0);
        files[i].name = name;
    }
    return &files[i];
}

const char *fuzz_file(const char *name, const void *data, size_t bytes)
{
    const MemoryFile *file = file_of(name);
    FUZZ_EXPECT(!ftruncate(file->fd, 0));
    FUZZ_EXPECT(pwrite(file->fd, data, bytes, 0) == (ssize_t)bytes);
    return file->path;
}

static char *next_path(void)
{
    static char paths[PATHS][PATH_BYTES];
    static int next;
    return paths[next++ % PATHS];
}

static char folder[PATH_BYTES];

static void remove_folder(void)
{
    FileList list;
    if (!file_list(&list, folder, NULL)) {
        for (int i = 0; i < list.count; i++) file_remove(fuzz_seed_path(folder, list.names[i]), NULL);
        file_list_free(&list);
    }
    rmdir(folder);
}

const char *fuzz_folder(void)
{
    if (folder[0]) return folder;
    const char *chosen = getenv("TMPDIR");
    const char *place = chosen ? chosen : file_is_folder("/dev/shm") ? "/dev/shm" : "/tmp";
    snprintf(folder, sizeof folder, "%s/swin_umamba_fuzz_XXXXXX", place);
    FUZZ_EXPECT(mkdtemp(folder) != NULL);
    atexit(remove_folder);
    return folder;
}

/* Not by file_put, which waits for the disk. */
const char *fuzz_in_folder(const char *name, const void *data, size_t bytes)
{
    const char *path = fuzz_seed_path(fuzz_folder(), name);
    FILE *file = fopen(path, "wb");
    FUZZ_EXPECT(file && fwrite(data, 1, bytes, file) == bytes && !fclose(file));
    return path;
}

const char *fuzz_seed_path(const char *in, const char *name)
{
    char *path = next_path();
    FUZZ_EXPECT(snprintf(path, PATH_BYTES, "%s/%s", in, name) < PATH_BYTES);
    return path;
}

int fuzz_seed_text(const char *in, const char *name, const char *text, Err *e)
{
    return file_put(fuzz_seed_path(in, name), text, strlen(text), e);
}
