/* .npy: the array alone, and as the locations of a case that is then trained on. */
#include "data/npy.h"

#include "base/file.h"
#include "base/text.h"
#include "tests/fuzz/images.h"
#include "tests/fuzz/packing.h"
#include "trainer/sampler.h"

enum { SIZE = 4, PATCH = 4, CLASSES = 2 };

/* A case of 4x4x4 voxels whose locations are the input. */
static void train_with(const uint8_t *data, size_t bytes)
{
    static const int64_t shape[4] = {SIZE, SIZE, SIZE, 1}, final_yx[2] = {PATCH, PATCH};
    static float values[SIZE * SIZE * SIZE], image[PATCH * PATCH];
    static int16_t numbers[SIZE * SIZE * SIZE], labels[PATCH * PATCH];
    static bool written;
    Err e = {0};
    CaseSet set;
    SamplerWorkspace w;
    char *names[] = {"case"};
    const Array voxels = array_view(DTYPE_F32, 4, shape, values), classes = array_view(DTYPE_I16, 3, shape, numbers);
    if (!written)
        written = !npy_write(fuzz_seed_path(fuzz_folder(), "case.npy"), &voxels, &e) &&
                  !npy_write(fuzz_seed_path(fuzz_folder(), "case_seg.npy"), &classes, &e);
    FUZZ_EXPECT(written);
    fuzz_in_folder("case_locations.npy", data, bytes);
    if (!fuzz_done(case_set_open(&set, fuzz_folder(), names, 1, 1, &e), &e)) return;
    const Sampler s = {.cases = &set,
                       .geometry = patch_geometry(final_yx),
                       .slice_axes_count = 1,
                       .batch_size = 2,
                       .oversample_foreground = 1,
                       .class_count = CLASSES,
                       .largest_label = CLASSES};
    FUZZ_EXPECT(!sampler_workspace_new(&w, &s, &e));
    for (int item = 0; item < 4; item++) fuzz_done(sampler_fill(&s, &w, 0, item, 0, image, labels, &e), &e);
    sampler_workspace_free(&w);
    case_set_close(&set);
}

static bool run(const uint8_t *data, size_t bytes)
{
    Array a;
    Err e = {0};
    if (!fuzz_done(npy_read(&a, fuzz_file("array.npy", data, bytes), &e), &e)) return false;
    FUZZ_EXPECT(array_bytes(&a) <= bytes && array_count(&a) >= 0);
    fuzz_touch(a.data, array_bytes(&a));
    if (a.dtype == DTYPE_I32 && a.rank == 2) train_with(data, bytes);
    array_free(&a);
    return true;
}

static int seed(const char *folder, Err *e)
{
    static const int32_t locations[] = {0, 1, 2, 3, 1, 3, 3, 3};
    static const double numbers[16] = {1};
    Text name = {0};
    int code = 0;
    for (int dtype = 0; dtype < DTYPE_COUNT && !code; dtype++) {
        const Array a = array_view((DType)dtype, dtype % 4, (const int64_t[]){2, 1, 3}, (void *)numbers);
        name.length = 0;
        text_add(&name, "%s.npy", dtype_name((DType)dtype));
        code = text_check(&name, e);
        if (!code) code = npy_write(fuzz_seed_path(folder, name.data), &a, e);
    }
    text_free(&name);
    const Array rows = array_view(DTYPE_I32, 2, (const int64_t[]){2, 4}, (void *)locations);
    return code ? code : npy_write(fuzz_seed_path(folder, "locations.npy"), &rows, e);
}

static size_t mutate(uint8_t *data, size_t size, size_t most, unsigned choice, FuzzBytes *change)
{
    return choice % 4 ? fuzz_mutate_header(data, size, most, 8, 2, change) : 0;
}

const FuzzTarget fuzz_target_npy = {"npy", run, seed, mutate};
