#include "base/memory_file.h"
#include "base/sys.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

int memory_file_new(const char *name, char path[MEMORY_FILE_PATH_BYTES], Err *e)
{
    const int fd = sys_memory_file(name);
    if (fd < 0) {
        err_errno(e, errno, "no file in memory could be made");
        return -1;
    }
    snprintf(path, MEMORY_FILE_PATH_BYTES, "/proc/self/fd/%d", fd);
    return fd;
}

void memory_file_rename(char *text, size_t bytes, const char *path, const char *name)
{
    const size_t length = strlen(path);
    for (char *at = text; (at = strstr(at, path));) {
        char rest[sizeof(Err)];
        if (at[length] >= '0' && at[length] <= '9') { /* another number */
            at += length;
            continue;
        }
        snprintf(rest, sizeof rest, "%s", at + length);
        at += snprintf(at, bytes - (size_t)(at - text), "%s", name);
        if (at >= text + bytes) return;
        snprintf(at, bytes - (size_t)(at - text), "%s", rest);
    }
}
