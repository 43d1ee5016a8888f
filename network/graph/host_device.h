/* HOST_DEVICE: for small inline functions of plain C headers that kernels of a GPU call, too. */
#ifndef NETWORK_GRAPH_HOST_DEVICE_H
#define NETWORK_GRAPH_HOST_DEVICE_H

#ifdef __CUDACC__
#define HOST_DEVICE __host__ __device__
#else
#define HOST_DEVICE
#endif

#endif
