#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/tool.h"

char *tool_path(const char *name, Err *e)
{
    static const char *const prefixes[] = {"", "swin-umamba-"};
    char own[4096];
    const ssize_t length = readlink("/proc/self/exe", own, sizeof own - 1);
    if (length <= 0) {
        err_errno(e, errno, "/proc/self/exe");
        return NULL;
    }
    own[length] = '\0';
    *strrchr(own, '/') = '\0';
    for (int i = 0; i < 2; i++) {
        char *path = path_format(e, "%s/%s%s", own, prefixes[i], name);
        if (!path) return NULL;
        for (char *at = path + strlen(path) - strlen(name); i && *at; at++)
            if (*at == '_') *at = '-';
        if (!access(path, X_OK)) return path;
        mem_free(path);
    }
    err_set(e, ERR_UNSUPPORTED,
            "the program %s is not in %s: install it there with the other programs; in the sources `make deps all` "
            "builds it",
            name, own);
    return NULL;
}
