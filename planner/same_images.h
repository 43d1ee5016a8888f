/* Cases that have the very same images: one that trains beside one that validates makes the validation too good. */
#ifndef PLANNER_SAME_IMAGES_H
#define PLANNER_SAME_IMAGES_H

#include "planner/origins.h"

/* Adds a warning to faults that names the first few such groups of cases. By the content of the files: names and times
 * do not count. Fails: ERR_NOMEM. */
int same_images_check(FaultList *faults, const Origins *origins, const Dataset *d, Err *e);

#endif
