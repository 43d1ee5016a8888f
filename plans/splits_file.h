/* Which file of splits is used in a preprocessed folder: one rule for plan_and_preprocess and train.
 *
 * The planner writes splits_final.yaml, and its hash and origin into splits_made_from.yaml. So a file that a user has
 * changed is recognised. A user may add splits_final.json (nnU-Net's name), or change splits_final.yaml. The rule:
 *   - only one of the two exists: it is used;
 *   - both exist and the .yaml is unchanged: the .json is used, since only a user can have added it;
 *   - both exist and the .yaml was changed: they must have the same content, else both are refused. */
#ifndef PLANS_SPLITS_FILE_H
#define PLANS_SPLITS_FILE_H

#include "plans/made_from.h"
#include "plans/splits.h"

typedef struct SplitsFile {
    char *path;         /* of the file that is used; NULL: there is none */
    char *passed_over;  /* the planner's file, where the user's .json is used instead; else NULL */
    bool planned;       /* written by the planner and not changed since */
    MadeFrom made_from; /* planned: the record of it */
    Splits splits;
} SplitsFile;

/* Freed with splits_file_free. Fails: ERR_VALUE where two files of the user differ; ERR_IO, ERR_FORMAT, ERR_NOMEM. */
int splits_file_find(SplitsFile *f, const char *preprocessed, Err *e);
void splits_file_free(SplitsFile *f);

/* Adds a warning for each file in the folder that looks like a user's splits and is not read: splits_final.pkl of
 * nnU-Net 1, splits.json, splits_final.yml … Fails: ERR_IO, ERR_NOMEM. */
int splits_passed_over(Text *warnings, const char *folder, Err *e);

/* Adds the hash of the splits to *made_from, and writes the record and PREPROCESSED/splits_final.yaml. Fails: as
 * splits_write and made_from_write. */
int splits_file_write(const Splits *splits, MadeFrom *made_from, const char *preprocessed, Err *e);

#endif
