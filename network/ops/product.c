#include "network/ops/product.h"

#include <omp.h>

#include "base/memory.h"
#include "network/ops/product_kernel.h"

struct Product {
    Dnn *dnn; /* NULL: our kernel computes it */
    const ProductKernel *kernel;
    DnnProduct of;
    int threads;
    const float *packed; /* of the node; NULL: B is not packed */
};

bool product_is_own(DType dtype) { return dtype == DTYPE_F32 && simd_level() < SIMD_AVX512; }

int product_new(Product **p, const DnnProduct *m, Err *e)
{
    *p = mem_zalloc(1, sizeof **p, e);
    if (!*p) return ERR_NOMEM;
    **p = (Product){.kernel = product_kernels()[0], .of = *m, .threads = omp_get_max_threads()};
    const int failed = product_is_own(m->dtype) ? 0 : dnn_product(&(*p)->dnn, m, e);
    if (!failed) return 0;
    product_free(*p);
    *p = NULL;
    return failed;
}

void product_free(Product *p)
{
    if (!p) return;
    dnn_free(p->dnn);
    mem_free(p);
}

size_t product_scratch_bytes(const Product *p)
{
    if (!p) return 0;
    return p->dnn ? dnn_scratch_bytes(p->dnn) : p->kernel->scratch_bytes(&p->of, p->threads);
}

size_t product_packed_bytes(const Product *p)
{
    if (!p) return 0;
    if (p->dnn) return dnn_packed_bytes(p->dnn);
    return (p->kernel->packed_bytes(&p->of) + MEM_ALIGN - 1) / MEM_ALIGN * MEM_ALIGN;
}

void product_pack(Product *p, const float *weights, void *packed, Err *e)
{
    if (p->dnn) {
        dnn_pack(p->dnn, weights, packed, e);
        return;
    }
    p->kernel->pack(&p->of, p->threads, weights, packed);
    p->packed = packed;
}

void product_run(Product *p, const void *a, const void *b, const float *bias, void *c, void *scratch, Err *e)
{
    if (p->dnn) dnn_run_product(p->dnn, a, b, bias, c, scratch, e);
    else p->kernel->run(&p->of, p->threads, a, p->packed ? p->packed : b, bias, c, scratch);
}
