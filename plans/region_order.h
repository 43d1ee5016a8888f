/* Whether regions can be written by their order: the last region that holds a voxel decides its value. */
#ifndef PLANS_REGION_ORDER_H
#define PLANS_REGION_ORDER_H

#include "formats/yaml.h"
#include "plans/dataset_json.h"

/* order: the node of regions_class_order, whose values stand in info already. Fails, with the line: ERR_FORMAT for the
 * background's value, a value given twice, a region that later ones always overwrite, and values by which even a
 * perfect prediction would not give the regions back. */
int region_order_check(const DatasetInfo *info, const DocNode *order, Err *e);

#endif
