/* The files of the voxels of an image with a text header: the header's file itself, or other files.
 *
 * Used by MetaImage (.mha, .mhd) and NRRD (.nrrd, .nhdr). The files hold equal shares of the voxels, in order.
 * Memory for voxels is allocated after all files were found long enough. */
#ifndef DATA_VOXEL_FILES_H
#define DATA_VOXEL_FILES_H

#include "base/text.h"
#include "data/voxel_stream.h"

typedef enum VoxelEncoding { VOXELS_RAW, VOXELS_PACKED, VOXELS_TEXT } VoxelEncoding; /* packed: gzip, zlib */

/* Owns its names: voxel_files_free. */
typedef struct VoxelFiles {
    VoxelLayout layout;
    VoxelEncoding encoding;
    char **names;       /* paths */
    int count;          /* 0: the voxels follow the header */
    int64_t skip_lines; /* of each file, before anything is unpacked */
    int64_t skip_bytes; /* then, of the unpacked bytes; -1: the voxels are the last bytes of the file */
} VoxelFiles;

/* Adds a file whose name has `bytes` bytes: a path from the folder of the header. Fails: ERR_NOMEM; ERR_FORMAT;
 * ERR_UNSUPPORTED if the path leads out of that folder, or the header is an open file (image_expect_own_files). */
int voxel_files_add(VoxelFiles *f, const char *header, const char *name, size_t bytes, Err *e);

/* Adds the files that a pattern names: the format, with one %d, of the numbers first, first + step … last.
 * Fails: ERR_FORMAT for another pattern or more than a million files; ERR_NOMEM. */
int voxel_files_add_pattern(VoxelFiles *f, const char *header, const char *pattern, size_t bytes,
                            const double first_last_step[3], Err *e);

/* Reads all voxels. The position of `header` is the end of the text header; it is read if no other file is named.
 * Fails: ERR_IO, ERR_NOMEM, ERR_VALUE; ERR_FORMAT (too few bytes, or more than the header says). */
int voxel_files_read(Array *voxels, const VoxelFiles *f, ByteSource *header, Err *e);

/* Checks that the files that the header names exist and are long enough. Fails as voxel_files_read. */
int voxel_files_check(const VoxelFiles *f, const ByteSource *header, Err *e);

/* Writes header and voxels, in this order, to path; or, if `data` is not NULL, the voxels to `data` and then the
 * header to path: without a header the image does not exist. Fails: ERR_IO, ERR_NOMEM. */
int voxel_files_write(const char *path, const Text *header, const char *data, const void *voxels, size_t bytes, Err *e);

void voxel_files_free(VoxelFiles *f);

#endif
