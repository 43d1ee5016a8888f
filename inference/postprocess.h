/* Post-processing: removes all but the largest connected component of some labels (nnU-Net's only kind;
 * docs/reference.md, Post-processing), as decided on the cross-validation (postprocess_choice.h).
 *
 * `Postprocessing p = {0}` does nothing; postprocessing_add … postprocessing_free. In a file it is
 *   postprocessing: [[1, 2], [2]]     # the labels of each step, in order */
#ifndef INFERENCE_POSTPROCESS_H
#define INFERENCE_POSTPROCESS_H

#include "base/array.h"
#include "base/error.h"
#include "formats/yaml.h"
#include "plans/dataset_json.h"
#include "plans/made_from.h"

/* The labels whose union keeps only its largest component. */
typedef struct PostprocessStep {
    int *labels;
    int label_count;
} PostprocessStep;

typedef struct Postprocessing {
    PostprocessStep *steps;   /* owned, with their labels */
    int count;
} Postprocessing;

/* labels (label_count) copied. Fails: ERR_NOMEM. */
int postprocessing_add(Postprocessing *p, const int *labels, int label_count, Err *e);
void postprocessing_drop(Postprocessing *p);   /* the last step */
void postprocessing_free(Postprocessing *p);

/* Whether every label of the steps is one of the dataset's; source: results folder or file that names them, for the message. Fails:
 * ERR_VALUE with the first that is not. */
int postprocessing_expect_labels(const Postprocessing *p, const DatasetInfo *info, const char *source, Err *e);

/* Applies the steps to uint8, uint16 or int16 labels (Z,Y,X): components touch by faces, edges or corners; of
 * several that are largest all stay; what is removed becomes 0. Fails: ERR_NOMEM, ERR_UNSUPPORTED. */
int postprocessing_apply(const Postprocessing *p, Array *labels, Err *e);

/* The most memory that applying takes beside the labels themselves. */
int64_t postprocessing_bytes(const Postprocessing *p, const int64_t shape_zyx[3]);

/* Adds "post-processing", the labels of each step as in "1+2 3", to what labels are made from. */
void postprocessing_describe(MadeFrom *m, const Postprocessing *p);

/* To and from a document; node is the sequence. Fails: ERR_FORMAT with the place; ERR_NOMEM. */
void postprocessing_put(const Postprocessing *p, DocWriter *w, const char *key);
int postprocessing_get(Postprocessing *p, const DocNode *node, Err *e);

#endif
