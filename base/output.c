#include "base/output.h"

#include "base/file.h"

int output_expect_free(const char *path, bool replace, Err *e)
{
    bool there;
    if (replace || path_is_open_file(path)) return 0;
    TRY(file_is_there(path, &there, e));
    return there ? err_set(e, ERR_VALUE, "%s exists already: give another name with -o, or --overwrite", path) : 0;
}

int output_begin(FolderLock *lock, const char *path, bool replace, Err *e)
{
    lock->fd = -1;
    if (path_is_open_file(path)) return 0;
    TRY(folder_lock_of(lock, path, e));
    const int code = output_expect_free(path, replace, e);
    if (code) folder_unlock(lock);
    return code;
}
