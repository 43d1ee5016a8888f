/* A double of cuDNN's graph API, for convolutions: checks each descriptor and call as the library would, or where it trusts
 * its caller, computes in double, and tells the watch what it reads and writes. An engine with tensor cores rounds float32
 * to 10 bits. */
#include <cudnn.h>

#include <map>
#include <memory>
#include <set>

#include "cuda_bf16.h"
#include "emu_internal.h"

/* ---- the engines: which are sound for this project, and which are not ---- */

struct Engine {
    std::vector<cudnnBackendNumericalNote_t> notes;
    int64_t workspace;
    bool works;
};
enum { SOUND, NONDETERMINISTIC, TENSOR_CORES, LARGE, UNABLE, WINOGRAD, ENGINES };
static const Engine engines[ENGINES] = {
    {{}, 1000, true}, /* some workspace: so that one that is missing is noticed */
    {{CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC}, 1000, true},
    {{CUDNN_NUMERICAL_NOTE_TENSOR_CORE}, 2000, true},
    {{}, (int64_t)1 << 40, true},
    {{}, 0, false},
    {{CUDNN_NUMERICAL_NOTE_WINOGRAD}, 1000, true},
};
static const std::vector<int64_t> by_heuristics = {NONDETERMINISTIC, WINOGRAD, LARGE, TENSOR_CORES};
static const std::vector<int64_t> by_fallback = {UNABLE, NONDETERMINISTIC};

/* ---- descriptors ---- */

struct Descriptor {
    cudnnBackendDescriptorType_t type;
    bool finalized, destroyed;
    int users; /* itself, until it is destroyed, and descriptors that it is set in */
    std::map<int, std::vector<char>> values;
    std::vector<Descriptor *> parts;
};
struct cudnnContext {
    cudaStream_t stream;
};

static std::set<Descriptor *> descriptors;

int emu_cudnn_descriptors() { return (int)descriptors.size(); }

static cudnnStatus_t wrong(const char *call, const char *what)
{
    emu_report("%s: %s", call, what);
    return CUDNN_STATUS_BAD_PARAM;
}

static Descriptor *known(cudnnBackendDescriptor_t d)
{
    const auto found = descriptors.find((Descriptor *)d);
    return found != descriptors.end() && !(*found)->destroyed ? *found : NULL;
}

static Descriptor *finished(cudnnBackendDescriptor_t d)
{
    Descriptor *o = known(d);
    return o && o->finalized ? o : NULL;
}

static Descriptor *make(cudnnBackendDescriptorType_t type)
{
    return *descriptors.insert(new Descriptor{type, false, false, 1, {}, {}}).first;
}

static void leave(Descriptor *d)
{
    if (--d->users) return;
    for (Descriptor *part : d->parts) leave(part);
    descriptors.erase(d);
    delete d;
}

static void put(Descriptor *d, int name, const void *value, size_t bytes)
{
    d->values[name].assign((const char *)value, (const char *)value + bytes);
}

static void put_part(Descriptor *d, int name, Descriptor *part)
{
    put(d, name, &part, sizeof part);
    part->users++;
    d->parts.push_back(part);
}

template <class T> static const T *value(const Descriptor *d, int name)
{
    const auto found = d->values.find(name);
    return found == d->values.end() ? NULL : (const T *)(const void *)found->second.data();
}

static Descriptor *part(const Descriptor *d, int name) { return *value<Descriptor *>(d, name); }

cudnnStatus_t cudnnBackendCreateDescriptor(cudnnBackendDescriptorType_t type, cudnnBackendDescriptor_t *d)
{
    *d = make(type);
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendDestroyDescriptor(cudnnBackendDescriptor_t d)
{
    Descriptor *o = known(d);
    if (!o) return wrong("cudnnBackendDestroyDescriptor", "it is no descriptor, or destroyed");
    o->destroyed = true;
    leave(o);
    return CUDNN_STATUS_SUCCESS;
}

/* ---- attributes: what each kind of descriptor has, and must have ---- */

struct Attribute {
    int owner, name;
    cudnnBackendAttributeType_t type;
    int64_t count;
};
#define HAS(owner, name, type, count)                                                   \
    {                                                                                   \
        CUDNN_BACKEND_##owner##_DESCRIPTOR, CUDNN_ATTR_##name, CUDNN_TYPE_##type, count \
    }
#define OPERATION(owner, name, x, w, y)                                                                 \
    HAS(owner, name##_CONV_DESC, BACKEND_DESCRIPTOR, 1), HAS(owner, name##_##x, BACKEND_DESCRIPTOR, 1), \
        HAS(owner, name##_##w, BACKEND_DESCRIPTOR, 1), HAS(owner, name##_##y, BACKEND_DESCRIPTOR, 1),   \
        HAS(owner, name##_ALPHA, FLOAT, 1), HAS(owner, name##_BETA, FLOAT, 1)
static const Attribute attributes[] = {
    HAS(TENSOR, TENSOR_DATA_TYPE, DATA_TYPE, 1),
    HAS(TENSOR, TENSOR_DIMENSIONS, INT64, 4),
    HAS(TENSOR, TENSOR_STRIDES, INT64, 4),
    HAS(TENSOR, TENSOR_UNIQUE_ID, INT64, 1),
    HAS(TENSOR, TENSOR_BYTE_ALIGNMENT, INT64, 1),
    HAS(CONVOLUTION, CONVOLUTION_COMP_TYPE, DATA_TYPE, 1),
    HAS(CONVOLUTION, CONVOLUTION_CONV_MODE, CONVOLUTION_MODE, 1),
    HAS(CONVOLUTION, CONVOLUTION_SPATIAL_DIMS, INT64, 1),
    HAS(CONVOLUTION, CONVOLUTION_PRE_PADDINGS, INT64, 2),
    HAS(CONVOLUTION, CONVOLUTION_POST_PADDINGS, INT64, 2),
    HAS(CONVOLUTION, CONVOLUTION_FILTER_STRIDES, INT64, 2),
    HAS(CONVOLUTION, CONVOLUTION_DILATIONS, INT64, 2),
    OPERATION(OPERATION_CONVOLUTION_FORWARD, OPERATION_CONVOLUTION_FORWARD, X, W, Y),
    OPERATION(OPERATION_CONVOLUTION_BACKWARD_DATA, OPERATION_CONVOLUTION_BWD_DATA, DX, W, DY),
    OPERATION(OPERATION_CONVOLUTION_BACKWARD_FILTER, OPERATION_CONVOLUTION_BWD_FILTER, X, DW, DY),
    HAS(OPERATIONGRAPH, OPERATIONGRAPH_OPS, BACKEND_DESCRIPTOR, 1),
    HAS(DEVICEPROP, DEVICEPROP_HANDLE, HANDLE, 1),
    HAS(ENGINEHEUR, ENGINEHEUR_OPERATION_GRAPH, BACKEND_DESCRIPTOR, 1),
    HAS(ENGINEHEUR, ENGINEHEUR_MODE, HEUR_MODE, 1),
    HAS(ENGINEHEUR, ENGINEHEUR_DEVICEPROP, BACKEND_DESCRIPTOR, 1),
    HAS(ENGINE, ENGINE_OPERATION_GRAPH, BACKEND_DESCRIPTOR, 1),
    HAS(ENGINE, ENGINE_GLOBAL_INDEX, INT64, 1),
    HAS(ENGINE, ENGINE_DEVICEPROP, BACKEND_DESCRIPTOR, 1),
    HAS(ENGINECFG, ENGINECFG_ENGINE, BACKEND_DESCRIPTOR, 1),
    HAS(EXECUTION_PLAN, EXECUTION_PLAN_ENGINE_CONFIG, BACKEND_DESCRIPTOR, 1),
    HAS(EXECUTION_PLAN, EXECUTION_PLAN_DEVICEPROP, BACKEND_DESCRIPTOR, 1),
    HAS(VARIANT_PACK, VARIANT_PACK_UNIQUE_IDS, INT64, 3),
    HAS(VARIANT_PACK, VARIANT_PACK_DATA_POINTERS, VOID_PTR, 3),
    HAS(VARIANT_PACK, VARIANT_PACK_WORKSPACE, VOID_PTR, 1),
};

static size_t size_of(cudnnBackendAttributeType_t type)
{
    switch (type) {
    case CUDNN_TYPE_HANDLE:
    case CUDNN_TYPE_INT64:
    case CUDNN_TYPE_VOID_PTR:
    case CUDNN_TYPE_BACKEND_DESCRIPTOR: return 8;
    default: return 4;
    }
}

cudnnStatus_t cudnnBackendSetAttribute(cudnnBackendDescriptor_t descriptor, cudnnBackendAttributeName_t name,
                                       cudnnBackendAttributeType_t type, int64_t count, const void *values)
{
    static const char call[] = "cudnnBackendSetAttribute";
    Descriptor *d = known(descriptor);
    if (!d) return wrong(call, "it is no descriptor, or destroyed");
    if (d->finalized) return wrong(call, "the descriptor is finalized");
    for (const Attribute &a : attributes) {
        if (a.owner != d->type || a.name != name) continue;
        if (a.type != type || a.count != count) return wrong(call, "the attribute has another type or count");
        if (d->values.count(name)) return wrong(call, "the attribute is set twice");
        if (type != CUDNN_TYPE_BACKEND_DESCRIPTOR) put(d, name, values, size_of(type) * (size_t)count);
        else if (Descriptor *p = finished(*(const cudnnBackendDescriptor_t *)values)) put_part(d, name, p);
        else return wrong(call, "the value is a descriptor that is not finalized");
        return CUDNN_STATUS_SUCCESS;
    }
    return wrong(call, "this kind of descriptor has no such attribute");
}

/* ---- a convolution, as described ---- */

struct Image {
    int64_t n, c, h, w, id, alignment;
    cudnnDataType_t type;
    int64_t count() const { return n * c * h * w; }
    size_t bytes() const { return (size_t)count() * (type == CUDNN_DATA_FLOAT ? 4 : 2); }
    int64_t at(int64_t in, int64_t ih, int64_t iw) const { return ((in * h + ih) * w + iw) * c; }
};
enum { X, W, Y, TENSORS };
struct Convolution {
    Image tensor[TENSORS];
    int result;
    int64_t padding[2], stride[2];
    float alpha, beta;
};

static Image image_of(const Descriptor *d)
{
    const int64_t *s = value<int64_t>(d, CUDNN_ATTR_TENSOR_DIMENSIONS);
    return {s[0],
            s[1],
            s[2],
            s[3],
            *value<int64_t>(d, CUDNN_ATTR_TENSOR_UNIQUE_ID),
            *value<int64_t>(d, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT),
            *value<cudnnDataType_t>(d, CUDNN_ATTR_TENSOR_DATA_TYPE)};
}

static const char *fault_of_tensor(const Descriptor *d)
{
    const Image i = image_of(d);
    const int64_t *s = value<int64_t>(d, CUDNN_ATTR_TENSOR_STRIDES);
    if (i.n < 1 || i.c < 1 || i.h < 1 || i.w < 1) return "a tensor is empty";
    if (s[0] != i.h * i.w * i.c || s[1] != 1 || s[2] != i.w * i.c || s[3] != i.c)
        return "the strides of a tensor are not those of N,H,W,C";
    if (i.type != CUDNN_DATA_FLOAT && i.type != CUDNN_DATA_BFLOAT16) return "a tensor has a type that is not used";
    return NULL;
}

static const char *fault_of_convolution(const Descriptor *d)
{
    const int64_t *dilations = value<int64_t>(d, CUDNN_ATTR_CONVOLUTION_DILATIONS);
    const int64_t *pre = value<int64_t>(d, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS);
    const int64_t *post = value<int64_t>(d, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS);
    if (*value<int64_t>(d, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS) != 2) return "a convolution has not two axes";
    if (*value<cudnnDataType_t>(d, CUDNN_ATTR_CONVOLUTION_COMP_TYPE) != CUDNN_DATA_FLOAT) return "sums are not float32";
    if (*value<cudnnConvolutionMode_t>(d, CUDNN_ATTR_CONVOLUTION_CONV_MODE) != CUDNN_CROSS_CORRELATION)
        return "the kernel is turned";
    if (dilations[0] != 1 || dilations[1] != 1) return "the kernel is dilated";
    return pre[0] == post[0] && pre[1] == post[1] ? NULL : "the padding is not the same on both sides";
}

static bool is_operation(const Descriptor *d)
{
    return d->type == CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR ||
           d->type == CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR ||
           d->type == CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR;
}

/* Names of convolution, x, w, y, alpha, beta. */
static const int *names_of(const Descriptor *d)
{
#define NAMES(name, x, w, y)                                                                                \
    {                                                                                                       \
        CUDNN_ATTR_OPERATION_CONVOLUTION_##name##_CONV_DESC, CUDNN_ATTR_OPERATION_CONVOLUTION_##name##_##x, \
            CUDNN_ATTR_OPERATION_CONVOLUTION_##name##_##w, CUDNN_ATTR_OPERATION_CONVOLUTION_##name##_##y,   \
            CUDNN_ATTR_OPERATION_CONVOLUTION_##name##_ALPHA, CUDNN_ATTR_OPERATION_CONVOLUTION_##name##_BETA \
    }
    static const int forward[] = NAMES(FORWARD, X, W, Y), data[] = NAMES(BWD_DATA, DX, W, DY),
                     filter[] = NAMES(BWD_FILTER, X, DW, DY);
    if (d->type == CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR) return forward;
    return d->type == CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR ? data : filter;
}

static Convolution convolution_of(const Descriptor *d)
{
    const int *names = names_of(d);
    const Descriptor *conv = part(d, names[0]);
    const int64_t *padding = value<int64_t>(conv, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS);
    const int64_t *stride = value<int64_t>(conv, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES);
    return {{image_of(part(d, names[1])), image_of(part(d, names[2])), image_of(part(d, names[3]))},
            d->type == CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR         ? Y
            : d->type == CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR ? X
                                                                                      : W,
            {padding[0], padding[1]},
            {stride[0], stride[1]},
            *value<float>(d, names[4]),
            *value<float>(d, names[5])};
}

static const char *fault_of_operation(const Descriptor *d)
{
    const Convolution c = convolution_of(d);
    const Image &x = c.tensor[X], &w = c.tensor[W], &y = c.tensor[Y];
    if (x.n != y.n || x.c != w.c || y.c != w.n) return "the tensors' batch or channels do not fit";
    if (y.h != (x.h + 2 * c.padding[0] - w.h) / c.stride[0] + 1 ||
        y.w != (x.w + 2 * c.padding[1] - w.w) / c.stride[1] + 1)
        return "y has another size than x, kernel, padding and stride give";
    if (x.type != w.type || x.type != y.type) return "the tensors have different types";
    return x.id == w.id || x.id == y.id || w.id == y.id ? "two tensors have one id" : NULL;
}

static bool can_run(const Descriptor *config)
{
    const Descriptor *engine = part(config, CUDNN_ATTR_ENGINECFG_ENGINE);
    return engines[*value<int64_t>(engine, CUDNN_ATTR_ENGINE_GLOBAL_INDEX)].works;
}

cudnnStatus_t cudnnBackendFinalize(cudnnBackendDescriptor_t descriptor)
{
    static const char call[] = "cudnnBackendFinalize";
    Descriptor *d = known(descriptor);
    const char *fault = NULL;
    if (!d || d->finalized) return wrong(call, "it is no descriptor, or destroyed, or finalized");
    for (const Attribute &a : attributes)
        if (a.owner == d->type && !d->values.count(a.name)) return wrong(call, "an attribute is missing");
    if (d->type == CUDNN_BACKEND_TENSOR_DESCRIPTOR) fault = fault_of_tensor(d);
    if (d->type == CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR) fault = fault_of_convolution(d);
    if (is_operation(d)) fault = fault_of_operation(d);
    if (fault) return wrong(call, fault);
    if (d->type == CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR &&
        !can_run(part(d, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG)))
        return CUDNN_STATUS_NOT_SUPPORTED;
    d->finalized = true;
    return CUDNN_STATUS_SUCCESS;
}

/* ---- what can be asked ---- */

template <class T> static cudnnStatus_t answer(void *to, int64_t *count, T v)
{
    *(T *)to = v;
    *count = 1;
    return CUDNN_STATUS_SUCCESS;
}

static Descriptor *new_engine(int64_t number, Descriptor *graph)
{
    Descriptor *engine = make(CUDNN_BACKEND_ENGINE_DESCRIPTOR);
    put(engine, CUDNN_ATTR_ENGINE_GLOBAL_INDEX, &number, sizeof number);
    put_part(engine, CUDNN_ATTR_ENGINE_OPERATION_GRAPH, graph);
    engine->finalized = true;
    return engine;
}

/* Fills descriptors of configurations. */
static cudnnStatus_t configure(const Descriptor *heuristics, int64_t most, int64_t *count, void *values)
{
    const bool fallback =
        *value<cudnnBackendHeurMode_t>(heuristics, CUDNN_ATTR_ENGINEHEUR_MODE) == CUDNN_HEUR_MODE_FALLBACK;
    *count = 0;
    for (int64_t number : fallback ? by_fallback : by_heuristics) {
        Descriptor *config = *count < most ? known(((cudnnBackendDescriptor_t *)values)[*count]) : NULL;
        if (!config || config->type != CUDNN_BACKEND_ENGINECFG_DESCRIPTOR)
            return wrong("cudnnBackendGetAttribute", "no descriptor for a result");
        Descriptor *engine = new_engine(number, part(heuristics, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH));
        put_part(config, CUDNN_ATTR_ENGINECFG_ENGINE, engine);
        leave(engine);
        config->finalized = true;
        ++*count;
    }
    return CUDNN_STATUS_SUCCESS;
}

static cudnnStatus_t engine_of(const Descriptor *config, int64_t *count, void *values)
{
    const Descriptor *engine = part(config, CUDNN_ATTR_ENGINECFG_ENGINE);
    Descriptor *to = known(*(cudnnBackendDescriptor_t *)values);
    if (!to || to->finalized) return wrong("cudnnBackendGetAttribute", "no new descriptor for the engine");
    to->values = engine->values;
    to->parts = engine->parts;
    for (Descriptor *p : to->parts) p->users++;
    to->finalized = true;
    *count = 1;
    return CUDNN_STATUS_SUCCESS;
}

static const Engine &engine_in(const Descriptor *d)
{
    return engines[*value<int64_t>(d, CUDNN_ATTR_ENGINE_GLOBAL_INDEX)];
}

static const Descriptor *engine_of_plan(const Descriptor *plan)
{
    return part(part(plan, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG), CUDNN_ATTR_ENGINECFG_ENGINE);
}

cudnnStatus_t cudnnBackendGetAttribute(const cudnnBackendDescriptor_t descriptor, cudnnBackendAttributeName_t name,
                                       cudnnBackendAttributeType_t, int64_t requested, int64_t *count, void *values)
{
    const Descriptor *d = finished(descriptor);
    if (!d) return wrong("cudnnBackendGetAttribute", "the descriptor is not finalized");
    switch (name) {
    case CUDNN_ATTR_ENGINEHEUR_RESULTS: return configure(d, requested, count, values);
    case CUDNN_ATTR_ENGINECFG_ENGINE: return engine_of(d, count, values);
    case CUDNN_ATTR_ENGINE_GLOBAL_INDEX: return answer(values, count, *value<int64_t>(d, name));
    case CUDNN_ATTR_OPERATIONGRAPH_ENGINE_GLOBAL_COUNT: return answer(values, count, (int64_t)ENGINES);
    case CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE: return answer(values, count, engine_in(engine_of_plan(d)).workspace);
    case CUDNN_ATTR_ENGINE_NUMERICAL_NOTE:
        *count = 0;
        for (cudnnBackendNumericalNote_t note : engine_in(d).notes)
            if (*count < requested) ((cudnnBackendNumericalNote_t *)values)[(*count)++] = note;
        return CUDNN_STATUS_SUCCESS;
    default: return wrong("cudnnBackendGetAttribute", "the double does not answer this");
    }
}

const char *cudnnGetErrorString(cudnnStatus_t status)
{
    return status == CUDNN_STATUS_SUCCESS         ? "CUDNN_STATUS_SUCCESS"
           : status == CUDNN_STATUS_NOT_SUPPORTED ? "CUDNN_STATUS_NOT_SUPPORTED"
                                                  : "CUDNN_STATUS_BAD_PARAM";
}

cudnnStatus_t cudnnCreate(cudnnHandle_t *handle)
{
    *handle = new cudnnContext{NULL};
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnDestroy(cudnnHandle_t handle)
{
    if (handle->stream) return wrong("cudnnDestroy", "the handle still has a stream, which may have been destroyed");
    delete handle;
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnSetStream(cudnnHandle_t handle, cudaStream_t stream)
{
    handle->stream = stream;
    return CUDNN_STATUS_SUCCESS;
}

/* ---- running ---- */

struct Call {
    Convolution c;
    void *memory[TENSORS], *workspace;
    size_t workspace_bytes;
    bool tf32;
};

static float number_at(const Call &call, int tensor, int64_t i)
{
    const void *p = call.memory[tensor];
    if (call.c.tensor[tensor].type == CUDNN_DATA_BFLOAT16) return __bfloat162float(((const __nv_bfloat16 *)p)[i]);
    return call.tf32 ? emu_to_tf32(((const float *)p)[i]) : ((const float *)p)[i];
}

/* Adds the products of one pixel of y, one of x and one of the kernel to the sums of the result. */
static void add_pixel(const Call &call, std::vector<double> &sums, const int64_t first[TENSORS])
{
    const Convolution &c = call.c;
    for (int64_t o = 0; o < c.tensor[Y].c; o++)
        for (int64_t k = 0; k < c.tensor[X].c; k++) {
            const int64_t kernel = c.tensor[W].h * c.tensor[W].w * c.tensor[W].c;
            const int64_t at[TENSORS] = {first[X] + k, first[W] + o * kernel + k, first[Y] + o};
            double product = 1;
            for (int t = 0; t < TENSORS; t++)
                if (t != c.result) product *= (double)number_at(call, t, at[t]);
            sums[(size_t)at[c.result]] += product;
        }
}

static void add_row(const Call &call, std::vector<double> &sums, int64_t n, int64_t i, int64_t u)
{
    const Convolution &c = call.c;
    const Image &x = c.tensor[X], &w = c.tensor[W], &y = c.tensor[Y];
    const int64_t row = i * c.stride[0] + u - c.padding[0];
    if (row < 0 || row >= x.h) return;
    for (int64_t j = 0; j < y.w; j++)
        for (int64_t v = 0; v < w.w; v++) {
            const int64_t column = j * c.stride[1] + v - c.padding[1];
            const int64_t first[TENSORS] = {x.at(n, row, column), w.at(0, u, v), y.at(n, i, j)};
            if (column >= 0 && column < x.w) add_pixel(call, sums, first);
        }
}

static void convolve(const Call &call)
{
    const Convolution &c = call.c;
    const Image &result = c.tensor[c.result];
    std::vector<double> sums((size_t)result.count());
    for (int64_t n = 0; n < c.tensor[Y].n; n++)
        for (int64_t i = 0; i < c.tensor[Y].h; i++)
            for (int64_t u = 0; u < c.tensor[W].h; u++) add_row(call, sums, n, i, u);
    for (int64_t i = 0; i < result.count(); i++) {
        float *f = (float *)call.memory[c.result];
        __nv_bfloat16 *b = (__nv_bfloat16 *)call.memory[c.result];
        const bool single = result.type == CUDNN_DATA_FLOAT;
        double sum = (double)c.alpha * sums[(size_t)i];
        if (c.beta != 0) sum += (double)c.beta * (double)(single ? f[i] : __bfloat162float(b[i]));
        if (single) f[i] = (float)sum;
        else b[i] = __float2bfloat16_rn((float)sum);
    }
}

static void run(const Call &call)
{
    const Convolution &c = call.c;
    bool fits = true;
    for (int t = 0; t < TENSORS; t++)
        if (t != c.result || c.beta != 0) fits = fits && emu_touch(call.memory[t], c.tensor[t].bytes(), false);
    fits = fits && emu_touch(call.workspace, call.workspace_bytes, true);
    if (!fits || !emu_touch(call.memory[c.result], c.tensor[c.result].bytes(), true)) return;
    memset(call.workspace, 0xff, call.workspace_bytes);
    convolve(call);
}

static bool has(const Engine &engine, cudnnBackendNumericalNote_t note)
{
    for (cudnnBackendNumericalNote_t n : engine.notes)
        if (n == note) return true;
    return false;
}

/* The memory of the tensors, by their ids. */
static const char *find_memory(Call *call, const Descriptor *pack)
{
    const int64_t *ids = value<int64_t>(pack, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS);
    void *const *pointers = value<void *>(pack, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS);
    for (int t = 0; t < TENSORS; t++) {
        for (int i = 0; i < TENSORS; i++)
            if (ids[i] == call->c.tensor[t].id) call->memory[t] = pointers[i];
        if (!call->memory[t]) return "a tensor has no memory";
        if ((uintptr_t)call->memory[t] % (uintptr_t)call->c.tensor[t].alignment)
            return "the memory of a tensor is less aligned than its description says";
    }
    call->workspace = *value<void *>(pack, CUDNN_ATTR_VARIANT_PACK_WORKSPACE);
    return call->workspace ? NULL : "the plan needs workspace, and has none";
}

cudnnStatus_t cudnnBackendExecute(cudnnHandle_t handle, cudnnBackendDescriptor_t plan_, cudnnBackendDescriptor_t pack_)
{
    static const char call[] = "cudnnBackendExecute";
    const Descriptor *plan = finished(plan_), *pack = finished(pack_);
    if (!handle || !plan || !pack)
        return wrong(call, "no handle, or a plan or pack that is not finalized, or destroyed");
    const Descriptor *description = engine_of_plan(plan);
    const Engine &engine = engine_in(description);
    if (has(engine, CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC))
        return wrong(call, "the plan's engine adds in an order that is not fixed");
    const Descriptor *graph = part(description, CUDNN_ATTR_ENGINE_OPERATION_GRAPH);
    Call convolution = {convolution_of(part(graph, CUDNN_ATTR_OPERATIONGRAPH_OPS)),
                        {NULL},
                        NULL,
                        (size_t)engine.workspace,
                        has(engine, CUDNN_NUMERICAL_NOTE_TENSOR_CORE)};
    const char *fault = find_memory(&convolution, pack);
    if (fault) return wrong(call, fault);
    emu_enqueue(handle->stream, [=] { run(convolution); });
    return CUDNN_STATUS_SUCCESS;
}
