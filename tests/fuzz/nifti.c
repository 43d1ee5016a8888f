/* NIfTI: .nii, plain and gzip; and .hdr with .img. A pair is one input: the header's file, then the voxels' file. */
#include "base/array.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "data/nii_header.h"
#include "tests/fuzz/images.h"
#include "tests/fuzz/packing.h"

/* Whether it is packed is known by the content. */
static bool run(const uint8_t *data, size_t bytes) { return fuzz_image_named("image.nii", data, bytes); }

static int seed(const char *folder, Err *e)
{
    TRY(fuzz_seed_image(folder, "plane.nii", DTYPE_U8, (const int[]){0, 1, 4, 5}, false, e));
    TRY(fuzz_seed_image(folder, "placed.nii", DTYPE_I16, (const int[]){0, 3, 4, 5}, true, e));
    TRY(fuzz_seed_image(folder, "channels.nii", DTYPE_F32, (const int[]){2, 3, 4, 5}, true, e));
    TRY(fuzz_seed_image(folder, "wide.nii.gz", DTYPE_U8, (const int[]){0, 1, 1, 33000}, false, e)); /* NIfTI-2 */
    return fuzz_seed_image(folder, "placed.nii.gz", DTYPE_U16, (const int[]){0, 3, 4, 5}, true, e);
}

const FuzzTarget fuzz_target_nifti = {"nifti", run, seed, fuzz_mutate_gzip};

/* ---- pairs ---- */

static bool run_pair(const uint8_t *data, size_t bytes)
{
    const size_t header = bytes >= 4 && nii_header_bytes(data) ? nii_header_bytes(data) + 4 : 0;
    const size_t first = header && header < bytes ? header : bytes;
    const char *path = fuzz_in_folder("image.hdr", data, first);
    const char *voxels = fuzz_in_folder("image.img", data + first, bytes - first);
    return fuzz_image(bytes % 2 ? path : voxels, bytes);
}

static int join(Text *both, const char *name, Err *e)
{
    char *content;
    size_t bytes;
    TRY(file_get(fuzz_seed_path(fuzz_folder(), name), &content, &bytes, e));
    text_add_bytes(both, content, bytes);
    mem_free(content);
    return text_check(both, e);
}

static int seed_pair(const char *folder, Err *e)
{
    Text both = {0};
    TRY(fuzz_write_image(fuzz_seed_path(fuzz_folder(), "pair.hdr"), DTYPE_I16, (const int[]){0, 2, 3, 4}, true, e));
    int code = join(&both, "pair.hdr", e);
    if (!code) code = join(&both, "pair.img", e);
    if (!code) code = file_put(fuzz_seed_path(folder, "pair"), both.data, both.length, e);
    text_free(&both);
    return code;
}

const FuzzTarget fuzz_target_nifti_pair = {"nifti_pair", run_pair, seed_pair, NULL};
