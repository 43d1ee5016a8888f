/* The options of a planning as text, for messages of other programs that tell how to run plan_and_preprocess again. */
#ifndef PLANNER_PLANNING_OPTIONS_H
#define PLANNER_PLANNING_OPTIONS_H

#include "planner/plan_maker.h"

/* *text: "--network unetr --override /data/o.yaml", with absolute paths, quoted for a shell; owned by the caller; NULL for
 * no options. memory: the options of memory and precision as given, quoted for a shell; NULL. Fails: ERR_IO for a file that is gone, ERR_NOMEM. */
int planning_options(char **text, const PlanRequest *request, const char *memory, Err *e);

#endif
