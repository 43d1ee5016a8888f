/* Structures: the labels and regions that are evaluated. A region is the union of several labels.
 *
 * Start with `Structures s = {0}`, add with structures_add or structures_from_…, end with structures_free. Must not
 * be changed while cases are evaluated. */
#ifndef EVALUATION_STRUCTURES_H
#define EVALUATION_STRUCTURES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "evaluation/pairs.h"
#include "plans/dataset_json.h"

typedef struct Structure {
    char *name;      /* as in dataset.json: "Anterior"; owned */
    char *key;       /* nnU-Net's key in summary.json: "1", or "(1, 2)" for a region; owned */
    int16_t *labels; /* owned */
    int label_count;
    double tolerance_mm; /* of the surface Dice NSD; 1 unless set */
} Structure;

typedef struct Structures {
    Structure *items;
    int count;
    bool has_ignore; /* voxels whose reference is `ignore` are not counted */
    int16_t ignore;
} Structures;

/* Adds one structure; name is copied (NULL: the key is the name). is_region only decides the key's form: "(3,)" for
 * a region of one label, "3" for a label. Fails: ERR_NOMEM; ERR_VALUE without labels. */
int structures_add(Structures *s, const char *name, const int16_t *labels, int label_count, bool is_region, Err *e);

/* The foreground of a dataset as in nnU-Net: its regions if it has any, else its labels, without the ignore label.
 * Fails: ERR_NOMEM; ERR_VALUE without foreground or with a label beyond int16. */
int structures_from_dataset(Structures *s, const DatasetInfo *info, Err *e);

/* Every label above 0 that occurs in the pairs' references, by value; reads all of them. Fails: ERR_VALUE without a
 * label, or with more than 255 (these are no label maps); ERR_NOMEM. References that cannot be read are skipped:
 * the evaluation reports them. */
int structures_from_references(Structures *s, const Pairs *pairs, Err *e);

void structures_free(Structures *s);

#endif
