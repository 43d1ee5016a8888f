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

const Device *device_named(const char *name, Err *e) { return device_of_rank(name, 0, e); }

const Device *device_of_rank(const char *name, int rank, Err *e)
{
    const int gpu = gpu_number(name);
    if (!strcmp(name, device_cpu()->name)) return device_cpu();
    if (gpu >= 0 && device_cuda) return device_cuda(gpu + rank, e);
    if (gpu < 0) err_set(e, ERR_VALUE, "device %s: expected cpu, cuda or cuda:N", name);
    else
        err_set(e, ERR_UNSUPPORTED, "device %s: this build has no CUDA (make CUDA=1 makes one that has); use cpu",
                name);
    return NULL;
}

int device_expect_room(const Device *d, size_t bytes, const char *work, const char *remedy, Err *e)
{
    const double gib = 1024.0 * 1024 * 1024;
    const size_t needed = bytes + GPU_LIBRARY_BYTES;
    DeviceMemory m;
    if (!d->memory) return 0;
    TRY(d->memory(d, &m, e));
    if (needed <= m.available) return 0;
    return err_set(e, ERR_NOMEM,
                   "%s needs %.2f GiB of memory on %s (%.2f of it assumed for libraries), and %.2f of %.2f GiB are "
                   "free%s: %s",
                   work, (double)needed / gib, d->name, (double)GPU_LIBRARY_BYTES / gib, (double)m.available / gib,
                   (double)m.total / gib,
                   needed + GPU_CONTEXT_BYTES <= m.total ? " (nvidia-smi lists what uses the rest)" : "", remedy);
}
