#include "base/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/sys.h"

int folder_rename(const char *from, const char *to, Err *e)
{
    return sys_rename(from, to) ? err_errno(e, errno, "%s: cannot be renamed to %s", from, to) : 0;
}

int folder_replace(const char *old, const char *fresh, const char *away, Err *e)
{
    if (!sys_exchange(fresh, old)) {
        const int code = folder_rename(fresh, away, e);
        if (code) sys_exchange(fresh, old); /* the earlier folder stays */
        return code;
    }
    TRY(folder_rename(old, away, e));
    const int code = folder_rename(fresh, old, e);
    if (code) folder_rename(away, old, NULL);
    return code;
}

static int remove_entry(const char *path, Err *e);

static int remove_content(const char *path, DIR *folder, Err *e)
{
    int code = 0;
    while (!code) {
        const struct dirent *entry = sys_next_entry(folder);
        if (!entry) return errno ? err_errno(e, errno, "%s: cannot list the folder to its end", path) : 0;
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")) continue;
        char *inside = path_format(e, "%s/%s", path, entry->d_name);
        code = inside ? remove_entry(inside, e) : ERR_NOMEM;
        mem_free(inside);
    }
    return code;
}

static int remove_entry(const char *path, Err *e)
{
    struct stat info;
    if (sys_link_stat(path, &info)) return errno == ENOENT ? 0 : err_errno(e, errno, "%s: cannot be looked at", path);
    if (!S_ISDIR(info.st_mode)) return file_remove(path, e);
    DIR *folder = sys_open_folder(path);
    if (!folder) return err_errno(e, errno, "%s: cannot list the folder", path);
    const int code = remove_content(path, folder, e);
    closedir(folder);
    if (code) return code;
    return sys_remove_folder(path) ? err_errno(e, errno, "%s: cannot remove", path) : 0;
}

int folder_remove(const char *path, Err *e) { return remove_entry(path, e); }

static bool holds_only_lock(const char *path)
{
    DIR *folder = sys_open_folder(path);
    bool only = folder, ended = !folder;
    while (only && !ended) {
        const struct dirent *entry = sys_next_entry(folder);
        ended = !entry;
        only = entry ? !strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..") || !strcmp(entry->d_name, ".lock")
                     : !errno;
    }
    if (folder) closedir(folder);
    return only;
}

void folder_remove_empty(const char *path)
{
    char *lock = path_format(NULL, "%s/.lock", path);
    if (lock && holds_only_lock(path)) {
        sys_unlink(lock);
        sys_remove_folder(path);
    }
    mem_free(lock);
}
