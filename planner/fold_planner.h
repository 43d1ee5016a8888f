/* FoldPlan: where the folds of a dataset come from, and what is written of them.
 *
 *   fold_plan_make(&p, &request, &cases, dataset_folder, preprocessed, e);   // before anything is computed
 *   … print p.told and p.warnings …
 *   fold_plan_write(&p, preprocessed, e);
 *   fold_plan_free(&p);
 * In this order: --splits FILE; a person's own file in the preprocessed folder (plans/splits_file.h), which is never
 * changed; splits_final.json or .yaml in the dataset's folder; the folds that are there, where the dataset's cases have
 * changed brought up to date; else they are drawn. */
#ifndef PLANNER_FOLD_PLANNER_H
#define PLANNER_FOLD_PLANNER_H

#include "plans/made_from.h"
#include "plans/splits.h"

typedef struct FoldRequest {
    const char *file;        /* --splits; NULL: none */
    const char *groups;      /* --groups; NULL: none */
    int folds;               /* --folds; 0: not given */
    bool draw_anew;          /* --new-splits */
    bool overwrite;          /* a person's own file may be replaced */
} FoldRequest;

typedef struct FoldPlan {
    Splits splits;           /* no folds: there are too few cases */
    char *path;              /* of the file that they come from or go to, for messages; NULL: none */
    MadeFrom made_from;      /* of what is to be written */
    bool write;              /* splits_final.yaml is made anew */
    char *groups;            /* the table to be kept beside it; NULL: none */
    Text told, warnings;     /* lines */
} FoldPlan;

/* cases: of the dataset now, and those that it has no more. Nothing is written. Fails: ERR_VALUE where files or options
 * contradict each other or name cases that are not there; ERR_IO, ERR_FORMAT, ERR_NOMEM. */
int fold_plan_make(FoldPlan *p, const FoldRequest *r, const DatasetCases *cases, const char *dataset,
                   const char *preprocessed, Err *e);

/* splits_final.yaml, splits_made_from.yaml, and the table of groups as splits_groups.csv. Fails: ERR_IO, ERR_NOMEM. */
int fold_plan_write(FoldPlan *p, const char *preprocessed, Err *e);
void fold_plan_free(FoldPlan *p);

#endif
