/* PlanningDevice: the GPU that memory is planned for; it may be in another machine.
 *
 * The memory plan is that of the GPU's implementations, if this build has them and this machine has a GPU: cuDNN and
 * cuBLASLt tell their workspaces only there. Else the CPU's plan stands for it, increased by a factor (docs/cuda.md, "How
 * much memory"). */
#ifndef MODEL_PLANNING_DEVICE_H
#define MODEL_PLANNING_DEVICE_H

#include "network/device/device.h"

typedef struct PlanningDevice {
    const Device *device; /* whose implementations are planned */
    size_t memory;        /* of the GPU, in bytes; 0: not known */
    double factor;        /* on what their plan needs */
    const char *basis;    /* "the plan of cuda:0", "an estimate: …" */
} PlanningDevice;

/* name: of a GPU of this machine, as in --device; NULL: of any. memory: 0: that of the GPU with that name. Fails: as
 * device_named, if memory is needed from it. */
int planning_device_open(PlanningDevice *d, const char *name, size_t memory, Err *e);

/* The same for a GPU that is described only: if there is none in this machine, or none in this build, it is an estimate. */
void planning_device_any(PlanningDevice *d, const char *name);

/* What a plan of that many bytes takes of the GPU's memory, with the share of driver and libraries (device.h). */
size_t planning_device_bytes(const PlanningDevice *d, size_t planned);

/* The largest plan that it holds, in GiB. */
double planning_device_room(const PlanningDevice *d);

#endif
