/* The engine is chosen without measuring times, so that each run chooses the same: the first that is welcome, of the list of
 * cuDNN's heuristics, then of its fallbacks, then of all engines. Not welcome are engines that cuDNN notes to be not
 * deterministic, to round sums early, or to have errors larger than those of sums (Winograd, FFT); for float32 also those
 * that round operands (tensor cores), unless TF32 is allowed. Nor those that need more workspace than copies of the tensors take. */
#include "network/cuda/cudnn_plan.h"

typedef cudnnBackendDescriptor_t Descriptor;

enum { CONFIGS = 64, NOTES = CUDNN_NUMERICAL_NOTE_TYPE_COUNT };

int cudnn_check(cudnnStatus_t status, const char *what, Err *e)
{
    if (!status) return 0;
    return err_set(e, ERR_UNSUPPORTED, "cuDNN: %s failed: %s", what, cudnnGetErrorString(status));
}

/* ---- descriptors ---- */

static int create(Descriptor *d, cudnnBackendDescriptorType_t type, Err *e)
{
    return cudnn_check(cudnnBackendCreateDescriptor(type, d), "cudnnBackendCreateDescriptor", e);
}

static void destroy(Descriptor *d)
{
    if (*d) cudnnBackendDestroyDescriptor(*d);
    *d = NULL;
}

static int finalize(Descriptor d, const char *what, Err *e) { return cudnn_check(cudnnBackendFinalize(d), what, e); }

static int set(Descriptor d, cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, int64_t count,
               const void *values, Err *e)
{
    return cudnn_check(cudnnBackendSetAttribute(d, name, type, count, values), "cudnnBackendSetAttribute", e);
}

static int set_descriptor(Descriptor d, cudnnBackendAttributeName_t name, const Descriptor *value, Err *e)
{
    return set(d, name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, value, e);
}

/* ---- the operation ---- */

/* N,C,H,W in that order, channels innermost in memory. */
static int describe_tensor(Descriptor *d, int64_t id, Shape s, DType dtype, Err *e)
{
    const int64_t sizes[4] = {s.n, s.c, s.h, s.w}, strides[4] = {s.h * s.w * s.c, 1, s.w * s.c, s.c};
    const int64_t alignment = CUDNN_PLAN_ALIGNMENT;
    const cudnnDataType_t type = dtype == DTYPE_BF16 ? CUDNN_DATA_BFLOAT16 : CUDNN_DATA_FLOAT;
    TRY(create(d, CUDNN_BACKEND_TENSOR_DESCRIPTOR, e));
    TRY(set(*d, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &type, e));
    TRY(set(*d, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, 4, sizes, e));
    TRY(set(*d, CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, 4, strides, e));
    TRY(set(*d, CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, 1, &id, e));
    TRY(set(*d, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, 1, &alignment, e));
    return finalize(*d, "the description of a tensor", e);
}

static int describe_convolution(Descriptor *d, const GpuConvolutionShape *s, Err *e)
{
    const int64_t axes = 2, ones[2] = {1, 1};
    const cudnnDataType_t sums = CUDNN_DATA_FLOAT;
    const cudnnConvolutionMode_t mode = CUDNN_CROSS_CORRELATION;
    TRY(create(d, CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR, e));
    TRY(set(*d, CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &sums, e));
    TRY(set(*d, CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, 1, &mode, e));
    TRY(set(*d, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, CUDNN_TYPE_INT64, 1, &axes, e));
    TRY(set(*d, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_TYPE_INT64, axes, s->padding, e));
    TRY(set(*d, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, CUDNN_TYPE_INT64, axes, s->padding, e));
    TRY(set(*d, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_TYPE_INT64, axes, s->stride, e));
    TRY(set(*d, CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_TYPE_INT64, axes, ones, e));
    return finalize(*d, "the description of a convolution", e);
}

/* By result: the operation, and how it calls its parts. */
static const struct Names {
    cudnnBackendDescriptorType_t type;
    cudnnBackendAttributeName_t convolution, x, w, y, alpha, beta;
} operations[] = {
    [GPU_CONVOLUTION_Y] = {CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
                           CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
                           CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
                           CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
                           CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA},
    [GPU_CONVOLUTION_X] = {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR,
                           CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
                           CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
                           CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY,
                           CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
                           CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA},
    [GPU_CONVOLUTION_W] = {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR,
                           CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC,
                           CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
                           CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
                           CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY,
                           CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
                           CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA},
};

static int describe_operation(Descriptor *d, const GpuConvolutionShape *s, Err *e)
{
    const struct Names *names = &operations[s->result];
    const Shape weights = {s->y.c, s->kernel[0], s->kernel[1], s->x.c};
    const float one = 1, beta = s->accumulate ? 1 : 0;
    TRY(describe_tensor(&d[CUDNN_PART_X], CUDNN_PLAN_X, s->x, s->dtype, e));
    TRY(describe_tensor(&d[CUDNN_PART_W], CUDNN_PLAN_W, weights, s->dtype, e));
    TRY(describe_tensor(&d[CUDNN_PART_Y], CUDNN_PLAN_Y, s->y, s->dtype, e));
    TRY(describe_convolution(&d[CUDNN_PART_CONVOLUTION], s, e));
    TRY(create(&d[CUDNN_PART_OPERATION], names->type, e));
    TRY(set_descriptor(d[CUDNN_PART_OPERATION], names->convolution, &d[CUDNN_PART_CONVOLUTION], e));
    TRY(set_descriptor(d[CUDNN_PART_OPERATION], names->x, &d[CUDNN_PART_X], e));
    TRY(set_descriptor(d[CUDNN_PART_OPERATION], names->w, &d[CUDNN_PART_W], e));
    TRY(set_descriptor(d[CUDNN_PART_OPERATION], names->y, &d[CUDNN_PART_Y], e));
    TRY(set(d[CUDNN_PART_OPERATION], names->alpha, CUDNN_TYPE_FLOAT, 1, &one, e));
    TRY(set(d[CUDNN_PART_OPERATION], names->beta, CUDNN_TYPE_FLOAT, 1, &beta, e));
    TRY(finalize(d[CUDNN_PART_OPERATION], "the description of an operation", e));
    TRY(create(&d[CUDNN_PART_GRAPH], CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR, e));
    TRY(set_descriptor(d[CUDNN_PART_GRAPH], CUDNN_ATTR_OPERATIONGRAPH_OPS, &d[CUDNN_PART_OPERATION], e));
    return finalize(d[CUDNN_PART_GRAPH], "the description of an operation's graph", e);
}

/* ---- the choice of an engine ---- */

typedef struct Search {
    const GpuConvolutionShape *shape;
    Descriptor device, graph;
    CudnnPlan *plan;
} Search;

static bool is_unwelcome(cudnnBackendNumericalNote_t note, const GpuConvolutionShape *s)
{
    switch (note) {
    case CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC:
    case CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION:
    case CUDNN_NUMERICAL_NOTE_FFT:
    case CUDNN_NUMERICAL_NOTE_WINOGRAD:
    case CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_4x4:
    case CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_6x6:
    case CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_13x13: return true;
    case CUDNN_NUMERICAL_NOTE_TENSOR_CORE:
    case CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS: return s->dtype == DTYPE_F32 && !s->tf32;
    default: return false;
    }
}

static bool is_welcome(Descriptor engine, const GpuConvolutionShape *s)
{
    cudnnBackendNumericalNote_t notes[NOTES];
    int64_t count = 0;
    if (cudnnBackendGetAttribute(engine, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE, NOTES, &count,
                                 notes))
        return false;
    for (int64_t i = 0; i < count; i++)
        if (is_unwelcome(notes[i], s)) return false;
    return true;
}

/* Room for copies of x and y in another layout, and something for small ones. */
static int64_t workspace_most(const GpuConvolutionShape *s)
{
    enum { LEAST = 64 << 20 };
    return LEAST + (shape_count(s->x) + shape_count(s->y)) * (int64_t)dtype_size(s->dtype);
}

static int64_t number_of(Descriptor d, cudnnBackendAttributeName_t name)
{
    int64_t value = -1, count = 0;
    return cudnnBackendGetAttribute(d, name, CUDNN_TYPE_INT64, 1, &count, &value) ? -1 : value;
}

/* Whether the engine has a plan that is taken. Which of them have one is seen only by trying. */
static bool makes_plan(const Search *s, Descriptor config, Descriptor *plan)
{
    if (create(plan, CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR, NULL)) return false;
    if (!set_descriptor(*plan, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, &config, NULL) &&
        !set_descriptor(*plan, CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP, &s->device, NULL) &&
        !cudnnBackendFinalize(*plan)) {
        const int64_t workspace = number_of(*plan, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE);
        s->plan->workspace = (size_t)workspace;
        if (workspace >= 0 && workspace <= workspace_most(s->shape)) return true;
    }
    destroy(plan);
    return false;
}

/* Takes engine and config, if there is a plan. */
static bool take(const Search *s, Descriptor *engine, Descriptor *config)
{
    Descriptor *d = s->plan->parts;
    if (!is_welcome(*engine, s->shape) || !makes_plan(s, *config, &d[CUDNN_PART_PLAN])) return false;
    s->plan->engine = number_of(*engine, CUDNN_ATTR_ENGINE_GLOBAL_INDEX);
    d[CUDNN_PART_ENGINE] = *engine;
    d[CUDNN_PART_CONFIG] = *config;
    *engine = *config = NULL;
    return true;
}

static bool take_config(const Search *s, Descriptor *config)
{
    Descriptor engine = NULL;
    int64_t count = 0;
    const bool taken = !create(&engine, CUDNN_BACKEND_ENGINE_DESCRIPTOR, NULL) &&
                       !cudnnBackendGetAttribute(*config, CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1,
                                                 &count, &engine) &&
                       take(s, &engine, config);
    destroy(&engine);
    return taken;
}

static int64_t ask(const Search *s, cudnnBackendHeurMode_t mode, Descriptor heuristics, Descriptor *configs)
{
    int64_t count = 0;
    for (int i = 0; i < CONFIGS; i++)
        if (create(&configs[i], CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, NULL)) return 0;
    if (set_descriptor(heuristics, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, &s->graph, NULL) ||
        set_descriptor(heuristics, CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, &s->device, NULL) ||
        set(heuristics, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1, &mode, NULL) ||
        cudnnBackendFinalize(heuristics) ||
        cudnnBackendGetAttribute(heuristics, CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR, CONFIGS,
                                 &count, configs))
        return 0;
    return count < CONFIGS ? count : CONFIGS;
}

static bool take_by_heuristics(const Search *s, cudnnBackendHeurMode_t mode)
{
    Descriptor heuristics = NULL, configs[CONFIGS] = {NULL};
    bool taken = false;
    if (!create(&heuristics, CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR, NULL)) {
        const int64_t count = ask(s, mode, heuristics, configs);
        for (int64_t i = 0; i < count && !taken; i++) taken = take_config(s, &configs[i]);
    }
    for (int i = 0; i < CONFIGS; i++) destroy(&configs[i]);
    destroy(&heuristics);
    return taken;
}

/* An engine by its number, with default settings. */
static bool take_engine(const Search *s, int64_t number)
{
    Descriptor engine = NULL, config = NULL;
    const bool taken = !create(&engine, CUDNN_BACKEND_ENGINE_DESCRIPTOR, NULL) &&
                       !set_descriptor(engine, CUDNN_ATTR_ENGINE_OPERATION_GRAPH, &s->graph, NULL) &&
                       !set_descriptor(engine, CUDNN_ATTR_ENGINE_DEVICEPROP, &s->device, NULL) &&
                       !set(engine, CUDNN_ATTR_ENGINE_GLOBAL_INDEX, CUDNN_TYPE_INT64, 1, &number, NULL) &&
                       !cudnnBackendFinalize(engine) && !create(&config, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, NULL) &&
                       !set_descriptor(config, CUDNN_ATTR_ENGINECFG_ENGINE, &engine, NULL) &&
                       !cudnnBackendFinalize(config) && take(s, &engine, &config);
    destroy(&config);
    destroy(&engine);
    return taken;
}

static bool take_any(const Search *s)
{
    const int64_t count = number_of(s->graph, CUDNN_ATTR_OPERATIONGRAPH_ENGINE_GLOBAL_COUNT);
    for (int64_t i = 0; i < count; i++)
        if (take_engine(s, i)) return true;
    return false;
}

int cudnn_plan_new(CudnnPlan *plan, const GpuConvolutionShape *s, Descriptor device, Err *e)
{
    *plan = (CudnnPlan){{NULL}, 0, -1};
    TRY(describe_operation(plan->parts, s, e));
    const Search search = {s, device, plan->parts[CUDNN_PART_GRAPH], plan};
    if (take_by_heuristics(&search, CUDNN_HEUR_MODE_A) || take_by_heuristics(&search, CUDNN_HEUR_MODE_FALLBACK) ||
        take_any(&search))
        return 0;
    return err_set(
        e, ERR_UNSUPPORTED,
        "cuDNN has no deterministic engine for a convolution of %lldx%lldx%lld with a kernel of %lldx%lld to "
        "%lldx%lldx%lld",
        (long long)s->x.h, (long long)s->x.w, (long long)s->x.c, (long long)s->kernel[0], (long long)s->kernel[1],
        (long long)s->y.h, (long long)s->y.w, (long long)s->y.c);
}

void cudnn_plan_free(CudnnPlan *plan)
{
    for (int i = CUDNN_PARTS - 1; i >= 0; i--) destroy(&plan->parts[i]);
}
