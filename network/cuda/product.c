/* cuBLASLt's matrices are column-major: a row-major matrix is the transposed of one. So c = a b is computed as
 * cᵀ = bᵀ aᵀ, where bᵀ is cuBLASLt's first operand A, and the bias is one value for each of its rows. */
#include "network/cuda/product.h"

#include <cublasLt.h>
#include <string.h>

#include "base/memory.h"
#include "network/cuda/recording.h"

enum { WORKSPACE_MOST = 32 << 20, ALIGNMENT = 16 };

/* Addresses are known only when it runs: one plan is for operands aligned to 16 bytes, one for any. */
enum { ALIGNED, ANY, PLANS };

struct GpuProduct {
    cublasLtHandle_t handle;
    cublasLtMatmulDesc_t operation;
    cublasLtMatrixLayout_t a, b, c;
    cublasLtMatmulHeuristicResult_t plans[PLANS];
    bool aligned, bias, accumulate; /* aligned: rows are, so that there is a plan for it */
};

static int check(cublasStatus_t status, const char *call, Err *e)
{
    if (!status) return 0;
    return err_set(e, status == CUBLAS_STATUS_ALLOC_FAILED ? ERR_NOMEM : ERR_UNSUPPORTED, "%s failed with status %d",
                   call, (int)status);
}

static cudaDataType_t type_of(DType dtype) { return dtype == DTYPE_BF16 ? CUDA_R_16BF : CUDA_R_32F; }

static int set(cublasLtMatmulDesc_t d, cublasLtMatmulDescAttributes_t attribute, const void *value, size_t bytes,
               Err *e)
{
    return check(cublasLtMatmulDescSetAttribute(d, attribute, value, bytes), "cublasLtMatmulDescSetAttribute", e);
}

static int describe_operation(GpuProduct *p, const GpuProductShape *s, Err *e)
{
    const cublasOperation_t a = s->b.transposed ? CUBLAS_OP_T : CUBLAS_OP_N,
                            b = s->a.transposed ? CUBLAS_OP_T : CUBLAS_OP_N;
    const cublasComputeType_t compute = s->tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F;
    const cublasLtEpilogue_t epilogue = s->bias ? CUBLASLT_EPILOGUE_BIAS : CUBLASLT_EPILOGUE_DEFAULT;
    const cudaDataType_t bias = type_of(s->c.dtype);
    TRY(check(cublasLtMatmulDescCreate(&p->operation, compute, CUDA_R_32F), "cublasLtMatmulDescCreate", e));
    TRY(set(p->operation, CUBLASLT_MATMUL_DESC_TRANSA, &a, sizeof a, e));
    TRY(set(p->operation, CUBLASLT_MATMUL_DESC_TRANSB, &b, sizeof b, e));
    TRY(set(p->operation, CUBLASLT_MATMUL_DESC_EPILOGUE, &epilogue, sizeof epilogue, e));
    return s->bias ? set(p->operation, CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, &bias, sizeof bias, e) : 0;
}

/* A row-major matrix of rows × columns as it is in memory. */
static int describe_matrix(cublasLtMatrixLayout_t *layout, GpuMatrix m, int64_t rows, int64_t columns, Err *e)
{
    const uint64_t height = (uint64_t)(m.transposed ? rows : columns),
                   width = (uint64_t)(m.transposed ? columns : rows);
    return check(cublasLtMatrixLayoutCreate(layout, type_of(m.dtype), height, width, m.pitch),
                 "cublasLtMatrixLayoutCreate", e);
}

static int allow(cublasLtMatmulPreference_t preference, cublasLtMatmulPreferenceAttributes_t attribute,
                 const void *value, size_t bytes, Err *e)
{
    return check(cublasLtMatmulPreferenceSetAttribute(preference, attribute, value, bytes),
                 "cublasLtMatmulPreferenceSetAttribute", e);
}

static bool rows_aligned(GpuMatrix m) { return (size_t)m.pitch * dtype_size(m.dtype) % ALIGNMENT == 0; }

static int set_preference(cublasLtMatmulPreference_t preference, const GpuProductShape *s, bool aligned, Err *e)
{
    const size_t workspace = WORKSPACE_MOST;
    const uint32_t schemes = CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE; /* the others round twice, or use atomics */
    const uint32_t operands = aligned ? ALIGNMENT : (uint32_t)dtype_size(s->a.dtype);
    const uint32_t result = aligned ? ALIGNMENT : (uint32_t)dtype_size(s->c.dtype);
    TRY(allow(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &workspace, sizeof workspace, e));
    TRY(allow(preference, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, &schemes, sizeof schemes, e));
    TRY(allow(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, &operands, sizeof operands, e));
    TRY(allow(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, &operands, sizeof operands, e));
    TRY(allow(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, &result, sizeof result, e));
    return allow(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, &result, sizeof result, e);
}

static int choose(GpuProduct *p, int plan, const GpuProductShape *s, Err *e)
{
    cublasLtMatmulPreference_t preference;
    int found = 0;
    TRY(check(cublasLtMatmulPreferenceCreate(&preference), "cublasLtMatmulPreferenceCreate", e));
    int failed = set_preference(preference, s, plan == ALIGNED, e);
    if (!failed) {
        const cublasStatus_t status = cublasLtMatmulAlgoGetHeuristic(p->handle, p->operation, p->a, p->b, p->c, p->c,
                                                                     preference, 1, &p->plans[plan], &found);
        failed = check(status, "cublasLtMatmulAlgoGetHeuristic", e);
    }
    cublasLtMatmulPreferenceDestroy(preference);
    if (!failed && !found)
        return err_set(e, ERR_UNSUPPORTED, "cuBLASLt has no algorithm for a product of %lld × %lld × %lld",
                       (long long)s->rows, (long long)s->depth, (long long)s->columns);
    return failed;
}

static int build(GpuProduct *p, const GpuProductShape *s, Err *e)
{
    TRY(check(cublasLtCreate(&p->handle), "cublasLtCreate", e));
    TRY(describe_operation(p, s, e));
    TRY(describe_matrix(&p->a, s->b, s->depth, s->columns, e));
    TRY(describe_matrix(&p->b, s->a, s->rows, s->depth, e));
    TRY(describe_matrix(&p->c, s->c, s->rows, s->columns, e));
    p->aligned = rows_aligned(s->a) && rows_aligned(s->b) && rows_aligned(s->c);
    if (p->aligned) TRY(choose(p, ALIGNED, s, e));
    return choose(p, ANY, s, e);
}

int gpu_product_new(GpuProduct **p, const GpuProductShape *s, Err *e)
{
    *p = mem_zalloc(1, sizeof **p, e);
    if (!*p) return ERR_NOMEM;
    (*p)->bias = s->bias;
    (*p)->accumulate = s->accumulate;
    const int failed = build(*p, s, e);
    if (!failed) return 0;
    gpu_product_free(*p);
    *p = NULL;
    return failed;
}

void gpu_product_free(GpuProduct *p)
{
    if (!p) return;
    if (p->operation) cublasLtMatmulDescDestroy(p->operation);
    if (p->a) cublasLtMatrixLayoutDestroy(p->a);
    if (p->b) cublasLtMatrixLayoutDestroy(p->b);
    if (p->c) cublasLtMatrixLayoutDestroy(p->c);
    if (p->handle) cublasLtDestroy(p->handle);
    mem_free(p);
}

size_t gpu_product_workspace(const GpuProduct *p)
{
    if (!p) return 0;
    const size_t aligned = p->plans[ALIGNED].workspaceSize, any = p->plans[ANY].workspaceSize;
    return aligned > any ? aligned : any;
}

static bool is_aligned(const void *p) { return (uintptr_t)p % ALIGNMENT == 0; }

void gpu_product_run(const GpuProduct *p, const void *a, const void *b, const void *bias, void *c, void *workspace,
                     Err *e)
{
    const float one = 1, beta = p->accumulate ? 1 : 0;
    const bool aligned = p->aligned && is_aligned(a) && is_aligned(b) && is_aligned(c) && is_aligned(bias);
    const cublasLtMatmulHeuristicResult_t *plan = &p->plans[aligned ? ALIGNED : ANY];
    int failed = 0;
    if (p->bias) failed = set(p->operation, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &bias, sizeof bias, NULL);
    if (!failed)
        failed = (int)cublasLtMatmul(p->handle, p->operation, &one, b, p->a, a, p->b, &beta, c, p->c, c, p->c,
                                     &plan->algo, workspace, plan->workspaceSize, gpu_stream());
    if (failed && !e->code) err_set(e, ERR_UNSUPPORTED, "cublasLtMatmul failed with status %d", failed);
}
