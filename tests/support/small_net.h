/* A small network with drop path, norms and two losses, for tests of training. */
#ifndef TESTS_SUPPORT_SMALL_NET_H
#define TESTS_SUPPORT_SMALL_NET_H

#include "network/executor/executor.h"
#include "network/ops/ops.h"

enum { SMALL_HEIGHT = 12, SMALL_WIDTH = 10, SMALL_CHANNELS = 3, SMALL_CLASSES = 4 };
enum { SMALL_PIXELS = SMALL_HEIGHT * SMALL_WIDTH };

typedef struct SmallNet {
    Graph *graph;           /* inputs: image, labels; outputs: loss, head0 */
    Parameters *parameters; /* the same random values each time */
} SmallNet;

void small_net_open(SmallNet *n, DiceCE loss);
void small_net_close(SmallNet *n);

/* A training executor of the loss and, not seeded, head0, for a batch of that many items; sets the sizes and outputs of
 * o. */
Executor *small_net_executor(const SmallNet *n, ExecutorOptions o, int items);

/* Item number `item` of a step: image (SMALL_PIXELS · SMALL_CHANNELS), labels (SMALL_PIXELS), some of them 9. */
void small_net_item(float *image, int16_t *labels, uint32_t step, uint32_t item);

/* Feeds the items first … first + items - 1 of a step. */
void small_net_feed(Executor *x, uint32_t step, int first, int items);

#endif
