/* The files of an image, and a hash of all of them, for records of a result's inputs.
 *
 * An image may consist of several files: .hdr and .img, .mhd and its voxels, a TIFF stack and its side file with
 * the spacing. */
#ifndef DATA_IMAGE_FILES_H
#define DATA_IMAGE_FILES_H

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"

/* path itself, then the other files that exist. files is new (file_list_free). A header that cannot be read adds no
 * other file; reading the image reports the error. Fails: ERR_NOMEM. */
int image_files(FileList *files, const char *path, Err *e);

/* path itself, then the other file that image_write makes beside it, whether they exist or not. For TIFF this is
 * the side file, which only volumes have. files is new. Fails: ERR_NOMEM. */
int image_written_files(FileList *files, const char *path, Err *e);

/* Hash of the content of all files of an existing image. Fails: ERR_IO, ERR_NOMEM. */
int image_hash(char hash[HASH_BYTES], const char *path, Err *e);

#endif
