/* Kernels that are wrong on purpose (broken.cu), for test_emulator.cc. */
#ifndef TESTS_CUDA_BROKEN_H
#define TESTS_CUDA_BROKEN_H

#include "cuda_runtime_api.h"

enum { BROKEN_INPUTS = 128, BROKEN_OUTPUTS = 1000 };

int broken_count();
const char *broken_name(int i);
/* in: BROKEN_INPUTS values, out: BROKEN_OUTPUTS zeros, both on the device. sound: the right twin. */
void broken_run(int i, float *out, const float *in, bool sound);
void broken_shared(float *out, const float *in, int bytes, bool sound); /* takes `bytes` of shared memory */
void broken_copy(float *out, const float *in, int count, cudaStream_t stream = NULL);
/* out = rate in. on_device: the rate, in device memory; NULL: it is the kernel's argument. */
void broken_scale(float *out, const float *in, float rate, const float *on_device, cudaStream_t stream);

#endif
