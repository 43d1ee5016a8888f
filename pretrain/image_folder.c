#include "pretrain/image_folder.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/folder.h"
#include "base/memory.h"
#include "data/image_io.h"
#include "plans/dataset_cases.h"
#include "plans/plan.h"
#include "plans/splits.h"
#include "plans/splits_file.h"
#include "preprocess/case.h"
#include "preprocess/case_settings.h"
#include "preprocess/class_locations.h"

enum {
    VALIDATED = 20,       /* every 20th image, where there is no val/ */
    LARGEST_PATCH = 224,  /* of ImageNet's classifiers */
    BATCH_PIXELS = 300000 /* of a batch, about */
};

/* What the cases are made with. */
typedef struct Preparation {
    const ImageList *list;
    const char *folder; /* of the cases */
    Plan plan;
    DatasetInfo info;
    MadeFrom settings;
} Preparation;

/* ---- dataset.json ---- */

typedef struct Labels {
    DatasetLabel *labels;
    int *values;
} Labels;

/* Background, then the classes; without classes "masked". */
static int make_labels(Labels *l, DatasetInfo *info, const NameList *classes, Err *e)
{
    const int count = classes->count ? classes->count + 1 : 2;
    l->labels = mem_zalloc((size_t)count, sizeof *l->labels, e);
    l->values = mem_zalloc((size_t)count, sizeof *l->values, e);
    if (!l->labels || !l->values) return ERR_NOMEM;
    for (int i = 0; i < count; i++) {
        const char *name = i == 0 ? "background" : classes->count ? classes->names[i - 1] : "masked";
        l->values[i] = i;
        l->labels[i] = (DatasetLabel){name, &l->values[i], 1, false};
    }
    info->labels = l->labels;
    info->label_count = count;
    info->max_value = count - 1;
    return 0;
}

static void labels_free(Labels *l)
{
    mem_free(l->labels);
    mem_free(l->values);
}

static void name_channels(char names[PLAN_MAX_CHANNELS][24], const char *pointers[PLAN_MAX_CHANNELS], int count)
{
    for (int c = 0; c < count; c++) {
        snprintf(names[c], sizeof names[c], "channel_%d", c);
        pointers[c] = names[c];
    }
}

/* ---- the plan ---- */

static int compare_numbers(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

enum { COLOURS = 3 };

/* A gray image among colours is one whose colours are equal. */
static bool fits(int64_t channels, int64_t expected)
{
    return channels == expected || (channels == 1 && expected == COLOURS);
}

/* Heights, then widths, of all images; their number of channels. Fails for an image with another number. */
static int probe_images(const ImageList *list, int64_t *sizes, int64_t *channels, Err *e)
{
    const char *widest = NULL;
    *channels = 0;
    for (int i = 0; i < list->count; i++) {
        const char *path = list->images[i].path;
        Geometry g;
        int64_t own;
        TRY(image_probe(&g, &own, path, e));
        sizes[i] = g.shape_zyx[1];
        sizes[list->count + i] = g.shape_zyx[2];
        if (i && !fits(own, *channels) && !fits(*channels, own))
            return err_set(
                e, ERR_SHAPE,
                "%s: %lld channels, but %s has %lld: pretrain on images with equally many, or on gray ones and colours",
                path, (long long)own, widest, (long long)*channels);
        if (own > *channels) *channels = own, widest = path;
    }
    if (*channels <= PLAN_MAX_CHANNELS) return 0;
    return err_set(e, ERR_SHAPE, "%s: %lld channels: at most %d are possible", widest, (long long)*channels,
                   PLAN_MAX_CHANNELS);
}

/* A patch as large as the median image, a multiple of the network's divisor. */
static void plan_patch(Plan *plan, int64_t *sizes, int count)
{
    PlanConfiguration *c = &plan->configuration;
    int divisor[2];
    plan_patch_divisor(plan, divisor);
    for (int axis = 0; axis < 2; axis++) {
        qsort(sizes + axis * count, (size_t)count, sizeof *sizes, compare_numbers);
        const int64_t median = sizes[axis * count + count / 2];
        const int64_t fitting = (median < LARGEST_PATCH ? median : LARGEST_PATCH) / divisor[axis] * divisor[axis];
        c->median_image_size_in_voxels[axis] = (double)median;
        c->patch_size[axis] = (int)(fitting > divisor[axis] ? fitting : divisor[axis]);
    }
    const int fitting = BATCH_PIXELS / (c->patch_size[0] * c->patch_size[1]);
    c->batch_size = fitting < 4 ? 4 : fitting > 64 ? 64 : fitting;
}

static int make_plan(Preparation *p, const char *network, Err *e)
{
    const int count = p->list->count;
    Plan *plan = &p->plan;
    int64_t channels = 0, *sizes = mem_alloc(2 * (size_t)count * sizeof *sizes, e);
    if (!sizes) return ERR_NOMEM;
    plan_defaults(plan);
    plan_choose_network(plan, network);
    snprintf(plan->dataset_name, sizeof plan->dataset_name, "images");
    int code = probe_images(p->list, sizes, &channels, e);
    if (!code) plan_patch(plan, sizes, count);
    mem_free(sizes);
    PlanConfiguration *c = &plan->configuration;
    c->channel_count = c->mask_count = plan->intensity_count = (int)channels;
    for (int i = 0; i < 2; i++) c->spacing_mm[i] = 1;
    plan->training.freeze_encoder_epochs = 0;
    plan->training.oversample_foreground = 0;
    plan->training.schedule_step = SCHEDULE_BY_ITERATION;
    if (count == 1) plan->training.validation_iterations = 0;
    return code ? code : plan_check(plan, e);
}

/* ---- the cases ---- */

/* A map that has the label of the image's class everywhere. */
static int label_image(Array *labels, const Array *image, int class_index, Err *e)
{
    TRY(array_new(labels, DTYPE_I16, 3, image->shape + 1, e));
    int16_t *values = labels->data;
    for (int64_t i = 0; i < array_count(labels); i++) values[i] = (int16_t)(class_index + 1);
    return 0;
}

/* A gray image with as many equal channels as are expected. */
static int repeat_gray(Array *image, int64_t channels, Err *e)
{
    Array all;
    const size_t bytes = array_bytes(image);
    if (image->shape[0] == channels) return 0;
    TRY(array_new(&all, image->dtype, 4, (int64_t[]){channels, image->shape[1], image->shape[2], image->shape[3]}, e));
    for (int64_t c = 0; c < channels; c++) memcpy((char *)all.data + (size_t)c * bytes, image->data, bytes);
    array_free(image);
    *image = all;
    return 0;
}

static int check_finite(const Array *image, Err *e)
{
    const float *values = image->data;
    const int64_t count = array_count(image);
    int64_t i = 0;
    while (i < count && isfinite(values[i])) i++;
    return i < count ? err_set(e, ERR_VALUE, "a voxel is %g: mend the image, or remove it", values[i]) : 0;
}

/* The image's own grid is the plan's: nothing is resampled. */
static int make_case(const Preparation *p, const ListedImage *listed, Err *e)
{
    Image image;
    Array labels = {0};
    PreprocessedCase out;
    MadeFrom made_from = {0};
    Plan own = p->plan;
    TRY(image_read(&image, listed->path, e));
    const double *spacing_mm = image.geometry.spacing_zyx_mm;
    for (int i = 0; i < 2; i++) own.configuration.spacing_mm[i] = spacing_mm[1 + i];
    const GridAxes axes = grid_axes_read(&image.geometry, plan_reader_axes(&own), own.transpose_forward[0]);
    int code = check_finite(&image.voxels, e);
    if (!code) code = repeat_gray(&image.voxels, own.configuration.channel_count, e);
    if (!code) code = label_image(&labels, &image.voxels, listed->class_index, e);
    if (!code) code = case_preprocess(&out, &image.voxels, spacing_mm, &axes, &labels, &own, &p->info, e);
    image_free(&image);
    array_free(&labels);
    if (code) return err_context(e, "%s", listed->path);
    made_from_add_all(&made_from, &p->settings);
    made_from_add_file(&made_from, "image", listed->path);
    code = case_write(&out, p->folder, listed->id, &made_from, e);
    made_from_free(&made_from);
    case_free(&out);
    return code;
}

/* The error is that of the first image in the list's order that was tried. */
static int make_cases(const Preparation *p, int threads, Progress *progress, Err *e)
{
    Err first = {0};
    int failed_at = p->list->count;
#pragma omp parallel for schedule(dynamic) num_threads(threads)
    for (int i = 0; i < p->list->count; i++) {
        Err own = {0};
        bool stopped;
#pragma omp atomic read
        stopped = first.code;
        if (stopped) continue;
        const int code = make_case(p, &p->list->images[i], &own);
#pragma omp critical
        {
            if (code && i < failed_at) first = own, failed_at = i;
            if (progress) progress_step(progress, 1, p->list->images[i].id);
        }
    }
    if (first.code) *e = first;
    return first.code;
}

/* ---- lists and folds ---- */

static int write_cases(const ImageList *list, const char *preprocessed, Err *e)
{
    DatasetCases cases = {0};
    int code = 0;
    for (int i = 0; i < list->count && !code; i++) code = names_add(&cases.present, list->images[i].id, e);
    if (!code) code = dataset_cases_write(&cases, preprocessed, e);
    dataset_cases_free(&cases);
    return code;
}

static bool has_validated(const ImageList *list)
{
    for (int i = 0; i < list->count; i++)
        if (list->images[i].is_validated) return true;
    return false;
}

/* One fold. */
static int write_splits(const ImageList *list, const char *preprocessed, Err *e)
{
    char **names = mem_zalloc(2 * (size_t)list->count, sizeof *names, e);
    const bool chosen = has_validated(list);
    Split fold = {.train = names, .val = names ? names + list->count : NULL};
    const Splits splits = {&fold, 1};
    MadeFrom made_from = {0};
    if (!names) return ERR_NOMEM;
    for (int i = 0; i < list->count; i++) {
        const bool validated =
            chosen ? list->images[i].is_validated : list->count > 1 && i % VALIDATED == VALIDATED / 2 % list->count;
        if (validated) fold.val[fold.val_count++] = list->images[i].id;
        else fold.train[fold.train_count++] = list->images[i].id;
    }
    const int code = splits_file_write(&splits, &made_from, preprocessed, e);
    made_from_free(&made_from);
    mem_free(names);
    return code;
}

/* ---- the whole ---- */

static int write_info(const DatasetInfo *info, const char *preprocessed, Err *e)
{
    char *path = path_format(e, "%s/dataset.json", preprocessed);
    const int code = path ? dataset_info_write(info, path, e) : ERR_NOMEM;
    mem_free(path);
    return code;
}

static int write_plan(const Plan *plan, const char *preprocessed, Err *e)
{
    char *path = path_format(e, "%s/plans.yaml", preprocessed);
    const int code = path ? plan_write(plan, path, e) : ERR_NOMEM;
    mem_free(path);
    return code;
}

/* Whatever an earlier run left is removed: its plans.yaml first, which would make the folder look complete. */
static int clear(const char *preprocessed, Err *e)
{
    char *path = path_format(e, "%s/plans.yaml", preprocessed);
    int code = path ? file_remove(path, e) : ERR_NOMEM;
    mem_free(path);
    return code ? code : folder_remove(preprocessed, e);
}

static int write_all(Preparation *p, const char *preprocessed, int threads, Progress *progress, Err *e)
{
    TRY(clear(preprocessed, e));
    TRY(file_make_folders(p->folder, e));
    TRY(write_info(&p->info, preprocessed, e));
    case_settings_add(&p->settings, &p->plan, &p->info);
    TRY(make_cases(p, threads, progress, e));
    TRY(write_cases(p->list, preprocessed, e));
    TRY(write_splits(p->list, preprocessed, e));
    return write_plan(&p->plan, preprocessed, e);
}

int image_folder_prepare(const ImageList *list, const char *network, const char *preprocessed, int threads,
                         Progress *progress, Err *e)
{
    Labels labels = {0};
    char names[PLAN_MAX_CHANNELS][24];
    const char *channels[PLAN_MAX_CHANNELS];
    Preparation p = {.list = list};
    p.info = (DatasetInfo){.name = "images",
                           .file_ending = image_ending(list->images[0].path),
                           .num_training = list->count,
                           .channel_names = channels,
                           .ignore_value = -1};
    char *folder = path_format(e, "%s/2d", preprocessed);
    int code = folder ? make_plan(&p, network, e) : ERR_NOMEM;
    p.folder = folder;
    p.info.channel_count = p.plan.configuration.channel_count;
    name_channels(names, channels, p.info.channel_count);
    if (!code) code = make_labels(&labels, &p.info, &list->classes, e);
    if (!code) code = write_all(&p, preprocessed, threads, progress, e);
    made_from_free(&p.settings);
    labels_free(&labels);
    mem_free(folder);
    return code;
}

int image_folder_expect(const ImageList *list, const char *folder, const char *preprocessed, Err *e)
{
    DatasetCases cases;
    TRY(dataset_cases_read(&cases, preprocessed, e));
    bool same = list->count == cases.present.count;
    for (int i = 0; i < list->count && same; i++) same = !strcmp(list->images[i].id, cases.present.names[i]);
    const int known = cases.present.count;
    dataset_cases_free(&cases);
    if (same) return 0;
    return err_set(
        e, ERR_VALUE,
        "%s: the images (%d) are not those that the run began with (%d, in %s): give these images to continue, "
        "or --overwrite to begin again",
        folder, list->count, known, preprocessed);
}
