/* PyTorch files: the golden ones bit for bit, bad ones rejected with a message of one line; damaged files of every kind
 * cause no crash; written files are read back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "formats/yaml.h"
#include "tests/support/exists.h"
#include "tests/support/folder.h"
#include "tests/support/fuzz_pth.h"
#include "tests/support/gold.h"
#include "tests/support/says.h"
#include "tests/support/weights_reference.h"
#include "weights/pth.h"
#include "weights/weights_io.h"

static char path[96];

/* ---- the golden files ---- */

static Doc open_manifest(void)
{
    Doc doc;
    Err e = {0};
    snprintf(path, sizeof path, "%s", gold_path("swin_umamba/manifest_files.json"));
    if (!exists(path)) skip();
    if (doc_read(&doc, path, &e)) fail_msg("%s", e.text);
    return doc;
}

static const char *text_of(const DocNode *entry, const char *key)
{
    const DocNode *node = doc_find(entry, key);
    return node && !doc_is_null(node) ? node->text : NULL;
}

static const DocNode *find_file(const DocNode *files, const char *name)
{
    const DocNode *entry = files->first;
    while (entry && (!text_of(entry, "file") || strcmp(text_of(entry, "file"), name))) entry = entry->next;
    assert_non_null(entry);
    return entry;
}

static int check_file(const char *name, const DocNode *content)
{
    Err e = {0};
    WeightsFile w;
    snprintf(path, sizeof path, "%s/%s", gold_path("swin_umamba"), name);
    if (pth_read_weights(&w, path, &e)) fail_msg("%s", e.text);
    if (weights_reference_compare(&w, content, &e)) fail_msg("%s: %s", path, e.text);
    weights_close(&w);
    return 1;
}

static void golden_files_load_bit_for_bit(void **state)
{
    (void)state;
    Doc doc = open_manifest();
    const DocNode *files = doc_find(doc.root, "files");
    int checked = 0;
    for (const DocNode *entry = files->first; entry; entry = entry->next) {
        const char *name = text_of(entry, "file");
        if (!name) continue;
        checked += check_file(name, weights_reference_entry(files, entry));
        if (text_of(entry, "also")) checked += check_file(text_of(entry, "also"), entry);
    }
    assert_true(checked >= 8);
    doc_free(&doc);
}

/* The optimizer's state and nested values can be read. */
static void a_checkpoint_can_be_looked_into(void **state)
{
    (void)state;
    Doc doc = open_manifest();
    static const char name[] = "files/narrow_D_checkpoint_final.pth";
    const DocNode *entry = find_file(doc_find(doc.root, "files"), name);
    Err e = {0};
    Pth p;
    snprintf(path, sizeof path, "%s/%s", gold_path("swin_umamba"), name);
    if (pth_open(&p, path, &e)) fail_msg("%s", e.text);
    const Value *root = p.pickle.root, *states = value_at(root, "optimizer_state/state");
    assert_non_null(states);
    const char *wanted = text_of(entry, "n_params_with_optimizer_state");
    assert_int_equal(states->list.count / 2, strtol(wanted, NULL, 10));
    Array moment;
    assert_int_equal(pth_array(value_at(states, "0/exp_avg"), &moment, &e), 0);
    assert_int_equal(moment.dtype, DTYPE_F32);
    array_free(&moment);
    assert_string_equal(value_at(root, "init_args/plans/dataset_name")->text.data, "Dataset999_Golden");
    assert_int_equal(pth_array(root, &moment, &e), ERR_VALUE);
    pth_close(&p);
    doc_free(&doc);
}

static void golden_bad_files_are_refused(void **state)
{
    (void)state;
    Doc doc = open_manifest();
    const DocNode *corrupt = doc_find(doc.root, "corrupt");
    assert_true(corrupt->count >= 11);
    for (const DocNode *entry = corrupt->first; entry; entry = entry->next) {
        Err e = {0};
        WeightsFile w;
        snprintf(path, sizeof path, "%s/%s", gold_path("swin_umamba"), text_of(entry, "file"));
        if (!pth_read_weights(&w, path, &e)) fail_msg("%s was read", path);
        assert_says(&e, path);
        assert_null(strchr(e.text, '\n'));
        if (strstr(path, "evil")) assert_says(&e, "posix.system");
    }
    assert_false(exists("PWNED"));
    doc_free(&doc);
}

/* ---- the small files in the repository ---- */

static const char *const CORPUS[] = {"exotic.pth", "exotic_legacy.pth", "evil_reduce.pth", "evil_reduce_legacy.pth"};

static char *load(const char *name, size_t *bytes)
{
    Err e = {0};
    char *data;
    snprintf(path, sizeof path, "tests/golden/pth/%s", name);
    if (file_get(path, &data, bytes, &e)) fail_msg("%s", e.text);
    return data;
}

static void views_and_types_are_read(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        Err e = {0};
        WeightsFile w;
        snprintf(path, sizeof path, "tests/golden/pth/%s", CORPUS[i]);
        if (pth_read_weights(&w, path, &e)) fail_msg("%s", e.text);
        assert_int_equal(w.count, 12);
        const Array *a = weights_find(&w, "transposed");
        assert_true(a->shape[0] == 6 && a->shape[1] == 4);
        for (int k = 0; k < 24; k++) assert_true(weights_reference_element(a, k) == k / 4 + k % 4 * 6);
        assert_true(weights_reference_element(weights_find(&w, "view_offset"), 0) == 5.0);
        assert_true(weights_reference_element(weights_find(&w, "i64"), 2) == 1099511627776.0);
        assert_int_equal(weights_find(&w, "empty")->shape[1], 3);
        assert_int_equal(weights_find(&w, "scalar")->rank, 0);
        weights_close(&w);
    }
}

/* Each cut and each changed byte, from a block of exactly that length, so that a sanitizer detects reads beyond it. */
static void damaged_files_do_no_harm(void **state)
{
    (void)state;
    static const uint8_t masks[] = {0x01, 0x80, 0xff};
    for (size_t f = 0; f < sizeof CORPUS / sizeof *CORPUS; f++) {
        size_t bytes;
        char *good = load(CORPUS[f], &bytes);
        for (size_t cut = 0; cut < bytes; cut++) {
            uint8_t *part = malloc(cut + 1);
            assert_non_null(part);
            memcpy(part + 1, good, cut);
            fuzz_pth(part + 1, cut);
            free(part);
        }
        uint8_t *changed = malloc(bytes);
        assert_non_null(changed);
        memcpy(changed, good, bytes);
        for (size_t i = 0; i < bytes; i++)
            for (size_t m = 0; m < sizeof masks; m++) {
                changed[i] ^= masks[m];
                fuzz_pth(changed, bytes);
                changed[i] ^= masks[m];
            }
        free(changed);
        mem_free(good);
    }
}

/* Any changed byte in a zip file's data or names is detected by its checksums. */
static void a_cut_or_changed_archive_is_refused(void **state)
{
    (void)state;
    size_t bytes;
    char *data = load("exotic.pth", &bytes);
    Err e = {0};
    Pth p;
    for (size_t cut = 0; cut < bytes; cut += 7) assert_true(pth_parse(&p, data, cut, &e) < 0);
    for (size_t i = 0; i < 1000; i++) { /* within the pickle, which stands first */
        data[64 + i] ^= 4;
        assert_true(pth_parse(&p, data, bytes, &e) < 0);
        assert_says(&e, "CRC-32");
        data[64 + i] ^= 4;
    }
    mem_free(data);
}

/* A legacy file of one tensor 'a' on storage '0' of two numbers, made of parts that contradict. */
#define PICKLE(shape, stride)                                                      \
    "\x80\2}X\1\0\0\0"                                                             \
    "actorch._utils\n_rebuild_tensor_v2\n((X\7\0\0\0storagectorch\nFloatStorage\n" \
    "X\1\0\0\0"                                                                    \
    "0X\3\0\0\0cpuK\2tQK\0(" shape "t(" stride "t\x89NtRs."
#define KEYS(keys) "\x80\2](" keys "e."
#define ZERO    \
    "X\1\0\0\0" \
    "0"
#define COUNT(low) low "\0\0\0\0\0\0\0"
#define ONE_TWO "\0\0\x80\x3f\0\0\0\x40"
#define BYTES(literal) literal, sizeof(literal) - 1

static void contradicting_parts_are_refused(void **state)
{
    (void)state;
    enum { PREAMBLE = 137 }; /* magic number, version, system */
    static const struct {
        const char *bytes;
        size_t count;
        const char *says; /* NULL: good */
    } cases[] = {
        {BYTES(PICKLE("K\2", "K\1") KEYS(ZERO) COUNT("\2") ONE_TWO), NULL},
        {BYTES(PICKLE("K\2K\3", "K\1K\0") KEYS(ZERO) COUNT("\2") ONE_TWO), NULL}, /* expanded */
        {BYTES(PICKLE("K\2", "K\1") KEYS("") COUNT("\2") ONE_TWO), "storage '0' of 2 float32: it is missing"},
        {BYTES(PICKLE("K\2", "K\1") KEYS(ZERO "X\1\0\0\0"
                                              "7") COUNT("\2") ONE_TWO),
         "storage '7' belongs to no tensor"},
        {BYTES(PICKLE("K\2", "K\1") KEYS(ZERO ZERO) COUNT("\2") ONE_TWO), "storage '0' of 2 float32: it occurs twice"},
        {BYTES(PICKLE("K\2", "K\1") KEYS(ZERO) COUNT("\3") ONE_TWO), "another length"},
        {BYTES(PICKLE("K\2", "K\1") KEYS(ZERO) COUNT("\2") "\0\0\0\0"), "the file ends within it"},
        {BYTES(PICKLE("K\2", "K\1") KEYS("X\2\0\0\0x\n")), "storage 'x?' belongs to no tensor"},
        {BYTES(PICKLE("K\2", "K\1") KEYS("N")), "a storage without a name"},
        {BYTES(PICKLE("K\2", "K\1") "}."), "no list of storages"},
        {BYTES(PICKLE("K\2", "K\1") KEYS(ZERO) COUNT("\2") "\0\0\xc0\x7f\0\0\0\0"), "element 0 of 2 is NaN"},
        {BYTES(PICKLE("J\0\0\0\x40", "K\0") KEYS(ZERO) COUNT("\2") ONE_TWO),
         "tensor 'a': with it, the tensors are many times larger"},
        {BYTES("K\1."
               "]."),
         "no dictionary"},
        {BYTES("}."
               "]."),
         "no weights in it"},
    };
    size_t bytes;
    char *file = load("exotic_legacy.pth", &bytes);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Err e = {0};
        Pth p;
        WeightsFile w;
        assert_true(PREAMBLE + cases[i].count <= bytes);
        memcpy(file + PREAMBLE, cases[i].bytes, cases[i].count);
        int failed = pth_parse(&p, file, PREAMBLE + cases[i].count, &e);
        if (!failed) {
            failed = pth_weights(&w, &p, &e);
            if (!failed) weights_close(&w);
            pth_close(&p);
        }
        if (!failed != !cases[i].says) fail_msg("case %zu: %s", i, e.text);
        if (failed) assert_says(&e, cases[i].says);
    }
    mem_free(file);
}

/* ---- writing ---- */

static void what_is_written_comes_back(void **state)
{
    (void)state;
    static const DType types[] = {DTYPE_F32, DTYPE_F64, DTYPE_F16, DTYPE_BF16, DTYPE_I8,
                                  DTYPE_I16, DTYPE_I32, DTYPE_I64, DTYPE_U8,   DTYPE_BOOL};
    Err e = {0};
    WeightsFile w = {0}, back;
    uint8_t numbers[48];
    for (size_t i = 0; i < sizeof numbers; i++) numbers[i] = (uint8_t)(i % 2);
    const int64_t shape[] = {2, 3}, empty[] = {0, 3};
    for (int d = 0; d < 10; d++) {
        char name[32];
        snprintf(name, sizeof name, "layer.%d.\u043a", d);
        assert_int_equal(weights_add(&w, name, array_view(types[d], 2, shape, numbers), &e), 0);
    }
    assert_int_equal(weights_add(&w, "scalar", array_view(DTYPE_F32, 0, shape, numbers), &e), 0);
    assert_int_equal(weights_add(&w, "empty", array_view(DTYPE_F32, 2, empty, NULL), &e), 0);
    for (int notes = 0; notes < 2; notes++) {
        snprintf(path, sizeof path, "%s/w.pth", folder);
        if (notes) {
            assert_int_equal(weights_note(&w, &e, "epoch", "%d", 12), 0);
            assert_int_equal(weights_note(&w, &e, "ema", "%s", "0.25"), 0);
            assert_int_equal(weights_note(&w, &e, "trainer", "%s", "a \"b\""), 0);
        }
        if (weights_write(&w, path, &e) || weights_read(&back, path, &e)) fail_msg("%s", e.text);
        assert_int_equal(back.count, w.count);
        assert_int_equal(back.note_count, w.note_count);
        for (int i = 0; i < w.note_count; i++) assert_string_equal(back.notes[i].value, w.notes[i].value);
        for (int i = 0; i < w.count; i++) {
            const Array *a = &w.tensors[i].array, *b = &back.tensors[i].array;
            assert_string_equal(w.tensors[i].name, back.tensors[i].name);
            assert_true(a->dtype == b->dtype && a->rank == b->rank && b->owner == ARRAY_VIEW);
            if (array_bytes(a)) assert_memory_equal(a->data, b->data, array_bytes(a));
        }
        weights_close(&back);
    }
    unlink(path);
    weights_close(&w);
}

/* Notes have the kind that a reader noted; other texts stay texts. Views of the same numbers share a storage. */
static void notes_and_views_keep_their_kind(void **state)
{
    (void)state;
    static const struct {
        const char *note;
        ValueKind kind;
    } cases[] = {{"12", VALUE_INT},
                 {"012", VALUE_STRING},
                 {"0101010101010101010101010101", VALUE_STRING},
                 {"0.25", VALUE_FLOAT},
                 {"0.250", VALUE_STRING},
                 {"null", VALUE_NONE},
                 {"true", VALUE_BOOL},
                 {"[0,1]", VALUE_LIST},
                 {"[0, 1]", VALUE_STRING},
                 {"[]", VALUE_LIST},
                 {"{\"a\":{\"b\":[0.5,null,\"x\"]}}", VALUE_DICT},
                 {"{a: 1}", VALUE_STRING},
                 {"[1,", VALUE_STRING},
                 {"", VALUE_STRING}};
    enum { CASES = sizeof cases / sizeof *cases, NUMBERS = 4096 };
    static float numbers[NUMBERS];
    const int64_t shape[] = {NUMBERS};
    Err e = {0};
    WeightsFile w = {0}, back;
    Pth p;
    snprintf(path, sizeof path, "%s/w.pth", folder);
    for (int i = 0; i < 3; i++)
        assert_int_equal(
            weights_add(&w, (const char *[]){"a", "b", "c"}[i], array_view(DTYPE_F32, 1, shape, numbers), &e), 0);
    for (int i = 0; i < CASES; i++) {
        char key[16];
        snprintf(key, sizeof key, "n%d", i);
        assert_int_equal(weights_note(&w, &e, key, "%s", cases[i].note), 0);
    }
    if (weights_write(&w, path, &e) || weights_read(&back, path, &e)) fail_msg("%s", e.text);
    FileVersion file;
    assert_int_equal(file_version(&file, path, false, &e), 0);
    assert_true(file.bytes < 2 * sizeof numbers);
    assert_int_equal(back.count, 3);
    for (int i = 0; i < CASES; i++) assert_string_equal(back.notes[i].value, cases[i].note);
    weights_close(&back);
    if (pth_open(&p, path, &e)) fail_msg("%s", e.text);
    for (int i = 0; i < CASES; i++) {
        char key[16];
        snprintf(key, sizeof key, "n%d", i);
        if (value_get(p.pickle.root, key)->kind != cases[i].kind)
            fail_msg("%s: kind %d", cases[i].note, value_get(p.pickle.root, key)->kind);
    }
    assert_true(value_at(p.pickle.root, "n10/a/b/0")->number == 0.5);
    pth_close(&p);
    unlink(path);
    weights_close(&w);
}

static void what_cannot_be_written_is_refused(void **state)
{
    (void)state;
    Err e = {0};
    const int64_t shape[] = {1};
    uint16_t one = 1;
    WeightsFile w = {0};
    snprintf(path, sizeof path, "%s/w.pth", folder);
    assert_int_equal(weights_add(&w, "a", array_view(DTYPE_U16, 1, shape, &one), &e), 0);
    assert_int_equal(weights_write(&w, path, &e), ERR_UNSUPPORTED);
    assert_says(&e, "tensor 'a'");
    assert_int_equal(weights_write(&w, "w.onnx", &e), ERR_VALUE);
    assert_int_equal(weights_drop(&w, "a"), 1);
    assert_int_equal(w.count, 0);
    assert_false(exists(path));
    weights_close(&w);
}

/* A NaN, or no tensors. */
static void useless_weights_are_refused(void **state)
{
    (void)state;
    Err e = {0};
    WeightsFile w = {0};
    const int64_t shape[] = {2};
    uint32_t numbers[] = {0, 0x7fc00000};
    snprintf(path, sizeof path, "%s/w.pth", folder);
    assert_int_equal(weights_add(&w, "a", array_view(DTYPE_F32, 1, shape, numbers), &e), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(weights_write(&w, path, &e), 0);
        WeightsFile back;
        assert_int_equal(weights_read(&back, path, &e), i ? ERR_FORMAT : ERR_VALUE);
        assert_says(&e, i ? "no weights in it" : "element 1 of 2 is NaN");
        weights_drop(&w, "a");
    }
    unlink(path);
    weights_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_files_load_bit_for_bit),   cmocka_unit_test(a_checkpoint_can_be_looked_into),
        cmocka_unit_test(golden_bad_files_are_refused),    cmocka_unit_test(views_and_types_are_read),
        cmocka_unit_test(damaged_files_do_no_harm),        cmocka_unit_test(a_cut_or_changed_archive_is_refused),
        cmocka_unit_test(contradicting_parts_are_refused), cmocka_unit_test(what_is_written_comes_back),
        cmocka_unit_test(notes_and_views_keep_their_kind), cmocka_unit_test(what_cannot_be_written_is_refused),
        cmocka_unit_test(useless_weights_are_refused),
    };
    return cmocka_run_group_tests(tests, test_folder_make, test_folder_remove);
}
