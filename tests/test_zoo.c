/* The collections (zoos) of unusual and broken image files under ../shared/data: each file must be read with the values
 * in its manifest, or rejected with its name and a reason, according to the manifest's verdict. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/progress.h"
#include "base/random.h"
#include "data/image_io.h"
#include "formats/yaml.h"
#include "tests/support/exists.h"

/* Sanitizers make everything larger and slower. */
#ifdef __SANITIZE_ADDRESS__
enum { MEASURED = 0 };
#else
enum { MEASURED = 1 };
#endif

static double number(const DocNode *node)
{
    double value;
    Err e = {0};
    if (doc_get_double(node, &value, &e)) fail_msg("manifest: %s", e.text);
    return value;
}

static double number_of(const DocNode *mapping, const char *key) { return number(doc_find(mapping, key)); }

/* A list of numbers; returns how many. */
static int numbers(const DocNode *list, double *values, int most)
{
    int count = 0;
    for (const DocNode *item = list->first; item && count < most; item = item->next) values[count++] = number(item);
    return count;
}

typedef struct Sums {
    double sum, absolutes, low, high, largest;
    int64_t nan, inf, minus_inf;
} Sums;

static Sums sums_of(const float *values, int64_t count)
{
    Sums s = {.low = INFINITY, .high = -INFINITY};
    for (int64_t i = 0; i < count; i++) {
        const double v = (double)values[i];
        s.nan += isnan(v);
        s.inf += v == INFINITY;
        s.minus_inf += v == -INFINITY;
        if (!isfinite(v)) continue;
        s.sum += v;
        s.absolutes += fabs(v);
        s.low = fmin(s.low, v);
        s.high = fmax(s.high, v);
    }
    s.largest = fmax(fabs(s.low), fabs(s.high));
    return s;
}

static void assert_near(double found, double wanted, double tolerance, const char *what)
{
    if (found == wanted || (isnan(found) && isnan(wanted))) return;
    if (!(fabs(found - wanted) <= tolerance)) fail_msg("%s: found %.9g, expected %.9g", what, found, wanted);
}

static void check_sums(const Image *image, const DocNode *expect)
{
    const Sums s = sums_of(image->voxels.data, array_count(&image->voxels));
    const DocNode *absolutes = doc_find(expect, "sum_of_absolutes");
    assert_near(s.sum, number_of(expect, "sum"), 1e-6 * (absolutes ? number(absolutes) : s.absolutes), "sum");
    assert_near(s.low, number_of(expect, "min"), 1e-6 * s.largest, "min");
    assert_near(s.high, number_of(expect, "max"), 1e-6 * s.largest, "max");
    if (!doc_find(expect, "nan")) return;
    assert_near((double)s.nan, number_of(expect, "nan"), 0, "NaN voxels");
    assert_near((double)s.inf, number_of(expect, "inf"), 0, "infinite voxels");
    assert_near((double)s.minus_inf, number_of(expect, "minus_inf"), 0, "negative infinite voxels");
}

/* The position in the voxels of a manifest's index; index counts from the manifest's first axis. */
typedef int64_t Locate(const Image *image, const double *index, int rank);

static int64_t locate_nifti(const Image *image, const double *index, int rank)
{
    const int64_t *shape = image->voxels.shape;
    const int64_t axes[3] = {shape[3], shape[2], shape[1]};
    int64_t at = 0, stride = 1;
    for (int i = 0; i < rank; i++) {
        at += stride * (int64_t)index[i];
        stride *= i < 3 ? axes[i] : 1; /* the zoo's only longer axis behind the third is the last one */
    }
    return at;
}

static void check_samples(const Image *image, const DocNode *expect, Locate *locate, double largest)
{
    for (const DocNode *sample = doc_find(expect, "samples")->first; sample; sample = sample->next) {
        double index[8];
        const int rank = numbers(doc_find(sample, "index"), index, 8);
        const double found = (double)((float *)image->voxels.data)[locate(image, index, rank)];
        assert_near(found, number_of(sample, "value"), 1e-6 * largest, "sample");
    }
}

/* unit: of the manifest's affines, in mm. */
static void check_affine(const Geometry *g, const DocNode *expect, double unit)
{
    double affine[3][4];
    const DocNode *rows = doc_find(expect, "affine"), *also = doc_find(expect, "affine_also");
    geometry_affine(g, affine);
    if (doc_is_null(rows) || doc_find(expect, "affine_free")) return;
    double worst[2] = {0, also ? 0 : INFINITY};
    const DocNode *either[2] = {rows, also};
    for (int k = 0; k < (also ? 2 : 1); k++) {
        const DocNode *row = either[k]->first;
        for (int i = 0; i < 3; i++, row = row->next) {
            double wanted[4];
            numbers(row, wanted, 4);
            for (int j = 0; j < 4; j++) worst[k] = fmax(worst[k], fabs(affine[i][j] - unit * wanted[j]));
        }
    }
    assert_true(worst[0] <= 1e-4 || worst[1] <= 1e-4);
}

static void check_nifti(const Image *image, const DocNode *expect)
{
    double shape[8], spacing[8];
    const int rank = numbers(doc_find(expect, "shape"), shape, 8);
    const int64_t *found = image->voxels.shape;
    double channels = 1;
    for (int i = 3; i < rank; i++) channels *= shape[i];
    assert_near((double)found[0], channels, 0, "channels");
    const DocNode *in_mm = doc_find(expect, "spacing_also"); /* where the header's unit is another one */
    numbers(in_mm ? in_mm : doc_find(expect, "spacing"), spacing, 8);
    for (int i = 0; i < 3 && i < rank; i++) {
        assert_near((double)found[3 - i], shape[i], 0, "shape");
        assert_near(image->geometry.spacing_zyx_mm[2 - i], spacing[i], 1e-6 * spacing[i], "spacing");
    }
    if (rank == 2) assert_near(image->geometry.spacing_zyx_mm[0], 999 * fmax(spacing[0], spacing[1]), 1e-6, "depth");
    check_affine(&image->geometry, expect, geometry_unit_mm(image->geometry.orientation.units, NULL));
    const Sums s = sums_of(image->voxels.data, array_count(&image->voxels));
    check_sums(image, expect);
    check_samples(image, expect, locate_nifti, s.largest);
}

/* Rows, columns and, if there are several, channels: the manifest's order; of a stack, pages, rows, columns. */
static int64_t locate_picture(const Image *image, const double *index, int rank)
{
    const int64_t *shape = image->voxels.shape;
    if (image->geometry.dimensions == 3)
        return ((int64_t)index[0] * shape[2] + (int64_t)index[1]) * shape[3] + (int64_t)index[2];
    const int64_t channel = rank == 3 ? (int64_t)index[2] : 0;
    return (channel * shape[2] + (int64_t)index[0]) * shape[3] + (int64_t)index[1];
}

static void check_picture(const Image *image, const DocNode *expect)
{
    double shape[8], sums[8];
    const int rank = numbers(doc_find(expect, "shape"), shape, 8);
    const int64_t *found = image->voxels.shape, plane = found[2] * found[3];
    const bool stack = image->geometry.dimensions == 3;
    assert_near((double)found[0], rank == 3 && !stack ? shape[2] : 1, 0, "channels");
    assert_near((double)found[1], stack ? shape[0] : 1, 0, "pages");
    assert_near((double)found[2], shape[stack], 0, "rows");
    assert_near((double)found[3], shape[stack + 1], 0, "columns");
    assert_true(image->geometry.spacing_zyx_mm[0] == (stack ? 1 : 999));
    assert_true(image->geometry.spacing_zyx_mm[1] == 1 && image->geometry.spacing_zyx_mm[2] == 1);
    const Sums s = sums_of(image->voxels.data, array_count(&image->voxels));
    check_sums(image, expect);
    check_samples(image, expect, locate_picture, s.largest);
    const DocNode *per_channel = doc_find(expect, "sum_per_channel");
    const int channels = per_channel && !stack ? numbers(per_channel, sums, 8) : 0;
    for (int c = 0; c < channels; c++) {
        const Sums one = sums_of((float *)image->voxels.data + c * plane, plane);
        assert_near(one.sum, sums[c], 1e-6 * one.absolutes, "sum of a channel");
    }
}

static void check_labels(const Image *image, const DocNode *wanted)
{
    Array labels;
    int64_t counts[16] = {0};
    assert_int_equal(image_to_labels(&labels, image, NULL), 0);
    const int16_t *values = labels.data;
    for (int64_t i = 0; i < array_count(&labels); i++) counts[values[i] & 15]++;
    array_free(&labels);
    int label = 0;
    for (const DocNode *item = wanted->first; item; item = item->next)
        assert_near((double)counts[label++], number(item), 0, "voxels of a label");
}

static void check_limits(const DocNode *file, double seconds)
{
    const DocNode *limits = doc_find(file, "limits");
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    assert_true(seconds <= (limits ? number_of(limits, "seconds") : 5));
    assert_true((double)usage.ru_maxrss / 1024 <= (limits ? number_of(limits, "memory_mib") : 200));
}

/* A test for one entry of a manifest: what it gets as state. */
typedef struct ZooFile {
    const DocNode *file;
    const char *folder;
    void (*check)(const Image *, const DocNode *expect);
    char name[96];
} ZooFile;

static void zoo_file(void **state)
{
    const ZooFile *z = *state;
    const char *verdict = doc_find(z->file, "verdict")->text, *name = doc_find(z->file, "name")->text;
    const DocNode *expect = doc_find(z->file, "expect");
    char path[512];
    snprintf(path, sizeof path, "%s/%s", z->folder, name);
    Image image;
    Err e = {0};
    const double started = clock_seconds();
    const int failed = image_read(&image, path, &e);
    if (MEASURED) check_limits(z->file, clock_seconds() - started);
    if (failed) {
        if (!strcmp(verdict, "accept")) fail_msg("refused: %s", e.text);
        assert_int_equal(failed, e.code);
        assert_non_null(strstr(e.text, path));
        assert_true(strlen(e.text) > strlen(path) + 10);
        return;
    }
    if (!strcmp(verdict, "reject")) fail_msg("was read");
    z->check(&image, expect);
    const DocNode *labels = doc_find(expect, "label_voxels");
    if (!labels) labels = doc_find(expect, "label_pixels");
    if (labels) check_labels(&image, labels);
    Geometry probed;
    int64_t channels;
    assert_int_equal(image_probe(&probed, &channels, path, NULL), 0);
    assert_true(geometry_same_shape(&probed, &image.geometry) && channels == image.voxels.shape[0]);
    image_free(&image);
}

/* Damages a file of the zoo in many ways: whatever comes of it, it ends in an image or a clear error. */
static void zoo_damaged(void **state)
{
    const char *folder = *state;
    enum { TRIES = 12, MOST_BYTES = 20000 };
    char source[512], damaged[] = "/tmp/test_zoo.XXXXXX", path[600];
    FileList files;
    assert_non_null(mkdtemp(damaged));
    assert_int_equal(file_list(&files, folder, NULL), 0);
    for (int i = 0; i < files.count; i++) {
        char *bytes;
        size_t count;
        if (!image_ending(files.names[i])) continue;
        snprintf(source, sizeof source, "%s/%s", folder, files.names[i]);
        snprintf(path, sizeof path, "%s/%s", damaged, files.names[i]);
        assert_int_equal(file_get(source, &bytes, &count, NULL), 0);
        Rng r = rng_make(1, (uint32_t)i, 0, 0, RNG_TEST);
        for (int k = 0; k < TRIES && count && count < MOST_BYTES; k++) {
            Image image;
            Err e = {0};
            const size_t head = count < 600 ? count : 600; /* most of the parsed data is at the start */
            for (int flips = 1 + k % 3; flips; flips--)
                bytes[rng_below(&r, (uint32_t)(k % 2 ? head : count))] = (char)rng_u32(&r);
            const size_t kept = k % 4 == 3 ? rng_below(&r, (uint32_t)count) : count;
            assert_int_equal(file_put(path, bytes, kept, NULL), 0);
            if (image_read(&image, path, &e)) assert_non_null(strstr(e.text, damaged));
            image_free(&image);
        }
        mem_free(bytes);
        if (exists(path)) assert_int_equal(file_remove(path, NULL), 0);
    }
    file_list_free(&files);
    assert_int_equal(rmdir(damaged), 0);
}

static void zoo_missing(void **state)
{
    (void)state;
    skip(); /* ../shared/data is not there */
}

static int walk(const char *folder, void (*check)(const Image *, const DocNode *))
{
    char manifest[512];
    snprintf(manifest, sizeof manifest, "%s/manifest.json", folder);
    const struct CMUnitTest missing[] = {cmocka_unit_test(zoo_missing)};
    if (!exists(manifest)) return cmocka_run_group_tests_name(folder, missing, NULL, NULL);
    Doc doc;
    Err e = {0};
    if (doc_read(&doc, manifest, &e)) {
        printf("not ok - %s\n", e.text);
        return 1;
    }
    const DocNode *files = doc_find(doc.root, "files");
    const size_t count = (size_t)files->count;
    struct CMUnitTest *tests = mem_zalloc(count + 1, sizeof *tests, &e);
    ZooFile *zoo = mem_zalloc(count, sizeof *zoo, &e);
    size_t i = 0;
    for (const DocNode *file = files->first; tests && zoo && file; file = file->next, i++) {
        zoo[i] = (ZooFile){.file = file, .folder = folder, .check = check};
        snprintf(zoo[i].name, sizeof zoo[i].name, "%s: %s", doc_find(file, "verdict")->text,
                 doc_find(file, "name")->text);
        tests[i] = (struct CMUnitTest){.name = zoo[i].name, .test_func = zoo_file, .initial_state = &zoo[i]};
    }
    if (i == count)
        tests[i] =
            (struct CMUnitTest){.name = "damaged files", .test_func = zoo_damaged, .initial_state = (void *)folder};
    const int failed = _cmocka_run_group_tests(folder, tests, i + (i == count), NULL, NULL);
    mem_free(tests);
    mem_free(zoo);
    doc_free(&doc);
    return failed || i != count;
}

int main(void)
{
    const int failed = walk("../shared/data/nifti_zoo", check_nifti);
    return walk("../shared/data/image_zoo", check_picture) || failed;
}
