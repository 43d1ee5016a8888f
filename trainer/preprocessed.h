/* Lock on the preprocessed folder while a training reads it. */
#ifndef TRAINER_PREPROCESSED_H
#define TRAINER_PREPROCESSED_H

#include "base/error.h"
#include "base/lock.h"

/* Takes a shared lock on the folder, so that plan_and_preprocess cannot change it (folder_unlock). Fails: ERR_VALUE if it is
 * being written, or has no plans.yaml, with the folder to give instead; ERR_IO, ERR_NOMEM. */
int preprocessed_lock(FolderLock *lock, const char *preprocessed, Err *e);

#endif
