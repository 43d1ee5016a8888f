#include "tests/support/folder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char folder[32];

int test_folder_make(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/swin_umamba_test_XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

int test_folder_remove(void **state)
{
    char command[64];
    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

const char *in_folder(const char *name)
{
    static char paths[4][512];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}
