/* Which file of splits counts in a preprocessed folder: one rule for plan_and_preprocess and train.
 *
 * The planner writes splits_final.yaml, and into splits_made_from.yaml what it was and how it came about: so a file
 * that a person changed afterwards is known from one that nobody touched. A person may put splits_final.json there
 * (nnU-Net's place and name), or change splits_final.yaml. The rule:
 *   - the only one of the two that is there counts;
 *   - both, and the .yaml is as the planner wrote it: the .json counts, since only a person can have put it there;
 *   - both, both a person's: they must say the same, else they are refused by name. */
#ifndef PLANS_SPLITS_FILE_H
#define PLANS_SPLITS_FILE_H

#include "plans/made_from.h"
#include "plans/splits.h"

typedef struct SplitsFile {
    char *path;          /* of the file that counts; NULL: there is none */
    char *passed_over;   /* the planner's own, where a person's .json counts instead; else NULL */
    bool planned;        /* the planner wrote it, and nobody changed it since */
    MadeFrom made_from;  /* planned: the record of it */
    Splits splits;
} SplitsFile;

/* splits_file_free takes it back. Fails: ERR_VALUE where two files contradict; ERR_IO, ERR_FORMAT, ERR_NOMEM. */
int splits_file_find(SplitsFile *f, const char *preprocessed, Err *e);
void splits_file_free(SplitsFile *f);

/* Adds a line for each file in the folder that looks like a person's splits and is not read: splits_final.pkl of nnU-Net 1,
 * splits.json, splits_final.yml … Fails: ERR_IO, ERR_NOMEM. */
int splits_passed_over(Text *warnings, const char *folder, Err *e);

/* Writes, with the hash of it added to *made_from, the record, and PREPROCESSED/splits_final.yaml. Fails: as
 * splits_write and made_from_write. */
int splits_file_write(const Splits *splits, MadeFrom *made_from, const char *preprocessed, Err *e);

#endif
