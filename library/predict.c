#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "data/convert.h"
#include "inference/case_images.h"
#include "inference/output_file.h"
#include "inference/probabilities.h"
#include "library/model.h"
#include "library/worker.h"

/* ---- a call ---- */

/* Runs work for a model, when it is free. */
static int run(ModelCall *call, const swin_listener *listener, int (*work)(void *context, Err *e), void *context,
               swin_error *error)
{
    Err e = {0};
    int code = model_take(&call->listener, sizeof call->listener, listener, "swin_listener", &e);
    if (!code) code = model_call_begin(call, &e);
    if (!code) {
        code = worker_run(call->model->info.threads, work, context, &e);
        model_call_end(call);
    }
    return model_report(error, code, &e);
}

/* ---- before the first ---- */

static int warm(void *context, Err *e)
{
    const ModelCall *call = context;
    return predictor_warm(call->model->predictor, e);
}

int swin_warm(swin_model *model, swin_error *error)
{
    ModelCall call = {.model = model};
    return run(&call, NULL, warm, &call, error);
}

double swin_network_seconds(const swin_model *model) { return predictor_network_seconds(model->predictor); }

static void tell(const ModelCall *call, Text *note)
{
    if (note->length) model_warn(&call->listener, note->data);
    text_free(note);
}

/* Tells of an orientation that did not occur in training. Fails if the call was cancelled meanwhile. */
static int check_orientation(const ModelCall *call, const char *name, const Geometry *g, Err *e)
{
    char code[GRID_CODE_BYTES];
    Text orientation = {0};
    case_images_orientation(&orientation, code, name, g, predictor_plan(call->model->predictor));
    tell(call, &orientation);
    return model_call_check(call, e);
}

/* ---- an image in memory ---- */

typedef struct ArrayCall {
    ModelCall call;
    swin_image image;
    Geometry geometry;
    void *labels;
    float *probabilities;
} ArrayCall;

static const DType types[] = {DTYPE_F32, DTYPE_F64, DTYPE_U8,  DTYPE_I8,  DTYPE_U16,
                              DTYPE_I16, DTYPE_U32, DTYPE_I32, DTYPE_U64, DTYPE_I64};

/* Lengths of a voxel's edges by the affine. Fails if it is not one: with numbers that are not finite, or without volume. */
static int affine_spacing(double mm_zyx[3], const double *a, Err *e)
{
    const double volume =
        a[0] * (a[5] * a[10] - a[6] * a[9]) - a[1] * (a[4] * a[10] - a[6] * a[8]) + a[2] * (a[4] * a[9] - a[5] * a[8]);
    bool finite = true;
    for (int i = 0; i < 12; i++) finite = finite && isfinite(a[i]);
    for (int i = 0; i < 3; i++) mm_zyx[2 - i] = sqrt(a[i] * a[i] + a[4 + i] * a[4 + i] + a[8 + i] * a[8 + i]);
    if (finite && fabs(volume) > 1e-6 * mm_zyx[0] * mm_zyx[1] * mm_zyx[2]) return 0;
    return err_set(e, ERR_VALUE,
                   "the image's affine has %s: expected 3 rows of 4 numbers that turn voxels into mm, or NULL",
                   finite ? "axes without length, or two of one direction" : "numbers that are not finite");
}

/* The order of the spacing's axes is easily mistaken. */
static void check_spacing(const ModelCall *call, const swin_image *image)
{
    Err e;
    Text note = {0};
    double mm[3];
    const double *given = image->spacing_zyx_mm;
    bool differs = false;
    if (!image->affine || affine_spacing(mm, image->affine, &e)) return;
    for (int i = image->shape_zyx[0] == 1; i < 3; i++) differs |= fabs(given[i] - mm[i]) > 0.01 * mm[i];
    if (!differs) return;
    text_add(&note,
             "the image's spacing is %gx%gx%g mm (z,y,x), and by its affine %gx%gx%g mm: the spacing is used; check "
             "the order of its axes",
             given[0], given[1], given[2], mm[0], mm[1], mm[2]);
    tell(call, &note);
}

static int expect_image(const swin_image *image, const swin_info *info, Err *e)
{
    double mm[3];
    const int64_t *shape = image->shape_zyx;
    size_t bytes;
    if (!image->voxels) return err_set(e, ERR_VALUE, "the image has no voxels");
    if (image->type < 0 || image->type >= (int)(sizeof types / sizeof types[0]))
        return err_set(e, ERR_UNSUPPORTED, "the image has the type %d: expected SWIN_FLOAT32 … SWIN_INT64",
                       image->type);
    if (image->channels != info->channel_count)
        return err_set(e, ERR_SHAPE, "the image has %d channels: the model was trained on %d, the first is %s",
                       image->channels, info->channel_count, info->channel_names[0]);
    for (int i = 0; i < 3; i++)
        if (shape[i] < 1)
            return err_set(e, ERR_SHAPE,
                           "the image has %lldx%lldx%lld voxels (z,y,x): expected 1 or more along each axis",
                           (long long)shape[0], (long long)shape[1], (long long)shape[2]);
    for (int i = shape[0] == 1; i < 3; i++)
        if (!(image->spacing_zyx_mm[i] > 0 && image->spacing_zyx_mm[i] < 1e9))
            return err_set(e, ERR_VALUE, "the image has the spacing %g mm along %c: expected a number above 0",
                           image->spacing_zyx_mm[i], "zyx"[i]);
    if (image->affine) TRY(affine_spacing(mm, image->affine, e));
    return array_check_shape(DTYPE_F64, 4, (int64_t[]){image->channels, shape[0], shape[1], shape[2]}, &bytes, e);
}

/* A slice without a place is a picture. */
static Geometry geometry_of(const swin_image *image)
{
    Geometry g = {.dimensions = image->shape_zyx[0] == 1 && !image->affine ? 2 : 3, .orientation.qfac = 1};
    memcpy(g.shape_zyx, image->shape_zyx, sizeof g.shape_zyx);
    memcpy(g.spacing_zyx_mm, image->spacing_zyx_mm, sizeof g.spacing_zyx_mm);
    if (g.dimensions == 2 || !(g.spacing_zyx_mm[0] > 0)) g.spacing_zyx_mm[0] = geometry_plane(1, 1).spacing_zyx_mm[0];
    if (!image->affine) return g;
    g.orientation.sform_code = 1;
    memcpy(g.orientation.sform, image->affine, sizeof g.orientation.sform);
    return g;
}

/* Finds the batch that the memory allows. */
static int expect_memory(const ArrayCall *c, Err *e)
{
    const swin_model *m = c->call.model;
    const GridAxes axes = case_images_axes(predictor_plan(m->predictor), &c->geometry);
    const Geometry g = grid_axes_apply(&axes, &c->geometry);
    CaseSize size = {.channels = c->image.channels,
                     .finishing_bytes = postprocessing_bytes(&m->configuration.postprocessing, g.shape_zyx)};
    PredictionCost cost;
    memcpy(size.shape_zyx, g.shape_zyx, sizeof size.shape_zyx);
    memcpy(size.spacing_zyx_mm, g.spacing_zyx_mm, sizeof size.spacing_zyx_mm);
    return predictor_cost(m->predictor, &size, &cost, e);
}

static int copy_image(Array *voxels, const swin_image *image, Err *e)
{
    const int64_t *shape = image->shape_zyx;
    TRY(array_new(voxels, DTYPE_F32, 4, (int64_t[]){image->channels, shape[0], shape[1], shape[2]}, e));
    const int64_t count = array_count(voxels);
    const int64_t beyond = convert_to_planes(voxels->data, count, 1, image->voxels, types[image->type], count, 1, 0);
    if (beyond < 0) return 0;
    array_free(voxels);
    return err_set(e, ERR_VALUE, "voxel %lld of the image, in the order of memory, is beyond the range of float32",
                   (long long)beyond);
}

static int predict_labels(const ArrayCall *c, Array *labels, Err *e)
{
    Array voxels;
    ProbabilityArray values;
    Predictor *p = c->call.model->predictor;
    const ProbabilitySink sink = probability_array_sink(&values, c->probabilities);
    const GridAxes axes = case_images_axes(predictor_plan(p), &c->geometry);
    Text values_note = {0};
    TRY(copy_image(&voxels, &c->image, e));
    case_images_values(&values_note, predictor_plan(p), &voxels);
    tell(&c->call, &values_note);
    return predictor_predict(p, &voxels, c->geometry.spacing_zyx_mm, &axes, labels, c->probabilities ? &sink : NULL, e);
}

static int predict_array(void *context, Err *e)
{
    const ArrayCall *c = context;
    Array labels;
    Text spacing = {0};
    const swin_model *m = c->call.model;
    int code = case_images_spacing(&spacing, predictor_plan(m->predictor), &c->geometry, e);
    tell(&c->call, &spacing);
    TRY(code);
    check_spacing(&c->call, &c->image);
    TRY(check_orientation(&c->call, "the image", &c->geometry, e));
    TRY(expect_memory(c, e));
    TRY(predict_labels(c, &labels, e));
    if (c->labels) code = postprocessing_apply(&m->configuration.postprocessing, &labels, e);
    if (c->labels && !code) memcpy(c->labels, labels.data, array_bytes(&labels));
    array_free(&labels);
    return code;
}

int swin_predict(swin_model *model, const swin_image *image, void *labels, float *probabilities,
                 const swin_listener *listener, swin_error *error)
{
    Err e = {0};
    ArrayCall c = {.call.model = model, .labels = labels, .probabilities = probabilities};
    int code = model_take(&c.image, sizeof c.image, image, "swin_image", &e);
    if (!code) code = expect_image(&c.image, &model->info, &e);
    if (code) return model_report(error, code, &e);
    c.geometry = geometry_of(&c.image);
    return run(&c.call, listener, predict_array, &c, error);
}

/* ---- files ---- */

typedef struct FileCall {
    ModelCall call;
    Case files; /* borrowed */
    const char *output;
} FileCall;

static int read_files(const FileCall *c, Image *image, Err *e)
{
    FaultList warnings = {0};
    int code = case_images_read(image, c->call.model->predictor, &c->files, &warnings, e);
    for (int i = 0; i < warnings.count && !code; i++) model_warn(&c->call.listener, warnings.faults[i].text);
    faults_free(&warnings);
    TRY(code);
    code = check_orientation(&c->call, c->files.images[0], &image->geometry, e);
    if (code) image_free(image);
    return code;
}

static int write_labels(const FileCall *c, const Image *image, Array *labels, Err *e)
{
    TRY(postprocessing_apply(&c->call.model->configuration.postprocessing, labels, e));
    TRY(model_call_check(&c->call, e));
    return image_write(c->output, &image->geometry, labels, e);
}

static int predict_files(void *context, Err *e)
{
    const FileCall *c = context;
    Image image;
    Array labels;
    PredictionCost cost;
    const swin_model *m = c->call.model;
    TRY(case_images_cost(m->predictor, &c->files, &m->configuration.postprocessing, &cost, e));
    TRY(output_file_expect(c->output, &c->files, true, e));
    TRY(read_files(c, &image, e));
    const GridAxes axes = case_images_axes(predictor_plan(m->predictor), &image.geometry);
    int code = predictor_predict(m->predictor, &image.voxels, image.geometry.spacing_zyx_mm, &axes, &labels, NULL, e);
    if (code && code != ERR_INTERRUPTED) err_context(e, "%s", c->files.images[0]);
    if (!code) {
        code = write_labels(c, &image, &labels, e);
        array_free(&labels);
    }
    image_free(&image);
    return code;
}

static int expect_files(const FileCall *c, Err *e)
{
    char known[IMAGE_ENDINGS_BYTES];
    if (c->files.image_count < 1) return err_set(e, ERR_VALUE, "no image was given");
    image_known_endings(known, true);
    if (output_file_is_meant(c->output)) return 0;
    return err_set(e, ERR_VALUE, "%s: expected the path of an image to write, with one of the endings%s", c->output,
                   known);
}

int swin_predict_file(swin_model *model, const char *const *images, int image_count, const char *output,
                      const swin_listener *listener, swin_error *error)
{
    Err e = {0};
    FileCall c = {.call.model = model, .output = output ? output : ""};
    c.files = (Case){.id = (char *)"", .images = (char **)(uintptr_t)images, .image_count = images ? image_count : 0};
    const int code = expect_files(&c, &e);
    return code ? model_report(error, code, &e) : run(&c.call, listener, predict_files, &c, error);
}
