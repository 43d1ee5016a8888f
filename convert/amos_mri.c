/* AMOS 2022 (Ji et al. 2022; https://zenodo.org/records/7262581, amos22.zip) to Dataset702_AbdomenMR of U-Mamba.
 *
 *   IN/imagesTr/amos_0507.nii.gz, labelsTr/amos_0507.nii.gz, imagesVa, labelsVa, imagesTs (labelsTs)
 * CT and MRI share the folders: numbers above 500 are MRI (nnU-Net's Dataset218_Amos2022_task1.py draws the line for
 * CT there). Training are the 40 cases of Tr and the 20 of Va, as in U-Mamba's dataset.json (numTraining 60). The
 * first fold validates Va. Labels get U-Mamba's 13 values; bladder and prostate become background. */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "convert/conversion.h"
#include "data/image_io.h"

enum { CT_MOST = 500, AMOS_VALUES = 16, GROUP_TRAINING = 0, GROUP_VALIDATION = 1 };

static const char EXPECTED[] = "AMOS 2022 as amos22.zip unpacks: imagesTr, labelsTr, imagesVa, labelsVa, imagesTs";
static const char ENDING[] = ".nii.gz";

/* AMOS' values: background, spleen, right kidney, left kidney, gallbladder, esophagus, liver, stomach, aorta, inferior
 * vena cava, pancreas, right and left adrenal gland, duodenum, bladder, prostate or uterus. */
static const uint8_t value_of[AMOS_VALUES] = {0, 3, 2, 13, 9, 10, 1, 11, 5, 6, 4, 7, 8, 12, 0, 0};

static const int values[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13};
static const DatasetLabel labels[] = {
    {"background", &values[0], 1, false},         {"liver", &values[1], 1, false},
    {"right kidney", &values[2], 1, false},       {"spleen", &values[3], 1, false},
    {"pancreas", &values[4], 1, false},           {"aorta", &values[5], 1, false},
    {"inferior vena cava", &values[6], 1, false}, {"right adrenal gland", &values[7], 1, false},
    {"left adrenal gland", &values[8], 1, false}, {"gallbladder", &values[9], 1, false},
    {"esophagus", &values[10], 1, false},         {"stomach", &values[11], 1, false},
    {"duodenum", &values[12], 1, false},          {"left kidney", &values[13], 1, false}};
static const char *const channels[] = {"MR"};

/* ---- the cases ---- */

/* amos_0507: 1 for MRI, 0 for CT. */
static int takes_mri(const char *id)
{
    char *end;
    const char *number = strrchr(id, '_');
    const long value = number ? strtol(number + 1, &end, 10) : 0;
    if (!number || end == number + 1 || *end) return -1;
    return value > CT_MOST;
}

/* The images and labels of a part, if IN has it. */
static int add_part(Conversion *c, const ImagePairs *part, const char *name, bool labelled, Err *e)
{
    char *images_name = path_format(e, "images%s", name), *labels_name = path_format(e, "labels%s", name);
    char *images = NULL, *masks = NULL;
    int code = images_name && labels_name ? conversion_find_folder(&images, c->in, images_name, e) : ERR_NOMEM;
    if (!code && images && labelled) code = conversion_need_folder(&masks, c, labels_name, EXPECTED, e);
    else if (!code && images) code = conversion_find_folder(&masks, c->in, labels_name, e);
    if (!code && images) {
        ImagePairs pairs = *part;
        pairs.images = images;
        pairs.labels = masks;
        code = conversion_add_pairs(c, &pairs, e);
    }
    mem_free(masks);
    mem_free(images);
    mem_free(labels_name);
    mem_free(images_name);
    return code;
}

static int find(Conversion *c, Err *e)
{
    static const int validated[] = {GROUP_VALIDATION};
    int ct = 0;
    const ImagePairs training = {.label_suffix = "",
                                 .part = "Tr",
                                 .group = GROUP_TRAINING,
                                 .takes = takes_mri,
                                 .form = "a name as amos_0507.nii.gz, whose number tells MRI from CT",
                                 .passed_over = &ct};
    ImagePairs validation = training, test = training;
    validation.group = GROUP_VALIDATION;
    test.part = "Ts";
    char *needed;
    TRY(conversion_need_folder(&needed, c, "imagesTr", EXPECTED, e));
    mem_free(needed);
    TRY(add_part(c, &training, "Tr", true, e));
    const int first = c->count;
    if (!first && !c->faults.errors)
        return err_set(e, ERR_VALUE, "%s/imagesTr: no MRI (a number above %d, as amos_0507.nii.gz): expected %s", c->in,
                       CT_MOST, EXPECTED);
    TRY(add_part(c, &validation, "Va", true, e));
    if (c->count > first) TRY(conversion_add_fold(c, validated, 1, e));
    else fault_add(&c->faults, FAULT_WARNING, "%s: has no imagesVa with MRI: there is no fold of AMOS' own", c->in);
    TRY(add_part(c, &test, "Ts", false, e));
    if (ct) text_add(&c->told, "CT scans left out (numbers up to %d): %d\n", CT_MOST, ct);
    c->info = (DatasetInfo){.name = "Dataset702_AbdomenMR",
                            .description = "MRI of AMOS 2022 (https://zenodo.org/records/7262581) with the labels and "
                                           "names of U-Mamba's Dataset702_AbdomenMR; " CONVERSION_MARK "amos-mri",
                            .file_ending = ENDING,
                            .channel_count = 1,
                            .channel_names = channels,
                            .label_count = sizeof labels / sizeof labels[0],
                            .labels = labels,
                            .max_value = 13,
                            .ignore_value = -1};
    return 0;
}

/* ---- one case ---- */

static int write_labels(const char *to, const char *from, const char *image, Err *e)
{
    Geometry grid, image_grid;
    Array stored, written = {0};
    int64_t bad = 0;
    TRY(image_probe(&image_grid, &(int64_t){0}, image, e));
    TRY(image_read_labels(&stored, &grid, from, e));
    int code = geometry_expect_grid(&grid, &image_grid, image, e);
    if (code) err_context(e, "%s", from);
    else code = array_new(&written, DTYPE_U8, 3, stored.shape, e);
    const int16_t *in = stored.data;
    uint8_t *out = written.data;
    for (int64_t i = 0; i < array_count(&stored) && !code; i++) {
        if (in[i] >= 0 && in[i] < AMOS_VALUES) out[i] = value_of[in[i]];
        else if (!bad++)
            err_set(e, ERR_VALUE, "%s: voxel %lld is %d: AMOS' labels are 0 to %d", from, (long long)i, in[i],
                    AMOS_VALUES - 1);
    }
    if (!code) code = bad ? ERR_VALUE : image_write(to, &grid, &written, e);
    array_free(&written);
    array_free(&stored);
    return code;
}

static int write(const Conversion *c, const ConversionItem *item, Err *e)
{
    TRY(conversion_copy_image(c, item, "_0000.nii.gz", e));
    if (!item->label) return 0;
    char *to = conversion_target(c, "labels", item, ENDING, e);
    const int code = to ? write_labels(to, item->label, item->image, e) : e->code;
    mem_free(to);
    return code;
}

const ConversionSource source_amos_mri = {
    .name = "amos-mri",
    .about = "the MRI of AMOS 2022: Dataset702_AbdomenMR",
    .find = find,
    .write = write,
};
