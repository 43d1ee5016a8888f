/* Checks for labels of dataset.json that occur in no case, or in no training case of a fold. */
#ifndef PLANNER_LABEL_CHECK_H
#define PLANNER_LABEL_CHECK_H

#include "base/text.h"
#include "plans/dataset_json.h"
#include "plans/splits.h"

/* Reads FOLDER/CASE_locations.npy of each case; adds a line per label that is missing somewhere. Fails: as npy_read. */
int label_check(Text *warnings, const DatasetInfo *info, const NameList *cases, const Splits *splits,
                const char *folder, Err *e);

#endif
