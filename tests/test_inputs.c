/* inference/inputs: finds the cases from the names of files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "inference/inputs.h"
#include "tests/support/folder.h"
#include "tests/support/says.h"

static const char *const channel_names[] = {"T1", "T2", "FLAIR"};

static char *path_of(const char *name) { return path_format(NULL, "%s/%s", folder, name); }

/* names: separated by spaces. */
static void put(const char *names)
{
    char *list = mem_strdup(names, NULL), *rest = list;
    for (char *name; (name = strsep(&rest, " "));) {
        char *path = path_of(name), *parent = mem_strdup(path, NULL);
        *strrchr(parent, '/') = '\0';
        assert_int_equal(file_make_folders(parent, NULL), 0);
        assert_int_equal(file_put(path, name, strlen(name), NULL), 0);
        mem_free(parent);
        mem_free(path);
    }
    mem_free(list);
}

/* "a: a_0000.nii a_0001.nii; b!: …": the cases with the names of their files; ! marks a case with a fault. */
static char *describe(const InputList *list)
{
    Text text = {0};
    for (int i = 0; i < list->count; i++) {
        const InputCase *c = &list->cases[i];
        text_add(&text, "%s%s%s:", i ? "; " : "", c->files.id, c->fault ? "!" : "");
        for (int k = 0; k < c->files.image_count && !c->fault; k++)
            text_add(&text, " %s", path_base(c->files.images[k]));
    }
    return text.data;
}

static const char *const *paths_of(const char *names, int *count)
{
    static char *paths[16];
    char *list = mem_strdup(names, NULL), *rest = list;
    *count = 0;
    for (char *name; (name = strsep(&rest, " "));)
        paths[(*count)++] = *name == '.' ? mem_strdup(folder, NULL) : path_of(name);
    mem_free(list);
    return (const char *const *)paths;
}

/* given: names below the folder, "." for it. fault: of one of the cases; warning: one of them; NULL: none. */
static void expect(const char *given, int channels, const char *cases, const char *fault, const char *warning)
{
    InputList list;
    Err e = {0};
    int count;
    const DatasetInfo info = {.file_ending = ".nii.gz", .channel_count = channels, .channel_names = channel_names};
    const char *const *paths = paths_of(given, &count);
    if (inputs_list(&list, paths, count, &info, &e)) fail_msg("%s", e.text);
    char *text = describe(&list);
    assert_string_equal(text, cases);
    bool has_fault = false, has_warning = false;
    for (int i = 0; i < list.count; i++) {
        const char *found = list.cases[i].fault;
        if (found && !fault) fail_msg("%s", found);
        has_fault |= found && fault && strstr(found, fault);
    }
    for (int i = 0; i < list.warnings.count; i++) {
        if (!warning) fail_msg("%s", list.warnings.faults[i].text);
        has_warning |= warning && strstr(list.warnings.faults[i].text, warning);
    }
    if (fault && !has_fault) fail_msg("no fault says: %s", fault);
    if (warning && !has_warning) fail_msg("no warning says: %s", warning);
    mem_free(text);
    for (int i = 0; i < count; i++) mem_free((char *)paths[i]);
    inputs_free(&list);
}

static void expect_refused(const char *given, ErrCode code, const char *why)
{
    InputList list;
    Err e = {0};
    int count;
    const DatasetInfo info = {.file_ending = ".nii.gz", .channel_count = 2, .channel_names = channel_names};
    const char *const *paths = paths_of(given, &count);
    assert_int_equal(inputs_list(&list, paths, count, &info, &e), code);
    assert_says(&e, why);
    for (int i = 0; i < count; i++) mem_free((char *)paths[i]);
}

static void channels_are_put_together(void **state)
{
    (void)state;
    put("b_0001.nii.gz b_0000.nii.gz a_0000.nii.gz a_0001.nii.gz");
    expect(".", 2, "a: a_0000.nii.gz a_0001.nii.gz; b: b_0000.nii.gz b_0001.nii.gz", NULL, NULL);
    expect("a_0001.nii.gz", 2, "a: a_0000.nii.gz a_0001.nii.gz", NULL, NULL);
    expect("b_0001.nii.gz a_0000.nii.gz a_0001.nii.gz b_0000.nii.gz a_0000.nii.gz", 2,
           "a: a_0000.nii.gz a_0001.nii.gz; b: b_0000.nii.gz b_0001.nii.gz", NULL, NULL);
    expect(". a_0000.nii.gz .", 2, "a: a_0000.nii.gz a_0001.nii.gz; b: b_0000.nii.gz b_0001.nii.gz", NULL, NULL);
}

static void names_of_four_digits_are_no_channels(void **state)
{
    (void)state;
    put("IXI_0012.nii.gz IXI_0013.nii.gz one/IXI_0014.nii.gz from0/p_0000.nii.gz from0/p_0001.nii.gz");
    expect("IXI_0012.nii.gz", 2, "IXI_0012: IXI_0012.nii.gz", NULL, NULL);
    expect("one/IXI_0014.nii.gz", 1, "IXI_0014: IXI_0014.nii.gz", NULL, NULL);
    expect("IXI_0012.nii.gz IXI_0013.nii.gz", 2, "IXI_0012: IXI_0012.nii.gz; IXI_0013: IXI_0013.nii.gz", NULL, NULL);
    expect("one", 1, "IXI_0014: IXI_0014.nii.gz", NULL, "each is a case of its whole name");
    expect("from0", 1, "p: p_0000.nii.gz; p_0001: p_0001.nii.gz", NULL, "above that of the model's only channel");
    expect("from0", 2, "p: p_0000.nii.gz p_0001.nii.gz", NULL, NULL);
    expect("from0/p_0001.nii.gz", 1, "p_0001: p_0001.nii.gz", NULL, NULL);
}

static void missing_channels_are_never_shifted(void **state)
{
    (void)state;
    put("a_0000.nii.gz a_0002.nii.gz b_0000.nii.gz b_0001.nii.gz b_0002.nii.gz c_0001.nii.gz c_0002.nii.gz");
    expect(".", 3, "a!:; b: b_0000.nii.gz b_0001.nii.gz b_0002.nii.gz; c_0001: c_0001.nii.gz; c_0002: c_0002.nii.gz",
           "channel 1 (T2) is missing: expected ", "c_0001.nii.gz, c_0002.nii.gz");
    expect("a_0000.nii.gz", 3, "a!:", "/a_0001.nii.gz beside a_0002.nii.gz", NULL);
}

static void two_files_for_one_channel_are_named(void **state)
{
    (void)state;
    put("x/a_0000.nii.gz y/a_0000.nii.gz y/a_0001.nii.gz x/b.nii.gz y/b.nii.gz x/c.nii.gz x/c_0000.nii.gz x/d_0000.nii");
    expect("x/a_0000.nii.gz y/a_0000.nii.gz", 2, "a!:", "y/a_0000.nii.gz; omit one", NULL);
    expect("x/b.nii.gz y/b.nii.gz", 1, "b!:", "it has two files", NULL);
    expect("x/c.nii.gz x/c_0000.nii.gz", 1, "c!:", "all its channels are in", NULL);
    put("x/d_0000.nii.gz");
    expect("x/d_0000.nii x/d_0000.nii.gz", 1, "d!:", "its channel 0 has two files", NULL);
    char *to = path_of("x/d_0000.nii.gz"), *link_name = path_of("link");
    assert_int_equal(symlink("x", link_name), 0);
    expect("x/d_0000.nii.gz link/d_0000.nii.gz", 1, "d: d_0000.nii.gz", NULL, NULL);
    mem_free(to);
    mem_free(link_name);
}

/* One image may stand for two channels; a whole case given under two names is given twice. */
static void links_of_two_channels_are_two_channels(void **state)
{
    (void)state;
    put("t1.nii.gz b.nii.gz");
    static const char *const links[][2] = {
        {"t1.nii.gz", "a_0000.nii.gz"}, {"t1.nii.gz", "a_0001.nii.gz"}, {"b.nii.gz", "b_0000.nii.gz"}};
    for (int i = 0; i < 3; i++) {
        char *name = path_of(links[i][1]), *to = path_of(links[i][0]);
        assert_int_equal(i == 1 ? link(to, name) : symlink(to, name), 0);
        mem_free(name);
        mem_free(to);
    }
    expect("a_0000.nii.gz", 2, "a: a_0000.nii.gz a_0001.nii.gz", NULL, NULL);
    expect("b.nii.gz b_0000.nii.gz", 1, "b: b.nii.gz", NULL, NULL);
}

static void channels_may_come_from_two_folders(void **state)
{
    (void)state;
    put("t1/a_0000.nii.gz t2/a_0001.nii.gz");
    expect("t1 t2", 2, "a: a_0000.nii.gz a_0001.nii.gz", NULL, NULL);
}

static void what_is_no_image_of_the_model_is_named(void **state)
{
    (void)state;
    put("a_0000.nii.gz notes.txt a.nii.gz mask.nii.gz ._a_0000.nii.gz B_0000.NII.GZ c_0000.png");
    expect(".", 1, "B: B_0000.NII.GZ; a: a_0000.nii.gz", NULL,
           "2 files (a.nii.gz, mask.nii.gz) without a channel number");
    expect(".", 1, "B: B_0000.NII.GZ; a: a_0000.nii.gz", NULL,
           "2 files without the ending .nii.gz are not read: c_0000.png, notes.txt");
    expect("c_0000.png", 1, "c: c_0000.png", NULL, NULL);
    put("pictures/a.png pictures/b.png pictures/c.txt raw/imagesTs/a_0000.nii.gz raw/dataset.json none/x");
    expect_refused("pictures", ERR_VALUE,
                   "there is no image with the ending .nii.gz, which the model was trained on, but 2 .png files");
    expect_refused("raw", ERR_VALUE, "but the folder imagesTs: give this folder");
    expect_refused("none", ERR_VALUE, "but 1 other file (x): expected CASE_0000.nii.gz");
    put("patients/p2/a_0000.nii.gz patients/p1/a_0000.nii.gz both/a_0000.nii.gz both/b_0000.nii both/p1/x.nii.gz");
    expect_refused("patients", ERR_VALUE, "but the folders p1, p2: give this folder, or several with one -i for each");
    char *empty = path_of("empty");
    assert_int_equal(file_make_folders(empty, NULL), 0);
    expect_refused("empty", ERR_VALUE, "the folder is empty");
    mem_free(empty);
    InputList list;
    const DatasetInfo info = {.file_ending = ".nii.gz", .channel_count = 1, .channel_names = channel_names};
    char *both = path_of("both");
    assert_int_equal(inputs_list(&list, (const char *const[]){both}, 1, &info, NULL), 0);
    assert_int_equal(list.warnings.count, 2);
    assert_non_null(strstr(list.warnings.faults[0].text,
                           "b_0000.nii; to predict images of another format give the files, not the folder"));
    assert_non_null(strstr(list.warnings.faults[1].text, "1 folder in it is not read: p1"));
    inputs_free(&list);
    mem_free(both);
    expect_refused("nowhere", ERR_IO, "there is no such file or folder");
    expect_refused("pictures/c.txt", ERR_VALUE, "expected a folder of images, or an image (.nii.gz");
}

static void cases_inside_each_other_are_told_apart(void **state)
{
    (void)state;
    put("a_0000.nii.gz a_0000_0000.nii.gz");
    expect(".", 1, "a: a_0000.nii.gz; a_0000: a_0000_0000.nii.gz", NULL, NULL);
}

/* So many that an algorithm of quadratic time would take minutes. */
static void very_many_files_take_no_time(void **state)
{
    (void)state;
    enum { FILES = 40000 };
    InputList list;
    Err e = {0};
    char *original = path_of("c0_0000.nii.gz");
    put("c0_0000.nii.gz");
    for (int i = 1; i < FILES; i++) {
        char name[32];
        snprintf(name, sizeof name, "c%d_0000.nii.gz", i);
        char *path = path_of(name);
        assert_int_equal(link(original, path), 0);
        mem_free(path);
    }
    const DatasetInfo info = {.file_ending = ".nii.gz", .channel_count = 1, .channel_names = channel_names};
    const char *const paths[] = {folder};
    const clock_t start = clock();
    assert_int_equal(inputs_list(&list, paths, 1, &info, &e), 0);
    const double seconds = (double)(clock() - start) / CLOCKS_PER_SEC; /* processor time: independent of the load */
    assert_int_equal(list.count, FILES);
    if (seconds > 20) fail_msg("%.1f s", seconds);
    inputs_free(&list);
    mem_free(original);
}

/* names: of settled files of a watched folder. marks: for each case its id, + if more channels may come, - if one is missing
 * between those that are there. */
static void expect_names(const char *names, int channels, const char *cases, const char *marks)
{
    InputList list;
    FileList files = {0};
    Text found = {0};
    char *copy = mem_strdup(names, NULL), *rest = copy;
    for (char *name; (name = strsep(&rest, " "));)
        assert_int_equal(file_list_add(&files, mem_strdup(name, NULL), NULL), 0);
    const DatasetInfo info = {.file_ending = ".nii.gz", .channel_count = channels, .channel_names = channel_names};
    assert_int_equal(inputs_list_names(&list, folder, &files, &info, NULL), 0);
    char *text = describe(&list);
    assert_string_equal(text ? text : "", cases);
    for (int i = 0; i < list.count; i++)
        text_add(&found, "%s%s%s ", list.cases[i].files.id, list.cases[i].may_grow ? "+" : "",
                 list.cases[i].incomplete ? "-" : "");
    assert_string_equal(found.data ? found.data : "", marks);
    bool *kept = calloc((size_t)list.count + 1, sizeof *kept);
    if (list.count > 1) kept[1] = true;
    const char *second = list.count > 1 ? list.cases[1].files.id : NULL;
    inputs_keep(&list, kept);
    assert_int_equal(list.count, second ? 1 : 0);
    if (second) assert_string_equal(list.cases[0].files.id, second);
    free(kept);
    mem_free(text);
    mem_free(copy);
    text_free(&found);
    file_list_free(&files);
    inputs_free(&list);
}

static void names_of_a_folder_that_is_written_into(void **state)
{
    (void)state;
    put("a_0000.nii.gz a_0001.nii.gz b_0001.nii.gz c_0000.nii.gz");
    expect_names("notes.txt", 2, "", "");
    expect_names("a_0000.nii.gz a_0001.nii.gz c_0000.nii.gz x.txt", 2,
                 "a: a_0000.nii.gz a_0001.nii.gz; c: c_0000.nii.gz", "a c+ ");
    expect_names("b_0001.nii.gz", 2, "b_0001: b_0001.nii.gz", "b_0001+ ");
    expect_names("b_0001.nii.gz", 1, "b_0001: b_0001.nii.gz", "b_0001 ");
    expect_names("a_0000.nii.gz a_0002.nii.gz", 3, "a!:", "a+- ");
    expect_names("whole.nii.gz", 2, "whole: whole.nii.gz", "whole ");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, test_folder_make, test_folder_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(channels_are_put_together),
                                       TEST(names_of_four_digits_are_no_channels),
                                       TEST(missing_channels_are_never_shifted),
                                       TEST(two_files_for_one_channel_are_named),
                                       TEST(links_of_two_channels_are_two_channels),
                                       TEST(channels_may_come_from_two_folders),
                                       TEST(what_is_no_image_of_the_model_is_named),
                                       TEST(cases_inside_each_other_are_told_apart),
                                       TEST(names_of_a_folder_that_is_written_into),
                                       TEST(very_many_files_take_no_time)};
    return cmocka_run_group_tests_name("inputs", tests, NULL, NULL);
}
