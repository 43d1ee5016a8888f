/* Products by cuBLASLt's double: right numbers; and each description and call that is wrong on purpose is reported. */
#include <cublasLt.h>
#include <math.h>

extern "C" {
#include "network/cuda/product.h"
}
#include "judge.h"

/* c (5,7) = a (5,6) b (6,7). Rows are a multiple of 16 bytes apart, so that there is a plan for aligned operands. */
enum { ROWS = 5, DEPTH = 6, COLUMNS = 7, PITCH = 8, WORKSPACE = 2048, CALL_WORKSPACE = 1000 };
static const GpuProductShape shape = {.rows = ROWS,
                                      .depth = DEPTH,
                                      .columns = COLUMNS,
                                      .a = {PITCH, DTYPE_F32, false},
                                      .b = {PITCH, DTYPE_F32, false},
                                      .c = {PITCH, DTYPE_F32, false}};

struct Memory {
    Floats host[3]; /* a, b, c */
    float *a, *b, *c;
    char *workspace;
    Memory() : host{values(ROWS * PITCH, 1), values(DEPTH * PITCH, 2), values(ROWS * PITCH, 3)}
    {
        a = upload(host[0]);
        b = upload(host[1]);
        c = upload(host[2]);
        workspace = (char *)device(WORKSPACE / sizeof(float));
        wait();
    }
    ~Memory()
    {
        for (void *p : {(void *)a, (void *)b, (void *)c, (void *)workspace}) cudaFree(p);
    }
};

static bool runs(const GpuProductShape &s, const float *a, const float *b, float *c, void *workspace)
{
    GpuProduct *p;
    Err e = {ERR_NONE, ""};
    if (gpu_product_new(&p, &s, &e)) return false;
    gpu_product_run(p, a, b, NULL, c, workspace, &e);
    wait();
    gpu_product_free(p);
    return !e.code;
}

/* The largest difference from the sums in double; what is between the rows must stay as it was. */
static double error(const Memory &m, bool accumulated)
{
    Floats found(ROWS * PITCH);
    double worst = 0;
    cudaMemcpyAsync(found.data(), m.c, found.size() * sizeof(float), cudaMemcpyDeviceToHost, NULL);
    wait();
    for (size_t i = 0; i < ROWS; i++)
        for (size_t j = 0; j < PITCH; j++) {
            double sum = accumulated || j >= COLUMNS ? (double)m.host[2][i * PITCH + j] : 0;
            for (size_t k = 0; k < DEPTH && j < COLUMNS; k++)
                sum += (double)m.host[0][i * PITCH + k] * (double)m.host[1][k * PITCH + j];
            worst = fmax(worst, fabs(sum - (double)found[i * PITCH + j]));
        }
    return worst;
}

static void numbers(bool accumulate)
{
    const Memory m;
    GpuProductShape s = shape;
    s.accumulate = accumulate;
    const bool ran = runs(s, m.a, m.b, m.c, m.workspace);
    judge(accumulate ? "product, accumulated" : "product", true, !ran || !(error(m, accumulate) <= 1e-6), NULL);
}

/* Operands of 10 bits: neither exact, nor worse. */
static void tf32_numbers()
{
    const Memory m;
    GpuProductShape s = shape;
    s.tf32 = true;
    const bool ran = runs(s, m.a, m.b, m.c, m.workspace);
    const double e = error(m, false);
    judge("product in TF32", true, !ran || e <= 1e-6 || !(e <= 1e-2), NULL);
}

/* ---- wrong descriptions and memory ---- */

static void overlapping_rows(bool sound)
{
    const Memory m;
    GpuProductShape s = shape;
    if (!sound) s.b.pitch = COLUMNS - 1;
    runs(s, m.a, m.b, m.c, m.workspace);
    judge("rows that overlap", sound, false, "leading dimension");
}

static void tf32_of_bfloat16(bool sound)
{
    const Memory m;
    GpuProductShape s = shape;
    s.tf32 = true;
    if (!sound) s.a.dtype = s.b.dtype = DTYPE_BF16;
    runs(s, m.a, m.b, m.c, m.workspace);
    judge("TF32 of bfloat16", sound, false, "not float32");
}

static void mixed_types(bool sound)
{
    const Memory m;
    GpuProductShape s = shape;
    if (!sound) s.a.dtype = DTYPE_BF16;
    runs(s, m.a, m.b, m.c, m.workspace);
    judge("operands of different types", sound, false, "different types");
}

static void no_workspace(bool sound)
{
    const Memory m;
    runs(shape, m.a, m.b, m.c, sound ? m.workspace : NULL);
    judge("workspace missing", sound, false, "workspace is too small");
}

static void short_workspace(bool sound)
{
    const Memory m;
    runs(shape, m.a, m.b, m.c, sound ? m.workspace : m.workspace + WORKSPACE - 512);
    judge("workspace that ends too early", sound, false, "not all device memory");
}

static void misaligned_workspace(bool sound)
{
    const Memory m;
    runs(shape, m.a, m.b, m.c, sound ? m.workspace : m.workspace + 64);
    judge("workspace that is not aligned", sound, false, "not aligned to 256");
}

static void short_operand(bool sound)
{
    const Memory m;
    runs(shape, m.a, sound ? m.b : m.b + 4 * PITCH, m.c, m.workspace);
    judge("memory of an operand too small", sound, false, "not all device memory");
}

static void never_written(bool sound)
{
    const Memory m;
    if (!sound) emu_forget(m.a + PITCH, sizeof(float));
    runs(shape, m.a, m.b, m.c, m.workspace);
    judge("operand read before it is written", sound, false, "never written");
}

/* c is an input of the node; then a product must not write there. */
static void input_written(bool sound)
{
    const Memory m;
    const DeviceRegion regions[] = {{m.a, DEPTH * sizeof(float), PITCH * sizeof(float), ROWS, false},
                                    {m.b, COLUMNS * sizeof(float), PITCH * sizeof(float), DEPTH, false},
                                    {m.c, COLUMNS * sizeof(float), PITCH * sizeof(float), ROWS, sound},
                                    {m.workspace, WORKSPACE, 0, 1, true}};
    emu_begin_node(regions, 4);
    runs(shape, m.a, m.b, m.c, m.workspace);
    emu_end_node();
    judge("a product writes to an input", sound, false, "outside of what the node may access");
}

/* ---- wrong calls ---- */

/* A product without transposition as cuBLASLt sees it: column-major, so that b is its A. */
struct Call {
    cublasLtHandle_t handle;
    cublasLtMatmulDesc_t operation;
    cublasLtMatrixLayout_t a, b, c;
    cublasLtMatmulPreference_t preference;
    cublasLtMatmulHeuristicResult_t result;
    explicit Call(uint64_t depth = DEPTH)
    {
        const size_t workspace = WORKSPACE;
        const uint32_t scheme = CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE, alignment = 16;
        cublasLtCreate(&handle);
        cublasLtMatmulDescCreate(&operation, CUBLAS_COMPUTE_32F, CUDA_R_32F);
        cublasLtMatrixLayoutCreate(&a, CUDA_R_32F, COLUMNS, depth, PITCH);
        cublasLtMatrixLayoutCreate(&b, CUDA_R_32F, DEPTH, ROWS, PITCH);
        cublasLtMatrixLayoutCreate(&c, CUDA_R_32F, COLUMNS, ROWS, PITCH);
        cublasLtMatmulPreferenceCreate(&preference);
        prefer(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &workspace, sizeof workspace);
        prefer(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, &scheme, sizeof scheme);
        for (int i = CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES; i <= CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES; i++)
            prefer((cublasLtMatmulPreferenceAttributes_t)i, &alignment, sizeof alignment);
        result = {};
    }
    ~Call()
    {
        cublasLtMatmulPreferenceDestroy(preference);
        for (cublasLtMatrixLayout_t l : {a, b, c}) cublasLtMatrixLayoutDestroy(l);
        cublasLtMatmulDescDestroy(operation);
        cublasLtDestroy(handle);
    }
    void prefer(cublasLtMatmulPreferenceAttributes_t attribute, const void *value, size_t bytes)
    {
        cublasLtMatmulPreferenceSetAttribute(preference, attribute, value, bytes);
    }
    void plan()
    {
        int found = 0;
        cublasLtMatmulAlgoGetHeuristic(handle, operation, a, b, c, c, preference, 1, &result, &found);
    }
    void run(const Memory &m, const float *first)
    {
        const float one = 1, zero = 0;
        cublasLtMatmul(handle, operation, &one, m.b, a, first, b, &zero, m.c, c, m.c, c, &result.algo, m.workspace,
                       CALL_WORKSPACE, NULL);
        wait();
    }
};

static void order_left_open(bool sound)
{
    Call call;
    const uint32_t any = 7;
    if (!sound) call.prefer(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, &any, sizeof any);
    call.plan();
    judge("order of sums left open", sound, false, "order that is not fixed");
}

static void unfitting_matrices(bool sound)
{
    Call call(sound ? DEPTH : DEPTH + 1);
    call.plan();
    judge("matrices that do not fit", sound, false, "A's columns are not B's rows");
}

static void misaligned_operand(bool sound)
{
    const Memory m;
    Call call;
    call.plan();
    call.run(m, sound ? m.a : m.a + 1);
    judge("operand less aligned than its plan", sound, false, "less aligned");
}

static void foreign_algorithm(bool sound)
{
    const Memory m;
    Call call;
    if (sound) call.plan();
    call.run(m, m.a);
    judge("algorithm that is not of the heuristic", sound, false, "none of the heuristic's");
}

static void bias_without_address(bool sound)
{
    const Memory m;
    Call call;
    const cublasLtEpilogue_t epilogue = CUBLASLT_EPILOGUE_BIAS;
    const void *bias = m.b;
    cublasLtMatmulDescSetAttribute(call.operation, CUBLASLT_MATMUL_DESC_EPILOGUE, &epilogue, sizeof epilogue);
    if (sound) cublasLtMatmulDescSetAttribute(call.operation, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &bias, sizeof bias);
    call.plan();
    call.run(m, m.a);
    judge("bias without an address", sound, false, "no bias");
}

static void wrong_attribute_size(bool sound)
{
    Call call;
    const uint64_t epilogue = CUBLASLT_EPILOGUE_DEFAULT;
    cublasLtMatmulDescSetAttribute(call.operation, CUBLASLT_MATMUL_DESC_EPILOGUE, &epilogue, sound ? 4 : 8);
    judge("attribute of the wrong size", sound, false, "not the attribute's");
}

static void (*const calls[])(bool sound) = {
    overlapping_rows,     tf32_of_bfloat16,   mixed_types,       no_workspace,         short_workspace,
    misaligned_workspace, short_operand,      never_written,     input_written,        order_left_open,
    unfitting_matrices,   misaligned_operand, foreign_algorithm, bias_without_address, wrong_attribute_size,
};

int main()
{
    for (int accumulate = 0; accumulate < 2; accumulate++) numbers((bool)accumulate);
    tf32_numbers();
    for (int sound = 0; sound < 2; sound++)
        for (auto call : calls) call(sound);
    judge("all memory is given back", true, emu_live_bytes() > 0, NULL);
    printf("1..%d\n", results);
    return failures > 0;
}
