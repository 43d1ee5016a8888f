/* data/dataset.h: finds the cases of a raw dataset and reports all its faults. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "data/dataset.h"
#include "data/phantom.h"
#include "formats/yaml.h"
#include "tests/support/exists.h"

static const char broken[] = "../shared/data/broken";

/* All faults of a folder, as plan_and_preprocess finds them; an Err that ends the search is one of them. */
static void find_faults(const char *folder, FaultList *faults, bool whole)
{
    Dataset d;
    Err e = {0};
    if (dataset_open(&d, folder, faults, &e)) {
        fault_add(faults, FAULT_ERROR, "%s", e.text);
        return;
    }
    for (int i = 0; i < d.training.count; i++) {
        CaseData data;
        if (!whole) {
            dataset_check_headers(&d.info, &d.training.cases[i], faults);
        } else if (!dataset_load_case(&data, &d.info, &d.training.cases[i], faults)) {
            assert_int_equal(data.image.voxels.shape[0], d.info.channel_count);
            case_data_free(&data);
        }
    }
    dataset_close(&d);
}

/* Whether one fault of that severity holds all the words (separated by '|'). */
static bool says(const FaultList *faults, FaultSeverity severity, const char *words)
{
    for (int i = 0; i < faults->count; i++) {
        char copy[256], *rest = copy;
        bool all = faults->faults[i].severity == severity;
        snprintf(copy, sizeof copy, "%s", words);
        for (char *word; all && (word = strsep(&rest, "|"));) all = strstr(faults->faults[i].text, word) != NULL;
        if (all) return true;
    }
    return false;
}

static const struct {
    const char *folder;
    int errors; /* expected number */
    const char *error, *warning;
    bool by_header; /* found without reading voxels */
} sets[] = {
    {"Dataset901_LabelWithoutImage", 1, "hippocampus_010|no image|hippocampus_010_0000", NULL, true},
    {"Dataset902_ImageWithoutLabel", 1, "hippocampus_118|no label", NULL, true},
    {"Dataset903_LabelOfAnotherTask", 1, "hippocampus_281|no image", NULL, true},
    {"Dataset904_JunkFile", 0, NULL, NULL, true},
    {"Dataset905_FloatLabel", 0, NULL, NULL, true},
    {"Dataset911_ShapeMismatch", 1, "hippocampus_281|512x512x94|34x52x35", NULL, true},
    {"Dataset912_OriginMismatch", 0, NULL, "hippocampus_|origin 25x", true},
    {"Dataset913_SpacingMismatch", 1, "hippocampus_|spacing 2x1x1|1x1x1", NULL, true},
    {"Dataset914_UnknownLabelValue", 1, "hippocampus_|3 (1 voxels), 255 (1 voxels)", NULL, false},
    {"Dataset915_FractionalLabel", 1, "hippocampus_|1.5|voxel 777 ", NULL, false},
    {"Dataset916_NaNLabel", 1, "hippocampus_|nan|voxel 777 ", NULL, false},
    {"Dataset917_NaNImage", 1, "hippocampus_|4 voxel(s)|not finite|voxel 100 ", NULL, false},
    {"Dataset918_EmptyLabel", 0, NULL, NULL, true},
    {"Dataset919_ConstantImage", 0, NULL, "hippocampus_003|all voxels are 0", false},
    {"Dataset920_MissingChannel", 1, "hippocampus_003|expected 2|_0001", NULL, true},
    {"Dataset921_ChannelShapeMismatch", 1, "hippocampus_001|35x51x35|34x52x35", NULL, true},
    {"Dataset922_WrongNumTraining", 1, "numTraining is 5|1", NULL, true},
    {"Dataset923_LabelGap", 1, "dataset.json:", NULL, true},
    {"Dataset924_TruncatedImage", 1, "hippocampus_003_0000.nii.gz|cut off", NULL, false},
    {"Dataset925_BadDatasetJson", 1, "dataset.json:", NULL, true},
};
enum { SET_COUNT = sizeof sets / sizeof *sets };

static void check_set(int i, bool whole)
{
    char folder[256];
    FaultList faults = {0};
    snprintf(folder, sizeof folder, "%s/%s", broken, sets[i].folder);
    find_faults(folder, &faults, whole);
    const bool seen = whole || sets[i].by_header;
    const bool right = faults.errors == (seen ? sets[i].errors : 0) && !faults.no_memory &&
                       (!seen || !sets[i].error || says(&faults, FAULT_ERROR, sets[i].error)) &&
                       (!seen || !sets[i].warning || says(&faults, FAULT_WARNING, sets[i].warning)) &&
                       (sets[i].error || sets[i].warning || !faults.count);
    if (!right)
        for (int k = 0; k < faults.count; k++) print_message("    %s\n", faults.faults[k].text);
    faults_free(&faults);
    if (!right) fail_msg("%s (%s)", sets[i].folder, whole ? "contents" : "headers");
}

static void broken_sets_are_described(void **state)
{
    (void)state;
    if (!exists(broken)) skip();
    for (int i = 0; i < SET_COUNT; i++) check_set(i, true);
}

static void headers_tell_most(void **state)
{
    (void)state;
    if (!exists(broken)) skip();
    for (int i = 0; i < SET_COUNT; i++) check_set(i, false);
}

static double number_of(const DocNode *mapping, const char *key, const char *other_key)
{
    double value;
    const DocNode *node = doc_find(mapping, key);
    assert_int_equal(doc_get_double(node ? node : doc_find(mapping, other_key)->first, &value, NULL), 0);
    return value;
}

/* The first channel's sum and the voxels of each label against an entry of cases.json. */
static void check_case(const CaseData *data, const DocNode *entry)
{
    const int64_t count = array_count(&data->labels);
    double sum = 0;
    int64_t voxels[4] = {0};
    for (int64_t i = 0; i < count; i++) sum += (double)((float *)data->image.voxels.data)[i];
    for (int64_t i = 0; i < count; i++) voxels[((int16_t *)data->labels.data)[i] & 3]++;
    assert_float_equal(sum, number_of(entry, "image_sum", "image_sum_per_channel"), 1e-6 * sum);
    const DocNode *counts = doc_find(entry, "label_voxels");
    if (!counts) counts = doc_find(entry, "label_pixels");
    int label = 0;
    for (const DocNode *item = counts->first; item; item = item->next) {
        int64_t wanted;
        assert_int_equal(doc_get_int(item, 0, INT64_MAX, &wanted, NULL), 0);
        assert_int_equal(voxels[label++], wanted);
    }
}

static void check_real_set(const char *set)
{
    char path[256];
    Dataset d;
    Doc doc;
    FaultList faults = {0};
    Err e = {0};
    snprintf(path, sizeof path, "../shared/data/%s/cases.json", set);
    if (!exists(path)) skip();
    assert_int_equal(doc_read(&doc, path, &e), 0);
    snprintf(path, sizeof path, "../shared/data/%s", set);
    if (dataset_open(&d, path, &faults, &e)) fail_msg("%s", e.text);
    const DocNode *entry = doc_find(doc.root, "train")->first;
    for (int i = 0; i < d.training.count; i++, entry = entry->next) {
        CaseData data;
        assert_string_equal(d.training.cases[i].id, doc_find(entry, "case")->text);
        assert_int_equal(dataset_load_case(&data, &d.info, &d.training.cases[i], &faults), 0);
        check_case(&data, entry);
        case_data_free(&data);
    }
    assert_null(entry);
    assert_int_equal(faults.errors, 0);
    faults_free(&faults);
    dataset_close(&d);
    doc_free(&doc);
}

static void hippocampus_is_read(void **state) { check_real_set(((void)state, "Dataset004_Hippocampus")); }
static void membrane_is_read(void **state) { check_real_set(((void)state, "Dataset120_Membrane")); }
static void cells_are_read(void **state) { check_real_set(((void)state, "Dataset703_Cells")); }
static void retina_is_read(void **state) { check_real_set(((void)state, "Dataset704_RetinaVessels")); }

/* A phantom dataset of three cases in a folder of its own. */
static const PhantomOptions small = {.shape_zyx = {2, 9, 11}, .channels = 2, .seed = 3};
static char folder[] = "/tmp/test_dataset.XXXXXX";

static int make_set(void **state)
{
    (void)state;
    if (!mkdtemp(folder)) return -1;
    for (int i = 0; i < 3; i++)
        if (phantom_write_case(folder, &small, i, NULL)) return -1;
    return phantom_write_json(folder, &small, 3, NULL);
}

static int remove_set(void **state)
{
    (void)state;
    char command[256];
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

static const char *in_folder(const char *name)
{
    static char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void sound_set_has_no_faults(void **state)
{
    (void)state;
    Dataset d;
    FaultList faults = {0};
    Err e = {0};
    assert_int_equal(dataset_open(&d, folder, &faults, &e), 0);
    assert_int_equal(d.training.count, 3);
    const Case *c = &d.training.cases[1];
    assert_string_equal(c->id, "phantom_002");
    assert_string_equal(c->images[1], in_folder("imagesTr/phantom_002_0001.nii.gz"));
    assert_string_equal(c->label, in_folder("labelsTr/phantom_002.nii.gz"));
    CaseData data;
    Phantom p;
    assert_int_equal(dataset_load_case(&data, &d.info, c, &faults), 0);
    assert_int_equal(phantom_make(&p, &small, 1, &e), 0);
    assert_true(geometry_same_affine(&p.geometry, &data.image.geometry));
    for (int64_t i = 0; i < array_count(&p.voxels); i++)
        assert_true(((float *)data.image.voxels.data)[i] == ((int16_t *)p.voxels.data)[i]);
    for (int64_t i = 0; i < array_count(&p.labels); i++)
        assert_int_equal(((int16_t *)data.labels.data)[i], ((uint8_t *)p.labels.data)[i]);
    phantom_free(&p);
    case_data_free(&data);
    dataset_close(&d);
    assert_int_equal(faults.count, 0);
    faults_free(&faults);
}

static void all_faults_come_in_one_run(void **state)
{
    (void)state;
    FaultList faults = {0};
    const Geometry g = geometry_plane(4, 4);
    Array wrong;
    assert_int_equal(array_new(&wrong, DTYPE_U8, 3, g.shape_zyx, NULL), 0);
    ((uint8_t *)wrong.data)[3] = 9;
    assert_int_equal(image_write(in_folder("labelsTr/phantom_001.nii.gz"), &g, &wrong, NULL), 0);
    array_free(&wrong);
    assert_int_equal(file_remove(in_folder("imagesTr/phantom_002_0000.nii.gz"), NULL), 0);
    assert_int_equal(file_remove(in_folder("labelsTr/phantom_003.nii.gz"), NULL), 0);
    assert_int_equal(file_put(in_folder("imagesTr/notes.txt"), "x", 1, NULL), 0);
    assert_int_equal(file_put(in_folder("labelsTr/new.nii.gz"), "x", 1, NULL), 0);
    find_faults(folder, &faults, true);
    assert_true(says(&faults, FAULT_ERROR, "phantom_001|is 2-D (4x4)|11x9x2"));
    assert_true(says(&faults, FAULT_ERROR, "phantom_001|value(s) 9 (1 voxels)|0 to 2"));
    assert_true(says(&faults, FAULT_ERROR, "phantom_002|number 0000"));
    assert_true(says(&faults, FAULT_ERROR, "phantom_003|no label"));
    assert_true(says(&faults, FAULT_ERROR, "case new|no image"));
    assert_false(says(&faults, FAULT_ERROR, "numTraining")); /* correct after the broken files are repaired */
    assert_true(says(&faults, FAULT_WARNING, "notes.txt"));
    assert_int_equal(faults.errors, 5);
    faults_free(&faults);
}

static void pairs_are_one_image(void **state)
{
    (void)state;
    static const char json[] = "{\"channel_names\": {\"0\": \"a\"}, \"labels\": {\"background\": 0, \"x\": 1},"
                               "\"numTraining\": 1, \"file_ending\": \".hdr\"}";
    const Geometry g = geometry_plane(3, 5);
    Array voxels;
    Dataset d;
    FaultList faults = {0};
    assert_int_equal(array_new(&voxels, DTYPE_U8, 3, g.shape_zyx, NULL), 0);
    assert_int_equal(file_make_folders(in_folder("pairs/imagesTr"), NULL), 0);
    assert_int_equal(file_make_folders(in_folder("pairs/labelsTr"), NULL), 0);
    assert_int_equal(file_put(in_folder("pairs/dataset.json"), json, sizeof json - 1, NULL), 0);
    assert_int_equal(image_write(in_folder("pairs/imagesTr/one_0000.hdr"), &g, &voxels, NULL), 0);
    assert_int_equal(image_write(in_folder("pairs/labelsTr/one.hdr"), &g, &voxels, NULL), 0);
    assert_true(exists(in_folder("pairs/imagesTr/one_0000.img")));
    assert_int_equal(dataset_open(&d, in_folder("pairs"), &faults, NULL), 0);
    assert_int_equal(d.training.count, 1);
    assert_int_equal(faults.count, 0);
    dataset_close(&d);
    array_free(&voxels);
}

static void explicit_files_are_used(void **state)
{
    (void)state;
    static const char json[] =
        "{\"channel_names\": {\"0\": \"a\", \"1\": \"b\"}, \"labels\": {\"background\": 0, \"x\": 1, \"y\": "
        "2},\n"
        "\"numTraining\": 2, \"file_ending\": \".nii.gz\", \"dataset\": {\n"
        "\"one\": {\"images\": [\"imagesTr/phantom_003_0000.nii.gz\", "
        "\"imagesTr/phantom_003_0001.nii.gz\"],\n"
        "          \"label\": \"labelsTr/phantom_002.nii.gz\"},\n"
        "\"gone\": {\"images\": [\"imagesTr/gone.nii.gz\"], \"label\": \"labelsTr/phantom_002.nii.gz\"}}}\n";
    Dataset d;
    FaultList faults = {0};
    Err e = {0};
    assert_int_equal(file_put(in_folder("dataset.json"), json, sizeof json - 1, NULL), 0);
    if (dataset_open(&d, folder, &faults, &e)) fail_msg("%s", e.text);
    assert_int_equal(d.training.count, 1);
    assert_string_equal(d.training.cases[0].id, "one");
    assert_int_equal(d.training.cases[0].image_count, 2);
    assert_int_equal(faults.errors, 1);
    assert_true(says(&faults, FAULT_ERROR, "gone|imagesTr/gone.nii.gz does not exist"));
    dataset_close(&d);
    faults_free(&faults);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(broken_sets_are_described),
        cmocka_unit_test(headers_tell_most),
        cmocka_unit_test(sound_set_has_no_faults),
        cmocka_unit_test(all_faults_come_in_one_run),
        cmocka_unit_test(pairs_are_one_image),
        cmocka_unit_test(explicit_files_are_used),
        cmocka_unit_test(hippocampus_is_read),
        cmocka_unit_test(membrane_is_read),
        cmocka_unit_test(cells_are_read),
        cmocka_unit_test(retina_is_read),
    };
    return cmocka_run_group_tests(tests, make_set, remove_set);
}
