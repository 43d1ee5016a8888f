/* Device: what computes a network, and its memory.
 *
 * A Device is a table of functions, const and shared by all threads; whoever made it keeps it until the last executor,
 * Parameters and Optimizer on it are gone. Work on a device is done in the order in which it was given, and may still
 * go on when the call returns: `wait` waits for it. The CPU works at once and shares the host's memory, so nothing is
 * ever copied for it. Memory that was got from a device is read and written by the device's own work and by `copy`,
 * never by the host, unless shares_memory. */
#ifndef NETWORK_DEVICE_DEVICE_H
#define NETWORK_DEVICE_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/array.h"
#include "base/error.h"

/* The kinds of devices: an op has a list of implementations for each (network/graph/op.h), the optimizer a step. */
typedef enum DeviceKind { DEVICE_CPU, DEVICES } DeviceKind;

typedef enum DeviceCopy { COPY_TO_DEVICE, COPY_TO_HOST, COPY_ON_DEVICE } DeviceCopy;

/* Numbers of one type, row by row: row r starts at data + r · pitch, its `columns` numbers are dense. */
typedef struct DeviceRows {
    const void *data;
    DType dtype;
    int64_t rows, columns, pitch;
} DeviceRows;

typedef struct Device Device;

/* int: 0, or negative with e filled. Failures of earlier work on the device may be told by any of them. */
struct Device {
    DeviceKind kind;
    const char *name;     /* as --device has it */
    size_t alignment;     /* bytes; of what alloc gives and of every place in an executor's arena; a power of 2 */
    bool shares_memory;   /* device memory is host memory: the host may read and write it after wait */

    bool (*supports)(const Device *, DType precision);           /* activations of that type */
    void *(*alloc)(const Device *, size_t bytes, Err *e);        /* device memory, not initialised; NULL on failure */
    void (*free)(const Device *, void *memory);                  /* NULL is fine */
    void *(*alloc_host)(const Device *, size_t bytes, Err *e);   /* host memory that copies fastest (pinned) */
    void (*free_host)(const Device *, void *memory);             /* NULL is fine */
    /* The host's side of a copy is left alone until wait. */
    int (*copy)(const Device *, void *to, const void *from, size_t bytes, DeviceCopy direction, Err *e);
    int (*clear)(const Device *, void *memory, size_t bytes, Err *e); /* to zero bytes */
    int (*all_finite)(const Device *, const DeviceRows *rows, bool *finite, Err *e); /* waits; int16 always is */
    int (*wait)(const Device *, Err *e);
    /* Around a piece of work: a node's pass, a step of the optimizer. end tells whether the work could be started. */
    void (*begin)(const Device *, const char *work);
    int (*end)(const Device *, Err *e);
};

const Device *device_cpu(void);

/* By the name that --device has; NULL where this build has no such device. */
const Device *device_named(const char *name);

#endif
