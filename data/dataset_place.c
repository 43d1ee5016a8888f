/* Where a folder is no dataset: searches for one in the folders above and below, for the message. */
#include "base/file.h"
#include "base/memory.h"
#include "base/path_hint.h"
#include "data/dataset_search.h"

/* Whether FOLDER/NAME/dataset.json exists, for a hint: a folder that cannot be read has none. */
static int has_json(bool *has, const char *folder, const char *name, Err *e)
{
    char *path = path_format(e, "%s/%s/dataset.json", folder, name);
    Err unknown = {0};
    *has = false;
    if (path && file_is_there(path, has, &unknown)) *has = false;
    mem_free(path);
    return path ? 0 : ERR_NOMEM;
}

/* Number of datasets in the folders below; *first: one of them, owned by the caller. */
static int datasets_below(int *count, char **first, const char *folder, Err *e)
{
    FileList files;
    TRY(file_list(&files, folder, e));
    int code = 0;
    for (int i = 0; i < files.count && !code; i++) {
        bool has;
        code = has_json(&has, folder, files.names[i], e);
        if (code || !has || (*count)++) continue;
        *first = path_format(e, "%s/%s", folder, files.names[i]);
        code = *first ? 0 : ERR_NOMEM;
    }
    file_list_free(&files);
    return code;
}

static int refuse_folder(const char *folder, Err *e)
{
    bool above;
    int below = 0;
    char *first = NULL, *parent = NULL;
    int code = has_json(&above, folder, "..", e);
    if (!code && above) {
        char *path = path_format(e, "%s/..", folder);
        parent = path ? path_absolute(path, e) : NULL;
        code = parent ? 0 : (int)e->code;
        mem_free(path);
    }
    if (!code) code = datasets_below(&below, &first, folder, e);
    if (!code && parent)
        code = err_set(e, ERR_IO, "%s: no dataset.json in it, but in the folder above: give %s", folder, parent);
    else if (!code && below)
        code = err_set(e, ERR_IO, "%s: no dataset.json in it, but in %d folder%s below: give %s%s", folder, below,
                       below == 1 ? "" : "s", first, below == 1 ? "" : ", or another of them");
    else if (!code)
        code = err_set(e, ERR_IO,
                       "%s: no dataset.json in it: expected a folder with dataset.json, imagesTr and labelsTr", folder);
    mem_free(parent);
    mem_free(first);
    return code;
}

int dataset_expect_folder(const char *folder, Err *e)
{
    bool there, is_folder, has;
    TRY(file_is_there(folder, &there, e));
    if (!there) {
        err_set(e, ERR_IO, "%s: does not exist: expected the folder of a dataset, with dataset.json in it", folder);
        return path_hint(e, folder);
    }
    TRY(file_is_folder(folder, &is_folder, e));
    if (!is_folder)
        return err_set(e, ERR_IO, "%s: a file: give the folder of the dataset, which contains dataset.json", folder);
    char *path = path_format(e, "%s/dataset.json", folder);
    const int code = path ? file_is_there(path, &has, e) : ERR_NOMEM;
    mem_free(path);
    if (code) return code;
    return has ? 0 : refuse_folder(folder, e);
}
