/* Convolutions on a GPU, by cuDNN. Three tensors belong together: images x, weights w, and y, the convolution of x with w
 * (PyTorch Conv2d). Each may be the result:
 *   y: the convolution, and the gradient of a transposed convolution's input
 *   x: the transposed convolution, and the gradient of a convolution's input
 *   w: the gradient of the weights of both
 * Tensors are dense. x and y are N,H,W,C; w is (channels of y, kernel rows, kernel columns, channels of x).
 *
 * Created in an op's prepare, freed in its release. Sums are float32 in an order that is fixed. Running needs gpu_convolution_workspace bytes of device memory and is asynchronous. All addresses must be aligned
 * to 16 bytes. */
#ifndef NETWORK_CUDA_CONVOLUTION_H
#define NETWORK_CUDA_CONVOLUTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/array.h"
#include "base/error.h"
#include "network/graph/graph.h"

typedef enum GpuConvolutionResult { GPU_CONVOLUTION_Y, GPU_CONVOLUTION_X, GPU_CONVOLUTION_W } GpuConvolutionResult;

typedef struct GpuConvolutionShape {
    GpuConvolutionResult result;
    Shape x, y;
    int64_t kernel[2], stride[2], padding[2]; /* rows, columns; in pixels */
    DType dtype;                              /* of all three: float32 or bfloat16 */
    bool tf32;                                /* of float32: operands of 10 bits, by tensor cores */
    bool accumulate;                          /* adds to the result */
} GpuConvolutionShape;

typedef struct GpuConvolution GpuConvolution;

/* NULL on failure: ERR_NOMEM, ERR_UNSUPPORTED. For the GPU that this thread uses. */
int gpu_convolution_new(GpuConvolution **c, const GpuConvolutionShape *shape, Err *e);
void gpu_convolution_free(GpuConvolution *c);              /* NULL is fine */
size_t gpu_convolution_workspace(const GpuConvolution *c); /* 0 for NULL */

/* Two of x, w, y are read. A failure is stored in e, if it has none yet. */
void gpu_convolution_run(const GpuConvolution *c, const void *x, const void *w, const void *y, void *workspace, Err *e);

#endif
