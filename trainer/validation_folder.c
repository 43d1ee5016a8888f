#include "trainer/validation_folder.h"

#include <stdbool.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "data/image_io.h"

static const char SUMMARY[] = "summary.json";

static int remove_file(const char *folder, const char *name, Err *e)
{
    char *path = path_format(e, "%s/%s", folder, name);
    const int code = path ? file_remove(path, e) : ERR_NOMEM;
    mem_free(path);
    return code;
}

int validation_folder_remove_summary(const char *folder, Err *e) { return remove_file(folder, SUMMARY, e); }

static bool is_among(const char *name, int length, char *const *cases, int count)
{
    for (int i = 0; i < count; i++)
        if (strlen(cases[i]) == (size_t)length && !strncmp(cases[i], name, (size_t)length)) return true;
    return false;
}

int validation_folder_keep_only(const char *folder, char *const *cases, int count, Err *e)
{
    FileList files;
    TRY(file_list(&files, folder, e));
    int code = 0;
    for (int i = 0; i < files.count && !code; i++) {
        const char *name = files.names[i], *ending = image_ending(name);
        if (ending && !is_among(name, (int)(ending - name), cases, count)) code = remove_file(folder, name, e);
    }
    file_list_free(&files);
    return code;
}

/* The summary goes first: it is what others read. */
int validation_folder_clear(const char *folder, Err *e)
{
    FileList files;
    bool there;
    TRY(file_is_there(folder, &there, e));
    if (!there) return 0;
    TRY(validation_folder_remove_summary(folder, e));
    TRY(file_list(&files, folder, e));
    int code = 0;
    for (int i = 0; i < files.count && !code; i++) code = remove_file(folder, files.names[i], e);
    file_list_free(&files);
    return code;
}
