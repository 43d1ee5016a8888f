/* dataset.json, and what planning, training and convert_dataset make of it. */
#include "plans/dataset_json.h"

#include <string.h>

#include "base/file.h"
#include "convert/task_json.h"
#include "model/model.h"
#include "plans/meaning.h"
#include "preprocess/class_locations.h"
#include "tests/fuzz/fuzz.h"

static void use_values(const DatasetInfo *info)
{
    FUZZ_EXPECT(info->channel_count > 0 && info->label_count > 1 && dataset_head_count(info) > 0);
    FUZZ_EXPECT(class_locations_classes(info) > 0);
    for (int value = 1; value <= dataset_last_value(info); value++) {
        const char *name = dataset_value_name(info, value);
        if (name) fuzz_touch(name, strlen(name));
        if (value > 64) break;
    }
    for (int i = 0; i < info->channel_count; i++) FUZZ_EXPECT(info->channel_names[i] != NULL);
    for (int i = 0; i < info->file_count; i++) {
        FUZZ_EXPECT(info->files[i].id[0]);
        for (int k = 0; k < info->files[i].image_count; k++) fuzz_touch(info->files[i].images[k], 1);
    }
}

static void use_loss(const DatasetInfo *info)
{
    Plan plan;
    DiceBCE loss;
    Err e = {0};
    plan_defaults(&plan);
    if (info->has_regions) fuzz_done(model_region_loss(&loss, &plan, info, &e), &e);
}

/* What is written has the same meaning. */
static void write_again(const DatasetInfo *info)
{
    DatasetInfo again;
    Err e = {0};
    Text difference = {0};
    const char *path = fuzz_in_folder("again.json", "", 0);
    FUZZ_EXPECT(!dataset_info_write(info, path, &e) && !dataset_info_read(&again, path, &e));
    meaning_add_difference(&difference, info, "first", &again, "second");
    FUZZ_EXPECT(!difference.length && again.file_count == info->file_count && again.ignore_value == info->ignore_value);
    text_free(&difference);
    dataset_info_free(&again);
}

/* The older form of the file, from the same bytes. */
static void convert(void)
{
    static const ConversionSource source = {.name = "msd"};
    Err e = {0};
    Conversion c = {.in = fuzz_folder(), .source = &source};
    fuzz_done(task_json_read(&c, &e), &e);
    conversion_free(&c);
}

static bool run(const uint8_t *data, size_t bytes)
{
    DatasetInfo info;
    Err e = {0};
    Text remarks = {0};
    const char *path = fuzz_in_folder("dataset.json", data, bytes);
    convert();
    if (!fuzz_done(dataset_info_read(&info, path, &e), &e)) return false;
    dataset_info_remarks(&remarks, &info);
    text_free(&remarks);
    use_values(&info);
    use_loss(&info);
    write_again(&info);
    dataset_info_free(&info);
    return true;
}

#define HEAD "{\"channel_names\": {\"0\": \"CT\", \"1\": \"MR\"}, \"numTraining\": 2, \"file_ending\": \".nii.gz\", "
static int seed(const char *folder, Err *e)
{
    TRY(fuzz_seed_text(folder, "labels", HEAD "\"labels\": {\"background\": 0, \"a\": 1, \"b\": 2, \"ignore\": 3}}",
                       e));
    TRY(fuzz_seed_text(
        folder, "regions",
        HEAD "\"labels\": {\"background\": 0, \"whole\": [1, 2], \"core\": [2]}, \"regions_class_order\": [1, 2], "
             "\"overwrite_image_reader_writer\": \"SimpleITKIO\", \"name\": \"n\", \"description\": \"d\"}",
        e));
    TRY(fuzz_seed_text(folder, "files",
                       HEAD
                       "\"labels\": {\"background\": 0, \"a\": 1}, \"dataset\": {\"x\": {\"images\": [\"x_0.nii.gz\", "
                       "\"x_1.nii.gz\"], \"label\": \"l/x.nii.gz\"}, \"y\": {\"images\": [\"y.nii.gz\"]}}}",
                       e));
    return fuzz_seed_text(
        folder, "lists",
        HEAD "\"labels\": {\"background\": 0, \"a\": 1}, \"modality\": {\"0\": \"CT\"}, "
             "\"training\": [{\"image\": \"i\", \"label\": \"l\"}], \"test\": [\"t\"], \"reference\": \"r\"}",
        e);
}

const FuzzTarget fuzz_target_dataset_json = {"dataset_json", run, seed, NULL};
