/* What a pass of a node may access by its class, for a device that holds it to that (limit in network/device/device.h). */
#ifndef NETWORK_GRAPH_NODE_REGIONS_H
#define NETWORK_GRAPH_NODE_REGIONS_H

#include "network/graph/op.h"

/* The functions of an OpImpl that run on the device. */
typedef enum OpPass { OP_REFRESH, OP_FORWARD, OP_BACKWARD } OpPass;

enum { NODE_REGIONS = 2 * (NODE_INPUTS + NODE_OUTPUTS + NODE_PARAMS) + NODE_SAVED + 2 };

/* Sets the regions of a pass and returns their number. The node's addresses must be set. */
int node_regions(const Node *node, OpPass pass, DeviceRegion regions[NODE_REGIONS]);

#endif
