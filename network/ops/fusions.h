/* The fusions of all ops: one line each, in the order in which they are tried. */
#ifndef NETWORK_OPS_FUSIONS_H
#define NETWORK_OPS_FUSIONS_H

#include "network/graph/fusion.h"

extern const OpFusion fuse_norm_add_act, fuse_norm_act; /* instance_norm.c */

static const OpFusion *const op_fusions[] = {
    &fuse_norm_add_act, /* before the shorter chain */
    &fuse_norm_act,
    NULL,
};

/* The classes used in chains. */
extern const OpClass instance_norm_class, add_class, leaky_relu_class;

#endif
