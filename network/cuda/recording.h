/* Recordings (network/device/device.h) as CUDA graphs, and the stream of the work that is issued. */
#ifndef NETWORK_CUDA_RECORDING_H
#define NETWORK_CUDA_RECORDING_H

#include <cuda_runtime_api.h>

#include "network/device/device.h"

/* Where all work in the order of the calls is issued, but for uploads and for what waits: the default stream, or, while this
 * thread records, the stream whose work is recorded and not done. */
cudaStream_t gpu_stream(void);

/* A Device's repeat and forget. */
int gpu_repeat(const Device *d, const DeviceWork *work, Recording **recording, Err *e);
void gpu_forget(const Device *d, Recording *recording);

#endif
