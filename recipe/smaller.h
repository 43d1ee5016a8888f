/* Smaller steps for a short time: a smaller patch, a narrower network. */
#ifndef RECIPE_SMALLER_H
#define RECIPE_SMALLER_H

#include "plans/plan.h"

/* Halves the patch along both axes, rounded up to what the network needs. nnU-Net's architecture is planned anew for it. False, and no
 * change: a side would be below SMALLEST_PATCH. Fails (negative): as unet_topology. */
int smaller_patch(Plan *plan, bool *done, Err *e);

/* Halves the width of the network: network.width, or the features of nnU-Net's architecture. False, and no change: the network has neither, or
 * it is a quarter of its planned width already. */
bool smaller_width(Plan *plan);

#endif
