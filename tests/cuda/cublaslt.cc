/* A double of cuBLASLt: checks each call as the library would, computes in double, and tells the watch what it reads and
 * writes. A product in TF32 rounds its operands to 10 bits. */
#include <cublasLt.h>
#include <math.h>

#include "cuda_bf16.h"
#include "emu_internal.h"

struct EmuMatmul {
    cublasComputeType_t compute;
    cublasOperation_t a, b;
    cublasLtEpilogue_t epilogue;
    const void *bias;
    cudaDataType_t bias_type;
};
struct EmuLayout {
    cudaDataType_t type;
    uint64_t rows, columns;
    int64_t leading;
};
struct EmuPreference {
    uint32_t schemes, alignment[4]; /* of A, B, C, D */
    size_t workspace;
};
struct cublasLtContext {
    int live;
};

/* What the double asks for: so that a missing workspace is noticed. */
static const size_t WORKSPACE = 1000;
static const uint64_t PLANNED = 0x504c414e;

static cublasStatus_t wrong(const char *call, const char *what)
{
    emu_report("%s: %s", call, what);
    return CUBLAS_STATUS_INVALID_VALUE;
}

cublasStatus_t cublasLtCreate(cublasLtHandle_t *handle)
{
    *handle = new cublasLtContext{1};
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle)
{
    delete handle;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t *operation, cublasComputeType_t compute,
                                        cudaDataType_t scale)
{
    if (scale != CUDA_R_32F) return wrong("cublasLtMatmulDescCreate", "the type of the scale is not that of the sums");
    *operation = new EmuMatmul{compute, CUBLAS_OP_N, CUBLAS_OP_N, CUBLASLT_EPILOGUE_DEFAULT, NULL, CUDA_R_32F};
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t operation)
{
    delete operation;
    return CUBLAS_STATUS_SUCCESS;
}

template <class T> static cublasStatus_t take(T *to, const void *value, size_t bytes)
{
    if (bytes != sizeof *to) return wrong("a cublasLt…SetAttribute", "the size is not the attribute's");
    memcpy(to, value, bytes);
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t operation, cublasLtMatmulDescAttributes_t attribute,
                                              const void *value, size_t bytes)
{
    switch (attribute) {
    case CUBLASLT_MATMUL_DESC_TRANSA: return take(&operation->a, value, bytes);
    case CUBLASLT_MATMUL_DESC_TRANSB: return take(&operation->b, value, bytes);
    case CUBLASLT_MATMUL_DESC_EPILOGUE: return take(&operation->epilogue, value, bytes);
    case CUBLASLT_MATMUL_DESC_BIAS_POINTER: return take(&operation->bias, value, bytes);
    case CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE: return take(&operation->bias_type, value, bytes);
    }
    return wrong("cublasLtMatmulDescSetAttribute", "no such attribute");
}

cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t *layout, cudaDataType_t type, uint64_t rows,
                                          uint64_t columns, int64_t leading)
{
    if (!rows || !columns || leading < (int64_t)rows)
        return wrong("cublasLtMatrixLayoutCreate", "the leading dimension is smaller than a column");
    *layout = new EmuLayout{type, rows, columns, leading};
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t layout)
{
    delete layout;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t *preference)
{
    *preference = new EmuPreference{7, {256, 256, 256, 256}, 0}; /* the library's defaults */
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t preference)
{
    delete preference;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t preference,
                                                    cublasLtMatmulPreferenceAttributes_t attribute, const void *value,
                                                    size_t bytes)
{
    if (attribute == CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES) return take(&preference->workspace, value, bytes);
    if (attribute == CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK) return take(&preference->schemes, value, bytes);
    return take(&preference->alignment[attribute - CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES], value, bytes);
}

static size_t bytes_of(cudaDataType_t type) { return type == CUDA_R_32F ? 4 : 2; }

/* Rows and columns of an operand after the transposition. */
static uint64_t rows_of(const EmuLayout *l, cublasOperation_t op) { return op == CUBLAS_OP_T ? l->columns : l->rows; }
static uint64_t columns_of(const EmuLayout *l, cublasOperation_t op)
{
    return op == CUBLAS_OP_T ? l->rows : l->columns;
}

static const char *mismatch(const EmuMatmul *m, const EmuLayout *a, const EmuLayout *b, const EmuLayout *d)
{
    if (a->type != b->type) return "A and B have different types";
    if (columns_of(a, m->a) != rows_of(b, m->b)) return "A's columns are not B's rows";
    if (rows_of(a, m->a) != d->rows || columns_of(b, m->b) != d->columns) return "D has another shape than A B";
    if (m->compute == CUBLAS_COMPUTE_32F_FAST_TF32 && a->type != CUDA_R_32F)
        return "TF32 of operands that are not float32";
    if (m->epilogue == CUBLASLT_EPILOGUE_BIAS && m->bias_type != d->type) return "the bias has another type than D";
    return NULL;
}

static bool aligned(const EmuLayout *l, uint32_t alignment) { return l->leading * bytes_of(l->type) % alignment == 0; }

cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t handle, cublasLtMatmulDesc_t operation,
                                              cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                              cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                                              cublasLtMatmulPreference_t preference, int most,
                                              cublasLtMatmulHeuristicResult_t results[], int *found)
{
    const char *why = mismatch(operation, a, b, d);
    const EmuPreference *p = preference;
    if (!handle || most < 1) return wrong("cublasLtMatmulAlgoGetHeuristic", "no handle, or no results");
    if (why) return wrong("cublasLtMatmulAlgoGetHeuristic", why);
    if (p->schemes & ~(uint32_t)CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE)
        return wrong("cublasLtMatmulAlgoGetHeuristic", "sums in an order that is not fixed are allowed");
    if (!aligned(a, p->alignment[0]) || !aligned(b, p->alignment[1]) || !aligned(c, p->alignment[2]) ||
        !aligned(d, p->alignment[3]))
        return wrong("cublasLtMatmulAlgoGetHeuristic", "a leading dimension is not aligned as the preference says");
    results[0] = {{{PLANNED, p->alignment[0], p->alignment[1], p->alignment[2], p->alignment[3]}},
                  p->workspace < WORKSPACE ? 0 : WORKSPACE,
                  CUBLAS_STATUS_SUCCESS,
                  1,
                  {0}};
    *found = 1;
    return CUBLAS_STATUS_SUCCESS;
}

/* ---- the product ---- */

struct Call {
    EmuMatmul operation;
    EmuLayout layouts[3];
    const void *a, *b;
    void *d, *workspace;
    float alpha, beta;
    size_t workspace_bytes;
};

static bool touch(const void *p, const EmuLayout &l, bool write)
{
    bool all = true;
    for (uint64_t i = 0; i < l.columns; i++)
        all = all &&
              emu_touch((const char *)p + (size_t)i * l.leading * bytes_of(l.type), l.rows * bytes_of(l.type), write);
    return all;
}

static float number_at(const void *p, cudaDataType_t type, int64_t at)
{
    return type == CUDA_R_32F ? ((const float *)p)[at] : __bfloat162float(((const __nv_bfloat16 *)p)[at]);
}

static float number(const void *p, const EmuLayout &l, int64_t i, int64_t j)
{
    return number_at(p, l.type, j * l.leading + i);
}

static float operand(const Call &c, const void *p, const EmuLayout &l, cublasOperation_t op, int64_t i, int64_t j)
{
    const float f = op == CUBLAS_OP_T ? number(p, l, j, i) : number(p, l, i, j);
    return c.operation.compute == CUBLAS_COMPUTE_32F_FAST_TF32 ? emu_to_tf32(f) : f;
}

static void multiply(const Call &c)
{
    const EmuLayout &la = c.layouts[0], &lb = c.layouts[1], &ld = c.layouts[2];
    const int64_t depth = (int64_t)columns_of(&la, c.operation.a);
    for (int64_t j = 0; j < (int64_t)ld.columns; j++)
        for (int64_t i = 0; i < (int64_t)ld.rows; i++) {
            double sum = 0;
            for (int64_t k = 0; k < depth; k++)
                sum +=
                    (double)operand(c, c.a, la, c.operation.a, i, k) * (double)operand(c, c.b, lb, c.operation.b, k, j);
            sum *= (double)c.alpha;
            if (c.beta != 0) sum += (double)c.beta * (double)number(c.d, ld, i, j);
            if (c.operation.epilogue == CUBLASLT_EPILOGUE_BIAS)
                sum += (double)number_at(c.operation.bias, c.operation.bias_type, i);
            if (ld.type == CUDA_R_32F) ((float *)c.d)[j * ld.leading + i] = (float)sum;
            else ((__nv_bfloat16 *)c.d)[j * ld.leading + i] = __float2bfloat16_rn((float)sum);
        }
}

static void run(const Call &c)
{
    bool fits = touch(c.a, c.layouts[0], false) && touch(c.b, c.layouts[1], false);
    if (c.operation.epilogue == CUBLASLT_EPILOGUE_BIAS)
        fits = fits && emu_touch(c.operation.bias, c.layouts[2].rows * bytes_of(c.layouts[2].type), false);
    if (c.beta != 0) fits = fits && touch(c.d, c.layouts[2], false);
    if (c.workspace_bytes) fits = fits && emu_touch(c.workspace, c.workspace_bytes, true);
    if (!fits || !touch(c.d, c.layouts[2], true)) return;
    memset(c.workspace, 0xff, c.workspace_bytes);
    multiply(c);
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t handle, cublasLtMatmulDesc_t operation, const void *alpha, const void *a,
                              cublasLtMatrixLayout_t a_layout, const void *b, cublasLtMatrixLayout_t b_layout,
                              const void *beta, const void *c, cublasLtMatrixLayout_t c_layout, void *d,
                              cublasLtMatrixLayout_t d_layout, const cublasLtMatmulAlgo_t *algorithm, void *workspace,
                              size_t workspace_bytes, cudaStream_t stream)
{
    const char *why = mismatch(operation, a_layout, b_layout, d_layout);
    if (!handle || why) return wrong("cublasLtMatmul", why ? why : "no handle");
    if (algorithm->data[0] != PLANNED) return wrong("cublasLtMatmul", "the algorithm is none of the heuristic's");
    if (c != d || c_layout != d_layout) return wrong("cublasLtMatmul", "C is not D, which the double does not have");
    if ((uintptr_t)a % algorithm->data[1] || (uintptr_t)b % algorithm->data[2] || (uintptr_t)d % algorithm->data[4])
        return wrong("cublasLtMatmul", "an operand is less aligned than the preference said");
    if (workspace_bytes < WORKSPACE || !workspace) return wrong("cublasLtMatmul", "the workspace is too small");
    if ((uintptr_t)workspace % 256) return wrong("cublasLtMatmul", "the workspace is not aligned to 256 bytes");
    if (operation->epilogue == CUBLASLT_EPILOGUE_BIAS && !operation->bias) return wrong("cublasLtMatmul", "no bias");
    const Call product = {*operation,
                          {*a_layout, *b_layout, *d_layout},
                          a,
                          b,
                          d,
                          workspace,
                          *(const float *)alpha,
                          *(const float *)beta,
                          workspace_bytes};
    emu_enqueue(stream, [=] { run(product); });
    return CUBLAS_STATUS_SUCCESS;
}
