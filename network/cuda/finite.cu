#include "network/cuda/gpu.h"

extern "C" {
#include "network/cuda/finite.h"
}

static const int THREADS = 256;
static const int64_t BLOCKS_MOST = 4096;

template <class T>
__global__ void find_not_finite(const T *data, int64_t rows, int64_t columns, int64_t pitch, int *found)
{
    const int64_t step = (int64_t)gridDim.x * blockDim.x;
    for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < rows * columns; i += step)
        if (!isfinite(gpu_get(data + i / columns * pitch + i % columns))) atomicOr(found, 1);
}

template <class T> static void find(const DeviceRows *r, int *found)
{
    const int64_t blocks = gpu_parts(r->rows * r->columns, THREADS);
    LAUNCH((find_not_finite<T>), (unsigned)(blocks < BLOCKS_MOST ? blocks : BLOCKS_MOST), THREADS, 0,
           (const T *)r->data, r->rows, r->columns, r->pitch, found);
}

void gpu_find_not_finite(const DeviceRows *rows, int *found)
{
    if (rows->dtype == DTYPE_BF16) find<bf16>(rows, found);
    else find<float>(rows, found);
}
