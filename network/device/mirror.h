/* Mirror: numbers that both the host and a device work on, and which side has them newer.
 *
 *   TRY(mirror_new(&m, bytes, e));              zero, on the host alone
 *   TRY(mirror_place(&m, device, e));           … and on the device
 *   … write m.host …  mirror_changed(&m, MIRROR_HOST);
 *   TRY(mirror_to_device(&m, e));  … the device's work writes m.device …  mirror_changed(&m, MIRROR_DEVICE);
 *   TRY(mirror_to_host(&m, e));  … read m.host …
 *   mirror_free(&m);
 * On a device that shares the host's memory both sides are the same memory, and nothing is copied. */
#ifndef NETWORK_DEVICE_MIRROR_H
#define NETWORK_DEVICE_MIRROR_H

#include "network/device/device.h"

typedef enum MirrorSide { MIRROR_BOTH, MIRROR_HOST, MIRROR_DEVICE } MirrorSide;

typedef struct Mirror {
    void *host, *device;    /* device: NULL before mirror_place */
    size_t bytes;
    const Device *on;       /* borrowed; NULL before mirror_place */
    MirrorSide newer;
} Mirror;

int mirror_new(Mirror *m, size_t bytes, Err *e);  /* fails: ERR_NOMEM, with nothing owned */
void mirror_free(Mirror *m);                      /* {0} is fine */

/* Makes the device's side; nothing to do where it is there. Fails: as the device's alloc; ERR_UNSUPPORTED where it was
 * placed on another device. */
int mirror_place(Mirror *m, const Device *device, Err *e);

/* Brings one side up to date; to_host waits, to_device leaves the host's side to the device until that is waited for.
 * Fail: as the device's copy. */
int mirror_to_host(Mirror *m, Err *e);
int mirror_to_device(Mirror *m, Err *e);

/* Tells that one side was written. The other side was not newer. */
void mirror_changed(Mirror *m, MirrorSide side);

#endif
