/* FoldPlan: chooses the folds of a dataset and writes them.
 *
 *   fold_plan_make(&p, &request, &cases, dataset_folder, preprocessed, e);   // before anything is computed
 *   … print p.told and p.warnings …
 *   fold_plan_write(&p, preprocessed, e);
 *   fold_plan_free(&p);
 * The first of these that exists is used: --splits FILE; the user's own file in the preprocessed folder
 * (plans/splits_file.h), which is never changed; splits_final.json or .yaml in the dataset's folder; the folds drawn
 * before, updated if the dataset's cases have changed. Otherwise new folds are drawn. */
#ifndef PLANNER_FOLD_PLANNER_H
#define PLANNER_FOLD_PLANNER_H

#include "plans/made_from.h"
#include "plans/splits.h"

typedef struct FoldRequest {
    const char *file;   /* --splits; NULL: none */
    const char *groups; /* --groups; NULL: none */
    int folds;          /* --folds; 0: not given */
    bool draw_anew;     /* --new-splits */
    bool overwrite;     /* the user's own file may be replaced */
} FoldRequest;

typedef struct FoldPlan {
    Splits splits;       /* without folds if there are too few cases */
    char *path;          /* of the file that they were read from or are written to, for messages; NULL: none */
    MadeFrom made_from;  /* for splits_made_from.yaml */
    bool write;          /* splits_final.yaml must be written */
    char *groups;        /* the table of groups to copy beside it; NULL: none */
    Text told, warnings; /* lines */
} FoldPlan;

/* cases: present cases of the dataset and removed ones. Nothing is written. Fails: ERR_VALUE if files or options
 * contradict each other or name cases that do not exist; ERR_IO, ERR_FORMAT, ERR_NOMEM. */
int fold_plan_make(FoldPlan *p, const FoldRequest *r, const DatasetCases *cases, const char *dataset,
                   const char *preprocessed, Err *e);

/* Writes splits_final.yaml, splits_made_from.yaml, and the table of groups as splits_groups.csv. Fails: ERR_IO,
 * ERR_NOMEM. */
int fold_plan_write(FoldPlan *p, const char *preprocessed, Err *e);
void fold_plan_free(FoldPlan *p);

#endif
