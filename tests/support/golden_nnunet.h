/* The parts of the nnU-Net family (the folder nnunet of the goldens) for the golden runner; each runs the selected
 * entries. An entry is one item of a part's JSON. Sets (D4, D5 …) are found by their plan files, their raw data in
 * raw/<dataset_name>. */
#ifndef TESTS_SUPPORT_GOLDEN_NNUNET_H
#define TESTS_SUPPORT_GOLDEN_NNUNET_H

#include "base/file.h"
#include "data/dataset.h"
#include "plans/plan.h"
#include "tests/support/golden.h"

void golden_nnunet(Golden *g); /* all parts; one that has no runner yet is counted as skipped */
void golden_plans(Golden *g);
void golden_splits(Golden *g);
void golden_resample(Golden *g);
void golden_preprocessed(Golden *g);
void golden_augment(Golden *g);
void golden_inference(Golden *g);
void golden_postprocessing(Golden *g);
void golden_metrics(Golden *g);                                       /* evaluate, surface, umamba, losses */
void golden_losses(Golden *g, const char *path, const DocNode *root); /* one document of that part */

/* A set: its plan and its raw data. golden_set_open, golden_set_close. */
typedef struct GoldenSet {
    Plan plan;
    Dataset dataset;
} GoldenSet;

/* Fails: ERR_IO and what readers fail with; ERR_VALUE if the raw data have faults. */
int golden_set_open(GoldenSet *set, const Golden *g, const char *name, Err *e);
void golden_set_close(GoldenSet *set);

/* Opens FOLDER/part/file as a document; path: for golden_wanted. NULL if it is not selected, or if it cannot be read
 * (then a failed entry is counted). */
const DocNode *golden_document(Golden *g, Doc *doc, const char *part, const char *file);

/* Reads FOLDER/path, a .npy file whose path is formed from format. *a is empty on failure. */
int golden_array(Array *a, const Golden *g, Err *e, const char *format, ...) __attribute__((format(printf, 4, 5)));

/* The same with any type of integers made int16. */
int golden_labels(Array *a, const Golden *g, Err *e, const char *format, ...) __attribute__((format(printf, 4, 5)));

/* The i-th value of an array of any type. */
double golden_value(const Array *a, int64_t i);

/* Every number of a node (lists in lists included; truth values are 0 and 1) against `found`. tolerance is
 * relative to the expected value; 0: equal. */
void golden_expect_numbers(Golden *g, const char *name, const DocNode *expected, const double *found, int count,
                           double tolerance);

/* The file names of a part, sorted; an empty list if there is no such part. */
void golden_files(const Golden *g, const char *part, FileList *list);

#endif
