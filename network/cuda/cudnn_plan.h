/* Plans of convolutions by cuDNN's graph API (9.8 or later): which of its engines computes one, for a described device. */
#ifndef NETWORK_CUDA_CUDNN_PLAN_H
#define NETWORK_CUDA_CUDNN_PLAN_H

#include <cudnn.h>

#include "network/cuda/convolution.h"

enum { CUDNN_PLAN_ALIGNMENT = 16 }; /* of addresses */

/* How the tensors are called where their addresses are given. */
enum { CUDNN_PLAN_X = 'x', CUDNN_PLAN_W = 'w', CUDNN_PLAN_Y = 'y' };

/* The descriptors that a plan is made of; the last is the plan itself. */
typedef enum CudnnPart {
    CUDNN_PART_X,
    CUDNN_PART_W,
    CUDNN_PART_Y,
    CUDNN_PART_CONVOLUTION,
    CUDNN_PART_OPERATION,
    CUDNN_PART_GRAPH,
    CUDNN_PART_ENGINE,
    CUDNN_PART_CONFIG,
    CUDNN_PART_PLAN,
    CUDNN_PARTS
} CudnnPart;

typedef struct CudnnPlan {
    cudnnBackendDescriptor_t parts[CUDNN_PARTS];
    size_t workspace; /* bytes */
    int64_t engine;   /* its number in cuDNN */
} CudnnPlan;

/* Returns 0, or an error code with *e filled (also on error it is to be freed). Notes on the choice: cudnn_plan.c. The same
 * shape, device and library give the same plan.
 * device: a finalized descriptor of CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR; borrowed. */
int cudnn_plan_new(CudnnPlan *plan, const GpuConvolutionShape *shape, cudnnBackendDescriptor_t device, Err *e);
void cudnn_plan_free(CudnnPlan *plan);

/* 0, or an error code: what failed, and how. */
int cudnn_check(cudnnStatus_t status, const char *what, Err *e);

#endif
