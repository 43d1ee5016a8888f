/* The preprocessed folder as a training reads it: what plan_and_preprocess wrote. */
#ifndef TRAINER_PREPROCESSED_H
#define TRAINER_PREPROCESSED_H

#include "base/error.h"
#include "base/lock.h"

/* A shared lock on the folder, so that no planner changes it meanwhile (folder_unlock). Fails: ERR_VALUE where one does,
 * or where the folder has no plans.yaml, with what to give instead; ERR_IO, ERR_NOMEM. */
int preprocessed_lock(FolderLock *lock, const char *preprocessed, Err *e);

#endif
