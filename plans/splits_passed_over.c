/* Warnings of files that a user may take for the splits, but that are not read. */
#include <string.h>
#include <strings.h>

#include "base/file.h"
#include "plans/splits_file.h"

static bool looks_like_splits(const char *name)
{
    static const char *const own[] = {"splits_final.yaml", "splits_final.json", "splits_made_from.yaml"};
    static const char *const endings[] = {".json", ".yaml", ".yml", ".pkl"};
    const char *ending = strrchr(name, '.');
    for (int i = 0; i < 3; i++)
        if (!strcmp(name, own[i])) return false;
    if (strncasecmp(name, "split", strlen("split")) || !ending) return false;
    for (int i = 0; i < 4; i++)
        if (!strcasecmp(ending, endings[i])) return true;
    return false;
}

int splits_passed_over(Text *warnings, const char *folder, Err *e)
{
    FileList files;
    TRY(file_list(&files, folder, e));
    for (int i = 0; i < files.count; i++)
        if (looks_like_splits(files.names[i]))
            text_add(warnings,
                     "%s/%s is not read: folds are read from splits_final.json or splits_final.yaml, a list of "
                     "{train: [CASE, ...], val: [CASE, ...]}%s\n",
                     folder, files.names[i],
                     path_ends_with(files.names[i], ".pkl") ? "; write the content of the .pkl into a .json" : "");
    file_list_free(&files);
    return 0;
}
