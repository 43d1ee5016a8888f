/* What other processes do for plan_and_preprocess (base/crew.h): hashes of files, the fingerprint of cases, preprocessing. Rank 0 does
 * all else, and alone writes what is not of one case. */
#ifndef PLANNER_PLANNING_SHARE_H
#define PLANNER_PLANNING_SHARE_H

#include "base/error.h"
#include "base/processes.h"

typedef enum ShareKind { SHARE_ORIGINS, SHARE_FINGERPRINT, SHARE_PREPROCESS } ShareKind;

/* Serves rank 0 until it dismisses. dataset, preprocessed: the folders, which all processes see. Fails: as crew_serve. */
int planning_share_serve(const Process *world, const char *dataset, const char *preprocessed, int threads, Err *e);

#endif
