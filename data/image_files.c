#include "data/image_files.h"

#include "base/memory.h"
#include "base/text.h"
#include "data/image_format.h"

int image_files(FileList *files, const char *path, Err *e)
{
    *files = (FileList){0};
    const ImageFormat *format = image_format_of(path);
    int code = file_list_add(files, mem_strdup(path, e), e);
    if (!code && format && format->add_files) code = format->add_files(files, path, e);
    if (code) file_list_free(files);
    return code;
}

int image_written_files(FileList *files, const char *path, Err *e)
{
    char *beside = NULL;
    *files = (FileList){0};
    const ImageFormat *format = image_format_of(path);
    int code = file_list_add(files, mem_strdup(path, e), e);
    if (!code && format && format->name_beside) code = format->name_beside(&beside, path, e);
    if (!code && beside) code = file_list_add(files, beside, e);
    if (code) file_list_free(files);
    return code;
}

int image_hash(char hash[HASH_BYTES], const char *path, Err *e)
{
    FileList files;
    Text all = {0};
    TRY(image_files(&files, path, e));
    int code = hash_file(hash, path, e);
    text_add(&all, "%s", hash);
    for (int i = 1; i < files.count && !code; i++) {
        code = hash_file(hash, files.names[i], e);
        text_add(&all, " %s", hash);
    }
    if (!code) code = text_check(&all, e);
    if (!code && files.count > 1) hash_bytes(hash, all.data, all.length);
    text_free(&all);
    file_list_free(&files);
    return code;
}
