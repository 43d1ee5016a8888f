/* Which labels (or regions) of a dataset occur in which cases, by their class locations (class_locations.h).
 *
 *   LabelPresence p = {0};
 *   label_presence_new(&p, &info, case_count, e);
 *   … label_presence_add(&p, index, &locations);
 *   … label_presence_lacks(&p, class_index, NULL) …
 *   label_presence_free(&p); */
#ifndef PREPROCESS_LABEL_PRESENCE_H
#define PREPROCESS_LABEL_PRESENCE_H

#include <stdbool.h>

#include "base/array.h"
#include "base/text.h"
#include "plans/dataset_json.h"

typedef struct LabelPresence {
    const DatasetInfo *info; /* borrowed */
    int cases, classes;      /* the ignore label's class not counted */
    bool *occurs;            /* cases x classes */
} LabelPresence;

int label_presence_new(LabelPresence *p, const DatasetInfo *info, int cases, Err *e);
void label_presence_add(LabelPresence *p, int index, const Array *locations);
void label_presence_free(LabelPresence *p);

/* Whether the class occurs in none of the chosen cases (`chosen` has a flag per case; NULL: all). */
bool label_presence_lacks(const LabelPresence *p, int class_index, const bool *chosen);

/* "label 3, tumour" or "region whole". */
void label_presence_name(const LabelPresence *p, int class_index, Text *text);

#endif
