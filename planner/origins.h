/* Origins: content hashes of the files of a dataset's training cases, as inputs of what is made from them.
 *
 *   origins_read(&o, &dataset, threads, progress, e);   // reads every file once
 *   … origins_of_fingerprint(&m, &o, &dataset), origins_of_case(&m, &o, index, settings) …
 *   origins_free(&o); */
#ifndef PLANNER_ORIGINS_H
#define PLANNER_ORIGINS_H

#include "base/processes.h"
#include "base/progress.h"
#include "data/dataset.h"
#include "plans/made_from.h"

typedef struct Origins {
    MadeFrom *cases; /* "image 0" …, "label": content hashes; count of them, in the order of the cases */
    int count;
} Origins;

/* A file that cannot be read is not a failure here: the error is kept in the list of its case (made_from_check), and is
 * reported together with all other faults when the case is read. world: as CaseShare. Fails: ERR_NOMEM. */
int origins_read(Origins *o, const Dataset *d, int threads, const Process *world, Progress *progress, Err *e);

/* The hashes of one case, in a list of its own. */
void origins_of_files(MadeFrom *m, const Case *c);
void origins_free(Origins *o);

/* Adds the dataset's content to m: dataset.json, and the training cases with their names. */
void origins_of_dataset(MadeFrom *m, const Origins *o, const Dataset *d);

/* Fills m, a new list owned by the caller (made_from_free), with all that the fingerprint depends on. */
void origins_of_fingerprint(MadeFrom *m, const Origins *o, const Dataset *d, ReaderAxes axes);

/* The same for a preprocessed case. settings: case_settings.h. */
void origins_of_case(MadeFrom *m, const Origins *o, int index, const MadeFrom *settings);

#endif
