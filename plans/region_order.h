/* Checks regions_class_order: the last region that contains a voxel decides its value. */
#ifndef PLANS_REGION_ORDER_H
#define PLANS_REGION_ORDER_H

#include "formats/yaml.h"
#include "plans/dataset_json.h"

/* order: the node of regions_class_order; info has its values already. Fails, with the line: ERR_FORMAT for the
 * background's value, a value given twice, a region that later ones always overwrite, and values from which the
 * regions of a perfect prediction could not be restored. */
int region_order_check(const DatasetInfo *info, const DocNode *order, Err *e);

#endif
