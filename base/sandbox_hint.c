#include "base/sandbox_hint.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define FORBIDDEN \
    "; it is not in the output folder, or that was removed, so the sandbox forbids it (SWIN_UMAMBA_SANDBOX=off)"

static bool may_write_beside(const char *path)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    const int length = slash ? (int)(slash - path) + 1 : 1;
    return snprintf(folder, sizeof folder, "%.*s", length, slash ? path : ".") < PATH_MAX && !access(folder, W_OK);
}

const char *sandbox_hint(int failed, const char *path)
{
    const bool forbids = failed == EACCES && prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 && may_write_beside(path);
    return forbids ? FORBIDDEN : "";
}
