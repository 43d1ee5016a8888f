/* Checks for cases with identical images: if one is in training and another in validation, the score is too good. */
#ifndef PLANNER_SAME_IMAGES_H
#define PLANNER_SAME_IMAGES_H

#include "planner/origins.h"

/* Adds a warning with the first few groups of such cases. Only the content of the files is compared, not names and
 * times. Fails: ERR_NOMEM. */
int same_images_check(FaultList *faults, const Origins *origins, const Dataset *d, Err *e);

#endif
