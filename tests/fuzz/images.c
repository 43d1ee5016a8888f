#include "tests/fuzz/images.h"

#include <math.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "data/image_files.h"
#include "data/image_io.h"
#include "data/orientation_code.h"
#include "preprocess/case.h"
#include "preprocess/spacing_check.h"

/* Larger images would only take time. A file of compressed voxels may claim 1032 bytes for each of its own, and
 * pictures of 1 bit eight pixels for each of these. */
enum { MOST_VOXELS = 1 << 16, CLAIM_PER_BYTE = 1032 * 8, CLAIM_SLACK = 1 << 20, PREPROCESSED = 1 << 20 };

static int64_t voxels_of(const ImageHeader *h)
{
    const int64_t *n = h->geometry.shape_zyx;
    FUZZ_EXPECT(h->channels > 0 && n[0] > 0 && n[1] > 0 && n[2] > 0);
    return (int64_t)mem_product(mem_product((size_t)n[0], (size_t)n[1]),
                                mem_product((size_t)n[2], (size_t)h->channels));
}

/* ---- what programs do with an image ---- */

static void use_labels(const Image *image)
{
    Array labels;
    Err e = {0};
    if (fuzz_done(image_to_labels(&labels, image, &e), &e)) fuzz_touch(labels.data, array_bytes(&labels));
    array_free(&labels);
}

/* To RAS and back again: the same voxels. */
static void use_axes(Image *image)
{
    Err e = {0};
    char code[GRID_CODE_BYTES], place[GRID_PLACE_BYTES];
    const size_t bytes = array_bytes(&image->voxels);
    const GridAxes axes = grid_axes_read(&image->geometry, READER_RAS, 0), back = grid_axes_inverse(&axes);
    const Geometry turned = grid_axes_apply(&axes, &image->geometry);
    grid_axes_code(&image->geometry, code);
    grid_place_text(&image->geometry, place);
    orientation_unturned(code, READER_STORED);
    GridAxes found;
    Text note = {0};
    grid_match(&turned, &image->geometry, &found);
    fuzz_done(grid_bring(&found, &note, &turned, &image->geometry, "another file", &e), &e);
    if (image->geometry.dimensions == 3) fuzz_done(grid_axes_to_code(&found, &image->geometry, code, &e), &e);
    text_free(&note);
    void *before = mem_alloc(bytes, &e);
    FUZZ_EXPECT(before != NULL);
    memcpy(before, image->voxels.data, bytes);
    FUZZ_EXPECT(!grid_axes_turn(&axes, &image->voxels, &e));
    FUZZ_EXPECT(!memcmp(image->voxels.shape + 1, turned.shape_zyx, sizeof turned.shape_zyx));
    FUZZ_EXPECT(!grid_axes_turn(&back, &image->voxels, &e));
    FUZZ_EXPECT(!memcmp(before, image->voxels.data, bytes));
    mem_free(before);
}

/* Numbers stay what they are; the bits of a NaN may change. */
static bool same_values(const Array *a, const Array *b)
{
    const float *x = a->data, *y = b->data;
    for (int64_t i = 0, n = array_count(a); i < n; i++)
        if (!(x[i] == y[i] || (isnan(x[i]) && isnan(y[i])))) return false;
    return true;
}

/* A header may have spacings that another format cannot hold: then the written file is refused. */
static void use_writer(const Image *image, const char *name)
{
    Err e = {0};
    Image again;
    const char *path = fuzz_file(name, "", 0);
    if (!fuzz_done(image_write(path, &image->geometry, &image->voxels, &e), &e)) return;
    if (!fuzz_done(image_read(&again, path, &e), &e)) return;
    FUZZ_EXPECT(array_count(&again.voxels) == array_count(&image->voxels) &&
                same_values(&again.voxels, &image->voxels));
    image_free(&again);
}

/* The plan of one that is as the image, in a spacing of 1 mm. */
static void use_preprocessing(Image *image)
{
    Err e = {0};
    Plan plan;
    Text note = {0};
    PreprocessedCase out;
    int64_t shape[3];
    const int64_t channels = image->voxels.shape[0];
    const double *spacing = image->geometry.spacing_zyx_mm;
    plan_defaults(&plan);
    PlanConfiguration *c = &plan.configuration;
    if (channels > PLAN_MAX_CHANNELS) return;
    c->channel_count = c->mask_count = (int)channels;
    c->spacing_mm[0] = c->spacing_mm[1] = 1;
    for (int64_t i = 0; i < channels; i++) c->use_mask_for_norm[i] = i % 2;
    if (fuzz_done(spacing_check(&note, image->geometry.shape_zyx, spacing, &plan, &e), &e)) {
        const int64_t needed = case_preprocess_bytes(shape, image->geometry.shape_zyx, spacing, &plan);
        FUZZ_EXPECT(needed > 0);
        if (needed < PREPROCESSED &&
            fuzz_done(case_preprocess(&out, &image->voxels, spacing, NULL, NULL, &plan, NULL, &e), &e)) {
            fuzz_touch(out.image.data, array_bytes(&out.image));
            case_free(&out);
        }
    }
    text_free(&note);
}

/* ---- reading ---- */

static bool read_as(const char *path, size_t bytes, ImageUse use)
{
    ImageHeader header;
    Image image;
    Err e = {0};
    if (!fuzz_done(image_read_header(&header, path, use, &e), &e)) {
        FUZZ_EXPECT(image_read_as(&image, path, use, &e) < 0);
        return false;
    }
    const int64_t voxels = voxels_of(&header);
    FUZZ_EXPECT(voxels / CLAIM_PER_BYTE <= (int64_t)bytes + CLAIM_SLACK);
    if (voxels > MOST_VOXELS || !fuzz_done(image_read_as(&image, path, use, &e), &e)) return false;
    FUZZ_EXPECT(array_count(&image.voxels) == voxels && image.voxels.shape[0] == header.channels);
    FUZZ_EXPECT(image.alpha == header.alpha && geometry_same_shape(&image.geometry, &header.geometry));
    fuzz_touch(image.voxels.data, array_bytes(&image.voxels));
    if (use == IMAGE_LABELS) {
        use_labels(&image);
    } else {
        static const char *const names[] = {"copy.nii", "copy.mha", "copy.nrrd", "copy.tif"};
        use_axes(&image);
        use_writer(&image, names[bytes % 4]);
        use_preprocessing(&image);
    }
    image_free(&image);
    return true;
}

bool fuzz_image(const char *path, size_t bytes)
{
    FileList files;
    Err e = {0};
    const bool intensities = read_as(path, bytes, IMAGE_INTENSITIES), labels = read_as(path, bytes, IMAGE_LABELS);
    if (!image_files(&files, path, &e)) file_list_free(&files);
    return intensities || labels;
}

bool fuzz_image_named(const char *name, const uint8_t *data, size_t bytes)
{
    return fuzz_image(fuzz_file(name, data, bytes), bytes);
}

/* ---- seeds ---- */

static void fill(Array *a)
{
    for (int64_t i = 0, n = array_count(a); i < n; i++) {
        const int value = (int)(i * 7 % 251);
        switch (a->dtype) {
        case DTYPE_F32: ((float *)a->data)[i] = (float)value / 4; break;
        case DTYPE_U16:
        case DTYPE_I16: ((uint16_t *)a->data)[i] = (uint16_t)value; break;
        default: ((uint8_t *)a->data)[i] = (uint8_t)value;
        }
    }
}

int fuzz_write_image(const char *path, DType dtype, const int shape_czyx[4], bool placed, Err *e)
{
    Array voxels;
    const int channels = shape_czyx[0], *n = shape_czyx + 1;
    const int64_t shape[4] = {channels, n[0], n[1], n[2]};
    Geometry g = geometry_plane(n[1], n[2]);
    if (n[0] > 1 || placed)
        g = (Geometry){.dimensions = 3, .shape_zyx = {n[0], n[1], n[2]}, .spacing_zyx_mm = {2, 0.5, 1}};
    if (placed)
        g.orientation = (Orientation){
            .units = 2, .sform_code = 1, .qfac = 1, .depth = 1, .sform = {{0, 0.5, 0, 3}, {-1, 0, 0, 4}, {0, 0, 2, 5}}};
    TRY(array_new(&voxels, dtype, channels ? 4 : 3, channels ? shape : shape + 1, e));
    fill(&voxels);
    const int code = image_write(path, &g, &voxels, e);
    array_free(&voxels);
    return code;
}

/* By a file in memory: there a TIFF has no side file. */
int fuzz_seed_image(const char *folder, const char *name, DType dtype, const int shape_czyx[4], bool placed, Err *e)
{
    const char *memory = fuzz_file(name, "", 0);
    TRY(fuzz_write_image(memory, dtype, shape_czyx, placed, e));
    return file_copy(memory, fuzz_seed_path(folder, name), e);
}
