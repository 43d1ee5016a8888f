/* Convolutions by cuDNN's double: right numbers; and each description and call that is wrong on purpose is reported. */
#include <math.h>

extern "C" {
#include "network/cuda/cudnn_plan.h"
}
#include "judge.h"

/* ---- a convolution and its memory ---- */

static const GpuConvolutionShape shape = {.result = GPU_CONVOLUTION_Y,
                                          .x = {2, 9, 11, 5},
                                          .y = {2, 5, 6, 7},
                                          .kernel = {3, 3},
                                          .stride = {2, 2},
                                          .padding = {1, 1},
                                          .dtype = DTYPE_F32};
enum { X_COUNT = 2 * 9 * 11 * 5, W_COUNT = 7 * 9 * 5, Y_COUNT = 2 * 5 * 6 * 7, WORKSPACE = 2048 };
static const size_t counts[] = {Y_COUNT, X_COUNT, W_COUNT}; /* by result */
static const char *const passes[] = {"y", "x", "w"};

struct Memory {
    Floats host[3]; /* x, w, y */
    float *x, *w, *y;
    char *workspace;
    Memory() : host{values(X_COUNT, 1), values(W_COUNT, 2), values(Y_COUNT, 3)}
    {
        x = upload(host[0]);
        w = upload(host[1]);
        y = upload(host[2]);
        workspace = (char *)device(WORKSPACE / sizeof(float));
        wait();
    }
    ~Memory()
    {
        for (void *p : {(void *)x, (void *)w, (void *)y, (void *)workspace}) cudaFree(p);
    }
    Floats result(GpuConvolutionResult which) const
    {
        Floats f(counts[which]);
        const float *from = which == GPU_CONVOLUTION_Y ? y : which == GPU_CONVOLUTION_X ? x : w;
        cudaMemcpyAsync(f.data(), from, f.size() * sizeof(float), cudaMemcpyDeviceToHost, NULL);
        wait();
        return f;
    }
};

static GpuConvolutionShape shape_for(GpuConvolutionResult result, bool accumulate)
{
    GpuConvolutionShape s = shape;
    s.result = result;
    s.accumulate = accumulate;
    return s;
}

static bool runs(const GpuConvolutionShape &s, const float *x, const float *w, const float *y, void *workspace)
{
    GpuConvolution *c;
    Err e = {ERR_NONE, ""};
    if (gpu_convolution_new(&c, &s, &e)) return false;
    gpu_convolution_run(c, x, w, y, workspace, &e);
    wait();
    gpu_convolution_free(c);
    return !e.code;
}

/* ---- numbers ---- */

static void add_products(std::vector<double> &sums, const Memory &m, GpuConvolutionResult result, int n, int i, int j,
                         int u, int v)
{
    const int row = 2 * i + u - 1, column = 2 * j + v - 1;
    if (row < 0 || column < 0 || row >= 9 || column >= 11) return;
    for (int o = 0; o < 7; o++)
        for (int k = 0; k < 5; k++) {
            const size_t x = (size_t)(((n * 9 + row) * 11 + column) * 5 + k),
                         w = (size_t)(((o * 3 + u) * 3 + v) * 5 + k);
            const size_t y = (size_t)(((n * 5 + i) * 6 + j) * 7 + o);
            const double fx = (double)m.host[0][x], fw = (double)m.host[1][w], fy = (double)m.host[2][y];
            if (result == GPU_CONVOLUTION_Y) sums[y] += fx * fw;
            if (result == GPU_CONVOLUTION_X) sums[x] += fy * fw;
            if (result == GPU_CONVOLUTION_W) sums[w] += fx * fy;
        }
}

static std::vector<double> expected(const Memory &m, GpuConvolutionResult result, bool accumulate)
{
    static const int host_of[] = {2, 0, 1};
    std::vector<double> sums(counts[result]);
    for (int n = 0; n < 2; n++)
        for (int i = 0; i < 5; i++)
            for (int j = 0; j < 6; j++)
                for (int tap = 0; tap < 9; tap++) add_products(sums, m, result, n, i, j, tap / 3, tap % 3);
    for (size_t i = 0; accumulate && i < sums.size(); i++) sums[i] += (double)m.host[host_of[result]][i];
    return sums;
}

static bool differ(const Floats &found, const std::vector<double> &sums, double bound)
{
    double worst = 0;
    for (size_t i = 0; i < sums.size(); i++) worst = fmax(worst, fabs((double)found[i] - sums[i]));
    return !(worst <= bound);
}

static void numbers(GpuConvolutionResult pass, bool accumulate)
{
    char name[64];
    const Memory m;
    const std::vector<double> sums = expected(m, pass, accumulate);
    const bool ran = runs(shape_for(pass, accumulate), m.x, m.w, m.y, m.workspace);
    snprintf(name, sizeof name, "%s of a convolution%s", passes[pass], accumulate ? ", accumulated" : "");
    judge(name, true, !ran || differ(m.result(pass), sums, 1e-5), NULL);
}

/* Operands of 10 bits: neither exact, nor worse. */
static void tf32_numbers()
{
    const Memory m;
    const std::vector<double> sums = expected(m, GPU_CONVOLUTION_Y, false);
    GpuConvolutionShape s = shape;
    s.tf32 = true;
    const bool ran = runs(s, m.x, m.w, m.y, m.workspace);
    const Floats y = m.result(GPU_CONVOLUTION_Y);
    judge("y of a convolution in TF32", true, !ran || !differ(y, sums, 1e-5) || differ(y, sums, 1e-2), NULL);
}

/* ---- wrong calls ---- */

static void no_workspace(bool sound)
{
    const Memory m;
    runs(shape, m.x, m.w, m.y, sound ? m.workspace : NULL);
    judge("workspace missing", sound, false, "needs workspace");
}

static void short_workspace(bool sound)
{
    const Memory m;
    runs(shape, m.x, m.w, m.y, sound ? m.workspace : m.workspace + WORKSPACE - 512);
    judge("workspace too small", sound, false, "not all device memory");
}

static void short_tensor(bool sound)
{
    const Memory m;
    runs(shape, m.x, m.w, sound ? m.y : m.y + 4, m.workspace);
    judge("memory of a tensor too small", sound, false, "not all device memory");
}

static void misaligned(bool sound)
{
    const Memory m;
    runs(shape, sound ? m.x : m.x + 1, m.w, m.y, m.workspace);
    judge("misaligned tensor", sound, false, "less aligned");
}

static void never_written(bool sound)
{
    const Memory m;
    if (!sound) emu_forget(m.w + 10, sizeof(float));
    runs(shape, m.x, m.w, m.y, m.workspace);
    judge("weights read before they are written", sound, false, "never written");
}

/* As an executor's node that forgot its workspace. */
static void foreign_workspace(bool sound)
{
    const Memory m;
    const DeviceRegion regions[] = {{m.x, X_COUNT * sizeof(float), 0, 1, false},
                                    {m.w, W_COUNT * sizeof(float), 0, 1, false},
                                    {m.y, Y_COUNT * sizeof(float), 0, 1, true},
                                    {m.workspace, WORKSPACE, 0, 1, true}};
    emu_begin_node(regions, sound ? 4 : 3);
    runs(shape, m.x, m.w, m.y, m.workspace);
    emu_end_node();
    judge("workspace of another node", sound, false, "outside of what the node may access");
}

static void wrong_size(bool sound)
{
    const Memory m;
    GpuConvolutionShape s = shape;
    if (!sound) s.padding[1] = 0;
    runs(s, m.x, m.w, m.y, m.workspace);
    judge("padding forgotten", sound, false, "another size");
}

static void wrong_batch(bool sound)
{
    const Memory m;
    GpuConvolutionShape s = shape;
    if (!sound) s.y.n = 1;
    runs(s, m.x, m.w, m.y, m.workspace);
    judge("batches of different sizes", sound, false, "do not fit");
}

/* ---- wrong descriptors ---- */

static const int64_t sizes[4] = {2, 5, 9, 11}, channels_last[4] = {495, 1, 55, 5}, channels_first[4] = {495, 99, 11, 1};

static cudnnBackendDescriptor_t new_tensor(const int64_t *strides, bool typed)
{
    cudnnBackendDescriptor_t d;
    const int64_t id = 'x', alignment = 16;
    const cudnnDataType_t type = CUDNN_DATA_FLOAT;
    cudnnBackendCreateDescriptor(CUDNN_BACKEND_TENSOR_DESCRIPTOR, &d);
    if (typed) cudnnBackendSetAttribute(d, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &type);
    cudnnBackendSetAttribute(d, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, 4, sizes);
    cudnnBackendSetAttribute(d, CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, 4, strides);
    cudnnBackendSetAttribute(d, CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, 1, &id);
    cudnnBackendSetAttribute(d, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, 1, &alignment);
    return d;
}

static void wrong_layout(bool sound)
{
    cudnnBackendDescriptor_t d = new_tensor(sound ? channels_last : channels_first, true);
    cudnnBackendFinalize(d);
    cudnnBackendDestroyDescriptor(d);
    judge("channels are not innermost", sound, false, "not those of N,H,W,C");
}

static void attribute_missing(bool sound)
{
    cudnnBackendDescriptor_t d = new_tensor(channels_last, sound);
    cudnnBackendFinalize(d);
    cudnnBackendDestroyDescriptor(d);
    judge("attribute missing", sound, false, "an attribute is missing");
}

static void wrong_count(bool sound)
{
    cudnnBackendDescriptor_t d;
    cudnnBackendCreateDescriptor(CUDNN_BACKEND_TENSOR_DESCRIPTOR, &d);
    cudnnBackendSetAttribute(d, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, sound ? 4 : 3, sizes);
    cudnnBackendDestroyDescriptor(d);
    judge("attribute of the wrong count", sound, false, "another type or count");
}

static void foreign_attribute(bool sound)
{
    cudnnBackendDescriptor_t d;
    cudnnBackendCreateDescriptor(CUDNN_BACKEND_TENSOR_DESCRIPTOR, &d);
    cudnnBackendSetAttribute(d, sound ? CUDNN_ATTR_TENSOR_UNIQUE_ID : CUDNN_ATTR_ENGINE_GLOBAL_INDEX, CUDNN_TYPE_INT64,
                             1, sizes);
    cudnnBackendDestroyDescriptor(d);
    judge("attribute of another descriptor", sound, false, "no such attribute");
}

static void set_too_late(bool sound)
{
    cudnnBackendDescriptor_t d = new_tensor(channels_last, true);
    cudnnBackendFinalize(d);
    if (!sound) cudnnBackendSetAttribute(d, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, 4, sizes);
    cudnnBackendDestroyDescriptor(d);
    judge("attribute set after the descriptor is finalized", sound, false, "is finalized");
}

static void destroyed_twice(bool sound)
{
    cudnnBackendDescriptor_t d = new_tensor(channels_last, true);
    cudnnBackendDestroyDescriptor(d);
    if (!sound) cudnnBackendDestroyDescriptor(d);
    judge("descriptor destroyed twice", sound, false, "or destroyed");
}

static void descriptor_kept(bool sound)
{
    const int before = emu_cudnn_descriptors();
    cudnnBackendDescriptor_t d = new_tensor(channels_last, true);
    if (sound) cudnnBackendDestroyDescriptor(d);
    const bool kept = emu_cudnn_descriptors() != before;
    if (!sound) cudnnBackendDestroyDescriptor(d);
    judge("descriptor not destroyed", sound, kept, NULL);
}

/* ---- plans of engines that are not to be taken ---- */

struct Handle {
    cudnnHandle_t handle;
    cudnnBackendDescriptor_t gpu;
    Handle()
    {
        cudnnCreate(&handle);
        cudnnBackendCreateDescriptor(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR, &gpu);
        cudnnBackendSetAttribute(gpu, CUDNN_ATTR_DEVICEPROP_HANDLE, CUDNN_TYPE_HANDLE, 1, &handle);
        cudnnBackendFinalize(gpu);
    }
    ~Handle()
    {
        cudnnBackendDestroyDescriptor(gpu);
        cudnnDestroy(handle);
    }
};

static void execute(const Handle &h, cudnnBackendDescriptor_t plan, const Memory &m)
{
    const int64_t ids[] = {CUDNN_PLAN_X, CUDNN_PLAN_W, CUDNN_PLAN_Y};
    const void *pointers[] = {m.x, m.w, m.y}, *workspace = m.workspace;
    cudnnBackendDescriptor_t pack;
    cudnnBackendCreateDescriptor(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR, &pack);
    cudnnBackendSetAttribute(pack, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, 3, ids);
    cudnnBackendSetAttribute(pack, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, 3, pointers);
    cudnnBackendSetAttribute(pack, CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1, &workspace);
    cudnnBackendFinalize(pack);
    cudnnBackendExecute(h.handle, plan, pack);
    cudnnBackendDestroyDescriptor(pack);
    wait();
}

/* Runs a plan of the engine with the given number. */
static void run_engine(int64_t number, const Memory &m)
{
    const Handle h;
    CudnnPlan sound;
    cudnnBackendDescriptor_t engine, config, plan;
    cudnn_plan_new(&sound, &shape, h.gpu, NULL);
    cudnnBackendCreateDescriptor(CUDNN_BACKEND_ENGINE_DESCRIPTOR, &engine);
    cudnnBackendSetAttribute(engine, CUDNN_ATTR_ENGINE_OPERATION_GRAPH, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1,
                             &sound.parts[CUDNN_PART_GRAPH]);
    cudnnBackendSetAttribute(engine, CUDNN_ATTR_ENGINE_DEVICEPROP, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &h.gpu);
    cudnnBackendSetAttribute(engine, CUDNN_ATTR_ENGINE_GLOBAL_INDEX, CUDNN_TYPE_INT64, 1, &number);
    cudnnBackendFinalize(engine);
    cudnnBackendCreateDescriptor(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, &config);
    cudnnBackendSetAttribute(config, CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &engine);
    cudnnBackendFinalize(config);
    cudnnBackendCreateDescriptor(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR, &plan);
    cudnnBackendSetAttribute(plan, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &config);
    cudnnBackendSetAttribute(plan, CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &h.gpu);
    cudnnBackendFinalize(plan);
    execute(h, plan, m);
    for (cudnnBackendDescriptor_t d : {plan, config, engine}) cudnnBackendDestroyDescriptor(d);
    cudnn_plan_free(&sound);
}

/* The double's engines (cudnn.cc). */
enum { ENGINE_SOUND, ENGINE_NONDETERMINISTIC, ENGINE_TENSOR_CORES };

static void order_not_fixed(bool sound)
{
    const Memory m;
    run_engine(sound ? ENGINE_SOUND : ENGINE_NONDETERMINISTIC, m);
    judge("engine that is not deterministic", sound, false, "order that is not fixed");
}

static void rounded_to_tf32(bool sound)
{
    const Memory m;
    run_engine(sound ? ENGINE_SOUND : ENGINE_TENSOR_CORES, m);
    judge("float32 rounded to TF32", sound,
          differ(m.result(GPU_CONVOLUTION_Y), expected(m, GPU_CONVOLUTION_Y, false), 1e-5), NULL);
}

static void plan_after_free(bool sound)
{
    const Memory m;
    const Handle h;
    CudnnPlan plan;
    cudnn_plan_new(&plan, &shape, h.gpu, NULL);
    const cudnnBackendDescriptor_t d = plan.parts[CUDNN_PART_PLAN];
    if (!sound) cudnn_plan_free(&plan);
    execute(h, d, m);
    cudnn_plan_free(&plan);
    judge("plan used after it is freed", sound, false, "or destroyed");
}

static void stream_kept(bool sound)
{
    cudnnHandle_t handle;
    cudaStream_t stream;
    cudnnCreate(&handle);
    cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking);
    cudnnSetStream(handle, stream);
    cudaStreamDestroy(stream);
    if (sound) cudnnSetStream(handle, NULL);
    cudnnDestroy(handle);
    judge("handle with a stream that was destroyed", sound, false, "still has a stream");
}

static void (*const calls[])(bool sound) = {
    no_workspace,    foreign_workspace, short_workspace, short_tensor,    misaligned,
    never_written,   wrong_size,        wrong_batch,     wrong_layout,    attribute_missing,
    wrong_count,     foreign_attribute, set_too_late,    destroyed_twice, descriptor_kept,
    order_not_fixed, rounded_to_tf32,   plan_after_free, stream_kept,
};

int main()
{
    for (int pass = 0; pass < 3; pass++)
        for (int accumulate = 0; accumulate < 2; accumulate++) numbers((GpuConvolutionResult)pass, (bool)accumulate);
    tf32_numbers();
    for (int sound = 0; sound < 2; sound++)
        for (auto call : calls) call(sound);
    judge("all descriptors and memory are given back", true, emu_cudnn_descriptors() || emu_live_bytes(), NULL);
    printf("1..%d\n", results);
    return failures > 0;
}
