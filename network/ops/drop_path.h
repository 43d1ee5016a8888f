/* Stochastic depth: the factor on a sample's residual path (Huang et al. 2016; timm's DropPath, per sample). */
#ifndef NETWORK_OPS_DROP_PATH_H
#define NETWORK_OPS_DROP_PATH_H

#include "network/graph/op.h"

/* 0 with the probability of the node's attribute, a double, else 1 / (1 - probability); outside of training 1. A function
 * of the step, the sample and the node's name, so that backward gets the number of forward. */
float drop_path_scale(const Node *node, const Step *step, int64_t sample);
bool drop_path_is_off(const Node *node); /* all are 1 */

#endif
