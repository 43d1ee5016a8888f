/* One handle for each GPU, since it takes memory and time: the convolutions of that GPU share it. The library does not
 * allow two threads in one handle. */
#include "network/cuda/convolution.h"

#include <cuda_runtime_api.h>
#include <pthread.h>

#include "base/memory.h"
#include "network/cuda/cudnn_plan.h"
#include "network/cuda/recording.h"

typedef struct Library {
    int gpu, users;
    cudnnHandle_t handle;
    cudnnBackendDescriptor_t device;
    struct Library *next;
} Library;

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static Library *libraries; /* those that have users */

struct GpuConvolution {
    Library *library;
    CudnnPlan plan;
};

static void close_library(Library *l)
{
    if (l->device) cudnnBackendDestroyDescriptor(l->device);
    if (l->handle) cudnnDestroy(l->handle);
    mem_free(l);
}

static int open_library(Library *l, Err *e)
{
    const cudnnStatus_t status = cudnnCreate(&l->handle);
    if (status) l->handle = NULL;
    TRY(cudnn_check(status, "cudnnCreate", e));
    TRY(cudnn_check(cudnnBackendCreateDescriptor(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR, &l->device),
                    "cudnnBackendCreateDescriptor", e));
    TRY(cudnn_check(cudnnBackendSetAttribute(l->device, CUDNN_ATTR_DEVICEPROP_HANDLE, CUDNN_TYPE_HANDLE, 1, &l->handle),
                    "cudnnBackendSetAttribute", e));
    return cudnn_check(cudnnBackendFinalize(l->device), "the description of the GPU", e);
}

/* The library of this thread's GPU; NULL with e filled. The mutex is held. */
static Library *find_library(Err *e)
{
    int gpu = 0;
    cudaGetDevice(&gpu);
    for (Library *l = libraries; l; l = l->next)
        if (l->gpu == gpu) return l;
    Library *l = mem_zalloc(1, sizeof *l, e);
    if (!l) return NULL;
    if (open_library(l, e)) {
        close_library(l);
        return NULL;
    }
    l->gpu = gpu;
    l->next = libraries;
    return libraries = l;
}

static Library *use_library(Err *e)
{
    pthread_mutex_lock(&mutex);
    Library *l = find_library(e);
    if (l) l->users++;
    pthread_mutex_unlock(&mutex);
    return l;
}

static void leave_library(Library *library)
{
    pthread_mutex_lock(&mutex);
    if (!--library->users) {
        Library **l = &libraries;
        while (*l != library) l = &(*l)->next;
        *l = library->next;
        close_library(library);
    }
    pthread_mutex_unlock(&mutex);
}

int gpu_convolution_new(GpuConvolution **c, const GpuConvolutionShape *shape, Err *e)
{
    *c = mem_zalloc(1, sizeof **c, e);
    if (!*c) return ERR_NOMEM;
    (*c)->library = use_library(e);
    const int failed = (*c)->library ? cudnn_plan_new(&(*c)->plan, shape, (*c)->library->device, e) : ERR_UNSUPPORTED;
    if (!failed) return 0;
    gpu_convolution_free(*c);
    *c = NULL;
    return failed;
}

void gpu_convolution_free(GpuConvolution *c)
{
    if (!c) return;
    cudnn_plan_free(&c->plan);
    if (c->library) leave_library(c->library);
    mem_free(c);
}

size_t gpu_convolution_workspace(const GpuConvolution *c) { return c ? c->plan.workspace : 0; }

/* Tells which memory a plan runs on. */
static cudnnStatus_t pack(cudnnBackendDescriptor_t d, void *const addresses[3], void *workspace)
{
    static const int64_t ids[3] = {CUDNN_PLAN_X, CUDNN_PLAN_W, CUDNN_PLAN_Y};
    const struct {
        cudnnBackendAttributeName_t name;
        cudnnBackendAttributeType_t type;
        int64_t count;
        const void *values;
    } list[] = {{CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, 3, ids},
                {CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, 3, addresses},
                {CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1, &workspace}};
    for (int i = 0; i < 3; i++) {
        const cudnnStatus_t status =
            cudnnBackendSetAttribute(d, list[i].name, list[i].type, list[i].count, list[i].values);
        if (status) return status;
    }
    return cudnnBackendFinalize(d);
}

/* The handle's stream is the default one, but for work that is recorded: that stream does not live as long. */
static cudnnStatus_t execute(cudnnHandle_t handle, cudnnBackendDescriptor_t plan, cudnnBackendDescriptor_t pack)
{
    if (!gpu_stream()) return cudnnBackendExecute(handle, plan, pack);
    cudnnStatus_t status = cudnnSetStream(handle, gpu_stream());
    if (!status) status = cudnnBackendExecute(handle, plan, pack);
    cudnnSetStream(handle, NULL);
    return status;
}

static cudnnStatus_t run(const GpuConvolution *c, void *const addresses[3], void *workspace)
{
    cudnnBackendDescriptor_t d = NULL;
    cudnnStatus_t status = cudnnBackendCreateDescriptor(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR, &d);
    if (status) return status;
    status = pack(d, addresses, workspace);
    pthread_mutex_lock(&mutex);
    if (!status) status = execute(c->library->handle, c->plan.parts[CUDNN_PART_PLAN], d);
    pthread_mutex_unlock(&mutex);
    cudnnBackendDestroyDescriptor(d);
    return status;
}

void gpu_convolution_run(const GpuConvolution *c, const void *x, const void *w, const void *y, void *workspace, Err *e)
{
    void *const addresses[3] = {(void *)x, (void *)w, (void *)y};
    const cudnnStatus_t status = run(c, addresses, workspace);
    if (status && !e->code) cudnn_check(status, "a convolution", e);
}
