/* use_library MODEL IMAGE PREDICTION PROBABILITIES.npy: uses the interface of the library as a program would, and prints a
 * line for each check (tests/cli/library.sh). PREDICTION, PROBABILITIES: of the program predict for IMAGE. */
#include <math.h>
#include <omp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "data/geometry.h"
#include "data/image_io.h"
#include "data/npy.h"
#include "library/swin_umamba.h"
#include "tests/support/team.h"

static const char *path; /* of the model */
static Image input;
static Array expected, expected_probabilities;
static double affine[3][4];
static int failures;

static void check(int is, const char *what)
{
    printf("%s - %s\n", is ? "ok" : "not ok", what);
    failures += !is;
}

static int64_t voxel_count(void) { return array_count(&expected); }

static swin_image image_of(const void *voxels, int type)
{
    const Geometry *g = &input.geometry;
    swin_image image = {.size = sizeof image,
                        .voxels = voxels,
                        .type = type,
                        .channels = (int)input.voxels.shape[0],
                        .affine = affine[0]};
    memcpy(image.shape_zyx, g->shape_zyx, sizeof image.shape_zyx);
    memcpy(image.spacing_zyx_mm, g->spacing_zyx_mm, sizeof image.spacing_zyx_mm);
    return image;
}

static swin_model *open_model(const swin_options *options)
{
    swin_error error;
    swin_model *model = swin_open(path, options, NULL, &error);
    if (!model) printf("Bail out! %s\n", error.text), exit(1);
    return model;
}

/* Predicts the image; returns the code. *equal: the labels are those of predict. */
static int predict(swin_model *model, const swin_listener *listener, int *equal, swin_error *error)
{
    int16_t *wanted = expected.data;
    const swin_image image = image_of(input.voxels.data, SWIN_FLOAT32);
    uint8_t *labels = malloc((size_t)voxel_count());
    const int code = swin_predict(model, &image, labels, NULL, listener, error);
    *equal = !code;
    for (int64_t i = 0; i < voxel_count() && *equal; i++) *equal = labels[i] == wanted[i];
    free(labels);
    return code;
}

static int predicts(swin_model *model)
{
    int equal;
    return !predict(model, NULL, &equal, NULL) && equal;
}

/* ---- results ---- */

static void test_probabilities(swin_model *model)
{
    const int classes = swin_model_info(model)->class_count;
    const swin_image image = image_of(input.voxels.data, SWIN_FLOAT32);
    const size_t count = (size_t)voxel_count(), bytes = count * (size_t)classes * sizeof(float);
    float *values = malloc(bytes);
    uint8_t *labels = malloc(count);
    check(!swin_predict(model, &image, NULL, values, NULL, NULL), "probabilities alone can be predicted");
    check(bytes == array_bytes(&expected_probabilities) && !memcmp(values, expected_probabilities.data, bytes),
          "they are those of predict --save-probabilities, to the bit");
    check(!swin_predict(model, &image, labels, values, NULL, NULL), "labels and probabilities in one call");
    int best = 1;
    for (size_t i = 0; i < count; i++)
        for (int k = 0; k < classes; k++)
            best &= values[i * (size_t)classes + (size_t)k] <= values[i * (size_t)classes + labels[i]];
    check(best, "a label is the class with the largest probability");
    free(labels);
    free(values);
}

static void test_types(swin_model *model)
{
    const size_t count = (size_t)array_count(&input.voxels);
    const float *from = input.voxels.data;
    int16_t *shorts = malloc(count * sizeof *shorts);
    double *doubles = malloc(count * sizeof *doubles);
    uint8_t *labels[2] = {malloc((size_t)voxel_count()), malloc((size_t)voxel_count())};
    for (size_t i = 0; i < count; i++) doubles[i] = shorts[i] = (int16_t)from[i];
    const swin_image images[] = {image_of(shorts, SWIN_INT16), image_of(doubles, SWIN_FLOAT64)};
    int failed = 0;
    for (int i = 0; i < 2; i++) failed |= swin_predict(model, &images[i], labels[i], NULL, NULL, NULL);
    check(!failed && !memcmp(labels[0], labels[1], (size_t)voxel_count()),
          "int16 and float64 of one image give the same labels");
    for (int i = 0; i < 2; i++) free(labels[i]);
    doubles[1] = 1e300;
    swin_error error;
    labels[0] = malloc((size_t)voxel_count());
    check(swin_predict(model, &images[1], labels[0], NULL, NULL, &error) == SWIN_VALUE && strstr(error.text, "voxel 1"),
          "a number beyond float32 is refused with its place");
    free(labels[0]);
    free(doubles);
    free(shorts);
}

static void test_warm(void)
{
    const swin_options little = {.size = sizeof little, .memory = 1 << 20};
    swin_model *model = open_model(NULL), *small = open_model(&little);
    check(swin_network_seconds(model) == 0, "a new model has computed nothing");
    check(!swin_warm(model, NULL) && swin_network_seconds(model) > 0, "swin_warm runs its networks");
    const double warm = swin_network_seconds(model);
    check(predicts(model) && swin_network_seconds(model) > warm,
          "then the labels are those of predict, and its time is counted");
    check(!swin_warm(small, NULL) && swin_network_seconds(small) == 0, "what the memory does not allow is not run");
    swin_close(small);
    swin_close(model);
}

/* ---- threads ---- */

enum { ROUNDS = 3 };

static void *predict_often(void *model)
{
    int good = 0;
    for (int i = 0; i < ROUNDS; i++) good += predicts(model);
    return (void *)(intptr_t)good;
}

static int two_threads(swin_model *first, swin_model *second)
{
    pthread_t threads[2];
    void *good[2] = {NULL, NULL};
    swin_model *models[] = {first, second};
    for (int i = 0; i < 2; i++) pthread_create(&threads[i], NULL, predict_often, models[i]);
    for (int i = 0; i < 2; i++) pthread_join(threads[i], &good[i]);
    return (intptr_t)good[0] == ROUNDS && (intptr_t)good[1] == ROUNDS;
}

static int in_parallel_region(swin_model *model)
{
    int good = 0;
#pragma omp parallel num_threads(TEAM) reduction(+ : good)
    good += predicts(model);
    return good == TEAM;
}

/* The address sanitizer waits for ever in a child whose parent has had other threads: one may have held a lock of its allocator. */
#ifdef __SANITIZE_ADDRESS__
static void test_fork(swin_model *model)
{
    (void)model;
    puts("ok - a child of fork # SKIP a sanitizer does not survive it");
}
#else
static int after_fork(swin_model *model)
{
    int status = 1;
    const pid_t child = fork();
    if (!child) _exit(!predicts(model));
    waitpid(child, &status, 0);
    return !status;
}

static void test_fork(swin_model *model) { check(after_fork(model), "a child of fork"); }
#endif

static void test_threads(swin_model *model)
{
    const swin_options one = {.size = sizeof one, .threads = 1};
    swin_model *other = open_model(&one);
    omp_set_num_threads(3);
    check(two_threads(model, model), "two threads with one model");
    check(two_threads(model, other), "two threads with two models, each with its own number of threads");
    check(in_parallel_region(model), "a caller within a parallel region");
    test_fork(model);
    check(omp_get_max_threads() == 3, "OpenMP's settings of the caller do not change");
    check(swin_model_info(other)->threads == 1, "the model tells its number of threads");
    swin_close(other);
}

/* ---- cancelling ---- */

/* Two threads meet: the prediction has begun, and may go on. */
typedef struct Meeting {
    pthread_barrier_t begun, goes_on;
    int met;
} Meeting;

static int meet(void *context, int64_t done, int64_t parts)
{
    Meeting *m = context;
    (void)done, (void)parts;
    if (m->met++) return 0;
    pthread_barrier_wait(&m->begun);
    pthread_barrier_wait(&m->goes_on);
    return 0;
}

static int refuse(void *context, int64_t done, int64_t parts)
{
    ++*(int *)context;
    return done <= parts;
}

typedef struct Call {
    swin_model *model;
    const swin_listener *listener;
    int code;
} Call;

static void *predict_call(void *context)
{
    int equal;
    Call *c = context;
    c->code = predict(c->model, c->listener, &equal, NULL);
    return NULL;
}

static void test_cancel(swin_model *model)
{
    int calls = 0, equal;
    swin_error error;
    Meeting m = {.met = 0};
    pthread_t threads[2];
    const swin_listener refusing = {.size = sizeof refusing, .context = &calls, .progress = refuse};
    check(predict(model, &refusing, &equal, &error) == SWIN_CANCELLED && calls == 1 && strstr(error.text, "cancelled"),
          "the progress function cancels");
    check(predicts(model), "the model can be used afterwards");
    const swin_listener meeting = {.size = sizeof meeting, .context = &m, .progress = meet};
    Call running = {model, &meeting, 0}, waiting = {model, NULL, 0};
    pthread_barrier_init(&m.begun, NULL, 2);
    pthread_barrier_init(&m.goes_on, NULL, 2);
    pthread_create(&threads[0], NULL, predict_call, &running);
    pthread_barrier_wait(&m.begun);
    pthread_create(&threads[1], NULL, predict_call, &waiting);
    usleep(200000); /* until it waits for the model */
    swin_cancel(model);
    pthread_join(threads[1], NULL);
    check(waiting.code == SWIN_CANCELLED, "another thread cancels a prediction that waits");
    pthread_barrier_wait(&m.goes_on);
    pthread_join(threads[0], NULL);
    check(running.code == SWIN_CANCELLED, "and the one that runs");
    check(predicts(model), "later predictions are not affected");
    swin_cancel(model);
    check(predicts(model), "also if nothing was cancelled");
}

/* ---- what is wrong ---- */

static void expect_open(const char *folder, const swin_options *options, int code, const char *says, const char *what)
{
    swin_error error = {0};
    swin_model *model = swin_open(folder, options, NULL, &error);
    const int is = !model && error.code == code && strstr(error.text, says);
    check(is, what);
    if (!is) printf("# %d: %s\n", error.code, error.text);
    swin_close(model);
}

static void keep_text(void *context, const char *text) { snprintf(context, 1024, "%s", text); }

/* A path that names a fold or a checkpoint: it is used, and told; options that contradict it are refused. */
static void test_paths(void)
{
    char fold[4096], weights[4096], heard[1024] = "";
    swin_error error = {0};
    snprintf(fold, sizeof fold, "%s/fold_0", path);
    snprintf(weights, sizeof weights, "%s/fold_0/checkpoint_best.safetensors", path);
    const swin_options other = {.size = sizeof other, .folds = "1"}, same = {.size = sizeof same, .folds = "0"},
                       final = {.size = sizeof final, .checkpoint = "final"};
    const swin_listener listener = {.size = sizeof listener, .context = heard, .warning = keep_text};
    swin_model *model = swin_open(fold, &same, &listener, &error);
    check(model && swin_model_info(model)->fold_count == 1, "a fold that path and options name");
    if (!model) printf("# %s\n", error.text);
    check(strstr(heard, "using fold 0 of the results folder") != NULL, "is told");
    swin_close(model);
    expect_open(fold, &other, SWIN_VALUE, "names fold 0, but other folds are asked for",
                "another fold than the path's");
    expect_open(weights, &final, SWIN_VALUE, "names the checkpoint best, but final is asked for",
                "another checkpoint than the path's");
}

static void test_opening(void)
{
    const swin_options none = {.threads = 1}, folds = {.size = sizeof folds, .folds = "7"},
                       precision = {.size = sizeof precision, .precision = "fp8"},
                       device = {.size = sizeof device, .device = "tpu"}, step = {.size = sizeof step, .step = NAN};
    struct {
        swin_options options;
        int later;
    } newer = {.options = {.size = sizeof newer}, .later = 1};
    expect_open("/nonexistent", NULL, SWIN_VALUE, "/nonexistent", "a folder that does not exist");
    expect_open("/usr/bin", NULL, SWIN_VALUE, "/usr/bin", "a folder without a model");
    expect_open("", NULL, SWIN_VALUE, "empty", "an empty path");
    expect_open(NULL, NULL, SWIN_VALUE, "empty", "no path");
    expect_open(path, &none, SWIN_VALUE, "size", "options without their size");
    expect_open(path, &newer.options, SWIN_UNSUPPORTED, "older", "options of a newer version");
    newer.later = 0;
    swin_close(open_model(&newer.options));
    expect_open(path, &folds, SWIN_VALUE, "fold", "a fold that does not exist");
    expect_open(path, &precision, SWIN_VALUE, "fp32 or bf16", "an unknown precision");
    expect_open(path, &device, SWIN_VALUE, "tpu", "an unknown device");
    expect_open(path, &step, SWIN_VALUE, "step", "a step that is not a number");
    check(!swin_open("/nonexistent", NULL, NULL, NULL), "an error that nobody wants");
    swin_close(NULL);
}

static void expect_refusal(swin_model *model, const swin_image *image, int code, const char *says, const char *what)
{
    swin_error error = {0};
    uint8_t *labels = malloc((size_t)voxel_count());
    const int found = swin_predict(model, image, labels, NULL, NULL, &error),
              is = found == code && error.code == code && strstr(error.text, says);
    check(is, what);
    if (!is) printf("# %d: %s\n", found, error.text);
    free(labels);
}

static void test_images(swin_model *model)
{
    float *voxels = input.voxels.data;
    const swin_image good = image_of(voxels, SWIN_FLOAT32);
    swin_image image = good;
    image.channels++;
    expect_refusal(model, &image, SWIN_SHAPE, "channels", "a wrong number of channels");
    image = good, image.shape_zyx[1] = 0;
    expect_refusal(model, &image, SWIN_SHAPE, "voxels", "an empty image");
    image = good, image.shape_zyx[1] = INT64_MAX / 2;
    expect_refusal(model, &image, SWIN_SHAPE, "", "an image larger than any memory");
    image = good, image.spacing_zyx_mm[2] = 0;
    expect_refusal(model, &image, SWIN_VALUE, "spacing 0", "a spacing of 0");
    image = good, image.spacing_zyx_mm[1] = NAN;
    expect_refusal(model, &image, SWIN_VALUE, "spacing", "a spacing that is not a number");
    image = good, image.type = 99;
    expect_refusal(model, &image, SWIN_UNSUPPORTED, "type", "an unknown type");
    image = good, image.voxels = NULL;
    expect_refusal(model, &image, SWIN_VALUE, "no voxels", "no voxels");
    image = good, image.size = 0;
    expect_refusal(model, &image, SWIN_VALUE, "size", "an image without its size");
    double bad[3][4];
    memcpy(bad, affine, sizeof bad);
    image = good, image.affine = bad[0];
    bad[1][2] = NAN;
    expect_refusal(model, &image, SWIN_VALUE, "affine has numbers that are not finite", "an affine with NaN");
    for (int i = 0; i < 3; i++) bad[i][2] = 0;
    expect_refusal(model, &image, SWIN_VALUE, "affine has axes without length", "an affine without a third axis");
    for (int i = 0; i < 3; i++) bad[i][2] = 2 * bad[i][1];
    expect_refusal(model, &image, SWIN_VALUE, "two of one direction", "an affine with two equal axes");
    const float before = voxels[5];
    voxels[5] = NAN;
    expect_refusal(model, &good, SWIN_VALUE, "x 5, y 0, z 0", "NaN, with its place");
    voxels[5] = INFINITY;
    expect_refusal(model, &good, SWIN_VALUE, "not finite", "infinity");
    voxels[5] = before;
    check(predicts(model), "after all these the model works");
}

static void keep(void *context, const char *text) { snprintf(context, 512, "%s", text); }

/* The mistake of giving x, y, z for z, y, x. */
static void test_spacing(swin_model *model)
{
    char told[512] = "";
    swin_image image = image_of(input.voxels.data, SWIN_FLOAT32);
    uint8_t *labels = malloc((size_t)voxel_count());
    const swin_listener listener = {.size = sizeof listener, .context = told, .warning = keep};
    check(!swin_predict(model, &image, labels, NULL, &listener, NULL) && !*told, "a spacing that is the affine's");
    image.spacing_zyx_mm[2] *= 1.5;
    check(!swin_predict(model, &image, labels, NULL, &listener, NULL) && strstr(told, "by its affine"),
          "another is a warning");
    free(labels);
}

static void test_memory(void)
{
    const swin_options little = {.size = sizeof little, .memory = 1 << 20},
                       enough = {.size = sizeof enough, .memory = 1 << 30};
    swin_model *model = open_model(&little);
    const swin_image image = image_of(input.voxels.data, SWIN_FLOAT32);
    expect_refusal(model, &image, SWIN_MEMORY_LIMIT, "may use 1", "too little memory is refused with what is needed");
    swin_close(model);
    /* Memory of the program itself does not count. */
    char *own = calloc(1, (size_t)1 << 29);
    memset(own, 1, (size_t)1 << 29);
    free(own);
    model = open_model(&enough);
    check(predicts(model), "enough is enough, whatever the program used itself");
    swin_close(model);
}

static void test_files(swin_model *model, const char *image)
{
    swin_error error;
    const char *const images[] = {image, image};
    check(swin_predict_file(model, images, 2, "/tmp/none.nii.gz", NULL, &error) == SWIN_SHAPE, "too many files");
    check(swin_predict_file(model, images, 0, "/tmp/none.nii.gz", NULL, &error) == SWIN_VALUE, "no file");
    check(swin_predict_file(model, images, 1, "/tmp/none.jpg", NULL, &error) == SWIN_VALUE &&
              strstr(error.text, ".nii.gz"),
          "a format that is not written");
    check(swin_predict_file(model, images, 1, NULL, NULL, &error) == SWIN_VALUE, "no output");
    check(swin_predict_file(model, images, 1, image, NULL, &error) == SWIN_VALUE, "the image itself is not replaced");
    const char *const absent[] = {"/nonexistent.nii.gz"};
    check(swin_predict_file(model, absent, 1, "/tmp/none.nii.gz", NULL, &error) == SWIN_IO &&
              strstr(error.text, absent[0]),
          "a file that does not exist");
}

static void *in_small_thread(void *model) { return (void *)(intptr_t)predicts(model); }

static void test_small_stack(swin_model *model)
{
    pthread_t thread;
    pthread_attr_t attributes;
    void *good = NULL;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 128 << 10);
    pthread_create(&thread, &attributes, in_small_thread, model);
    pthread_join(thread, &good);
    check(good != NULL, "a caller with a small stack");
    pthread_attr_destroy(&attributes);
}

int main(int argc, char **argv)
{
    Err e = {0};
    if (argc != 5) return 2;
    path = argv[1];
    if (image_read(&input, argv[2], &e) || image_read_labels(&expected, NULL, argv[3], &e) ||
        npy_read(&expected_probabilities, argv[4], &e)) {
        printf("Bail out! %s\n", e.text);
        return 1;
    }
    geometry_affine(&input.geometry, affine);
    swin_model *model = open_model(NULL);
    check(!strcmp(swin_version(), SWIN_VERSION), "library and header have one version");
    check(predicts(model), "the labels of an image in memory are those of predict");
    test_probabilities(model);
    test_types(model);
    test_warm();
    test_threads(model);
    test_small_stack(model);
    test_cancel(model);
    test_opening();
    test_paths();
    test_images(model);
    test_spacing(model);
    test_memory();
    test_files(model, argv[2]);
    swin_close(model);
    image_free(&input);
    array_free(&expected);
    array_free(&expected_probabilities);
    return failures != 0;
}
