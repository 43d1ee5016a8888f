/* Mirror: a buffer with a copy on the host and one on a device, and which of the two copies is newer.
 *
 *   TRY(mirror_new(&m, bytes, e));              zeros, only on the host
 *   TRY(mirror_place(&m, device, e));           allocates the copy on the device
 *   … write m.host …  mirror_changed(&m, MIRROR_HOST);
 *   TRY(mirror_to_device(&m, e));  … work on the device writes m.device …  mirror_changed(&m, MIRROR_DEVICE);
 *   TRY(mirror_to_host(&m, e));  … read m.host …
 *   mirror_free(&m);
 * On a device that shares the host's memory, both copies are the same memory, and nothing is copied. */
#ifndef NETWORK_DEVICE_MIRROR_H
#define NETWORK_DEVICE_MIRROR_H

#include "network/device/device.h"

typedef enum MirrorSide { MIRROR_BOTH, MIRROR_HOST, MIRROR_DEVICE } MirrorSide;

typedef struct Mirror {
    void *host, *device; /* device: NULL before mirror_place */
    size_t bytes;
    const Device *on; /* borrowed; NULL before mirror_place */
    MirrorSide newer;
} Mirror;

int mirror_new(Mirror *m, size_t bytes, Err *e); /* fails: ERR_NOMEM; then nothing is owned */
void mirror_free(Mirror *m);                     /* {0} is fine */

/* Allocates the device's copy, unless it exists. Fails: as the device's alloc; ERR_UNSUPPORTED if it exists on another
 * device. */
int mirror_place(Mirror *m, const Device *device, Err *e);

/* Updates one copy from the other if that is newer. mirror_to_host waits. mirror_to_device may be asynchronous: the
 * host's copy must not change until the device's wait. Fail: as the device's copy. */
int mirror_to_host(Mirror *m, Err *e);
int mirror_to_device(Mirror *m, Err *e);

/* To be called after one copy was written. It must have been up to date before. */
void mirror_changed(Mirror *m, MirrorSide side);

#endif
