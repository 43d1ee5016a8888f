/* Which files an image consists of, and a hash of all of them: for records of what a result was made from.
 *
 * An image may be more than the file that names it: .hdr and .img, .mhd and its voxels, a TIFF stack and its side
 * file with the spacing. */
#ifndef DATA_IMAGE_FILES_H
#define DATA_IMAGE_FILES_H

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"

/* path itself, then the others that are there. files is new (file_list_free). A header that cannot be read leads to no
 * other file: reading the image says what is wrong. Fails: ERR_NOMEM. */
int image_files(FileList *files, const char *path, Err *e);

/* path itself, then the other file that image_write makes beside it, whether they are there or not. Of TIFF that is the
 * side file, which only volumes get. files is new. Fails: ERR_NOMEM. */
int image_written_files(FileList *files, const char *path, Err *e);

/* Of the content of all files of an image that is there. Fails: ERR_IO, ERR_NOMEM. */
int image_hash(char hash[HASH_BYTES], const char *path, Err *e);

#endif
