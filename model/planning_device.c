#include "model/planning_device.h"

static const double ESTIMATE = 1.25; /* of the CPU's plan */

void planning_device_any(PlanningDevice *d, const char *name)
{
    const Device *gpu = device_named(name ? name : "cuda", NULL);
    *d = gpu ? (PlanningDevice){gpu, 0, 1, "the plan of this machine's GPU"}
             : (PlanningDevice){device_cpu(), 0, ESTIMATE,
                                "an estimate from the CPU's plan, since this machine has no such GPU"};
}

int planning_device_open(PlanningDevice *d, const char *name, size_t memory, Err *e)
{
    DeviceMemory m = {0, 0};
    planning_device_any(d, name);
    d->memory = memory;
    if (memory) return 0;
    const Device *gpu = device_named(name, e);
    if (!gpu) return e->code;
    if (gpu->memory) TRY(gpu->memory(gpu, &m, e));
    d->memory = m.total;
    return 0;
}

size_t planning_device_bytes(const PlanningDevice *d, size_t planned)
{
    return GPU_CONTEXT_BYTES + GPU_LIBRARY_BYTES + (size_t)((double)planned * d->factor);
}

double planning_device_room(const PlanningDevice *d)
{
    const double taken = (double)(GPU_CONTEXT_BYTES + GPU_LIBRARY_BYTES), memory = (double)d->memory;
    return memory > taken ? (memory - taken) / d->factor / (1 << 30) : 0;
}
