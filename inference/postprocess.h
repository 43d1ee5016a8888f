/* Post-processing: removes all but the largest connected component of some labels (nnU-Net's only kind;
 * docs/reference.md, Post-processing), chosen on the cross-validation (inference/choice.h).
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
    PostprocessStep *steps; /* owned, with their labels */
    int count;
} Postprocessing;

/* labels (label_count) copied. Fails: ERR_NOMEM. */
int postprocessing_add(Postprocessing *p, const int *labels, int label_count, Err *e);
void postprocessing_drop(Postprocessing *p); /* the last step */
void postprocessing_free(Postprocessing *p);

/* Checks that every label of the steps is one of the dataset. source: results folder or file of the labels, for the
 * message. Fails: ERR_VALUE with the first other label. */
int postprocessing_expect_labels(const Postprocessing *p, const DatasetInfo *info, const char *source, Err *e);

/* Applies the steps to uint8, uint16 or int16 labels (Z,Y,X). Components are connected by faces, edges or corners; if
 * several are largest, all are kept; removed voxels become 0. Fails: ERR_NOMEM, ERR_UNSUPPORTED. */
int postprocessing_apply(const Postprocessing *p, Array *labels, Err *e);

/* The peak memory of postprocessing_apply in bytes, without the labels. */
int64_t postprocessing_bytes(const Postprocessing *p, const int64_t shape_zyx[3]);

/* Adds the key "post-processing" with the labels of each step, such as "1+2 3", to m. */
void postprocessing_describe(MadeFrom *m, const Postprocessing *p);

/* Write to and read from a document; node is the sequence. Fail: ERR_FORMAT with the position; ERR_NOMEM. */
void postprocessing_put(const Postprocessing *p, DocWriter *w, const char *key);
int postprocessing_get(Postprocessing *p, const DocNode *node, Err *e);

#endif
