/* The devices by their names. */
#include <stdlib.h>
#include <string.h>

#include "network/device/device.h"

/* The N of "cuda:N", 0 for "cuda"; -1 for another name. */
static int gpu_number(const char *name)
{
    enum { DIGITS_MOST = 2 };
    if (!strcmp(name, "cuda")) return 0;
    if (strncmp(name, "cuda:", 5)) return -1;
    const size_t digits = strspn(name + 5, "0123456789");
    return digits && digits <= DIGITS_MOST && !name[5 + digits] ? atoi(name + 5) : -1;
}

const Device *device_named(const char *name, Err *e)
{
    const int gpu = gpu_number(name);
    if (!strcmp(name, device_cpu()->name)) return device_cpu();
    if (gpu >= 0 && device_cuda) return device_cuda(gpu, e);
    if (gpu < 0) err_set(e, ERR_VALUE, "device %s: expected cpu, cuda or cuda:N", name);
    else
        err_set(e, ERR_UNSUPPORTED, "device %s: this build has no CUDA (make CUDA=1 makes one that has); use cpu",
                name);
    return NULL;
}
