/* data/image_files: all files of an image, and their hash. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "data/image_files.h"
#include "data/image_io.h"
#include "tests/support/folder.h"

static char *path_of(const char *name) { return path_format(NULL, "%s/%s", folder, name); }

/* A volume, written as the format writes it. */
static void put_volume(const char *name)
{
    Array voxels;
    Err e = {0};
    Geometry g = {.dimensions = 3, .shape_zyx = {2, 3, 4}, .spacing_zyx_mm = {1, 1, 1}};
    char *path = path_of(name);
    assert_int_equal(array_new(&voxels, DTYPE_U8, 3, g.shape_zyx, &e), 0);
    memset(voxels.data, 7, array_bytes(&voxels));
    if (image_write(path, &g, &voxels, &e)) fail_msg("%s", e.text);
    array_free(&voxels);
    mem_free(path);
}

/* The image consists of `name` and `other` (NULL: of itself), and a change of either changes its hash. */
static void expect_files(const char *name, const char *other)
{
    FileList files;
    char before[HASH_BYTES], after[HASH_BYTES];
    char *path = path_of(name), *second = path_of(other ? other : name);
    put_volume(name);
    for (int written = 0; written < 2; written++) {
        assert_int_equal((written ? image_written_files : image_files)(&files, path, NULL), 0);
        assert_int_equal(files.count, other ? 2 : 1);
        assert_string_equal(files.names[0], path);
        assert_string_equal(files.names[files.count - 1], second);
        file_list_free(&files);
    }
    assert_int_equal(image_hash(before, path, NULL), 0);
    char *content;
    size_t bytes;
    assert_int_equal(file_get(second, &content, &bytes, NULL), 0);
    content[bytes - 1] ^= 1;
    assert_int_equal(file_put(second, content, bytes, NULL), 0);
    assert_int_equal(image_hash(after, path, NULL), 0);
    assert_string_not_equal(before, after);
    content[bytes - 1] ^= 1;
    assert_int_equal(file_put(second, content, bytes, NULL), 0);
    assert_int_equal(image_hash(after, path, NULL), 0);
    assert_string_equal(before, after);
    mem_free(content);
    mem_free(path);
    mem_free(second);
}

static void every_file_of_an_image_counts(void **state)
{
    (void)state;
    expect_files("a.nii", NULL);
    expect_files("b_0000.hdr", "b_0000.img");
    expect_files("c_0000.img", "c_0000.hdr");
    expect_files("d.mha", NULL);
    expect_files("e.mhd", "e.zraw");
    expect_files("f.nrrd", NULL);
    expect_files("g.nhdr", "g.raw.gz");
    expect_files("h_0000.tif", "h_0000.json");
}

static void the_spacing_of_a_case_counts_for_its_channels(void **state)
{
    (void)state;
    FileList files;
    static const char text[] = "{\"spacing\": [1, 1, 1]}";
    char *image = path_of("case_0001.tif"), *own = path_of("case_0001.json"), *of_case = path_of("case.json");
    put_volume("case_0001.tif");
    assert_int_equal(file_remove(own, NULL), 0);
    assert_int_equal(file_put(of_case, text, sizeof text - 1, NULL), 0);
    assert_int_equal(image_files(&files, image, NULL), 0);
    assert_int_equal(files.count, 2);
    assert_string_equal(files.names[1], of_case);
    file_list_free(&files);
    mem_free(image);
    mem_free(own);
    mem_free(of_case);
}

static void what_cannot_be_read_is_one_file(void **state)
{
    (void)state;
    FileList files;
    char hash[HASH_BYTES];
    char *damaged = path_of("x.mhd"), *missing = path_of("nowhere.nii"), *unknown = path_of("notes.txt");
    assert_int_equal(file_put(damaged, "no header", 9, NULL), 0);
    assert_int_equal(file_put(unknown, "text", 4, NULL), 0);
    assert_int_equal(image_files(&files, damaged, NULL), 0);
    assert_int_equal(files.count, 1);
    file_list_free(&files);
    assert_int_equal(image_hash(hash, damaged, NULL), 0);
    assert_int_equal(image_hash(hash, unknown, NULL), 0);
    assert_int_equal(image_hash(hash, missing, NULL), ERR_IO);
    mem_free(damaged);
    mem_free(missing);
    mem_free(unknown);
}

/* What packs the voxels does not know the file. */
static void a_lack_of_memory_names_the_file(void **state)
{
    (void)state;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    skip(); /* they map much more memory than they use */
#endif
    static const char *const names[] = {"large.nii.gz", "large.nrrd", "large.mha"};
    Array voxels;
    Geometry g = {.dimensions = 3, .shape_zyx = {200, 200, 200}, .spacing_zyx_mm = {1, 1, 1}};
    assert_int_equal(array_new(&voxels, DTYPE_U8, 3, g.shape_zyx, NULL), 0);
    for (int i = 0; i < 3; i++) {
        struct rlimit usual, low;
        Err e = {0};
        long pages = 0;
        char *path = path_of(names[i]);
        FILE *statm = fopen("/proc/self/statm", "r");
        assert_true(statm && fscanf(statm, "%ld", &pages) == 1);
        fclose(statm);
        assert_int_equal(getrlimit(RLIMIT_AS, &usual), 0);
        low = usual;
        low.rlim_cur = (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE) + (1 << 20);
        assert_int_equal(setrlimit(RLIMIT_AS, &low), 0);
        const int code = image_write(path, &g, &voxels, &e);
        assert_int_equal(setrlimit(RLIMIT_AS, &usual), 0);
        assert_int_equal(code, ERR_NOMEM);
        assert_ptr_equal(strstr(e.text, path), e.text);
        mem_free(path);
    }
    array_free(&voxels);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_file_of_an_image_counts),
        cmocka_unit_test(the_spacing_of_a_case_counts_for_its_channels),
        cmocka_unit_test(what_cannot_be_read_is_one_file),
        cmocka_unit_test(a_lack_of_memory_names_the_file),
    };
    return cmocka_run_group_tests_name("image_files", tests, test_folder_make, test_folder_remove);
}
