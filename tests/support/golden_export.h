/* The entries of the part `inference` for export and labels, called by golden_inference.c; each is one item of the
 * document `root`. */
#ifndef TESTS_SUPPORT_GOLDEN_EXPORT_H
#define TESTS_SUPPORT_GOLDEN_EXPORT_H

#include "tests/support/golden.h"

void golden_export(Golden *g, const DocNode *root, const DocNode *item);
void golden_export_old(Golden *g, const DocNode *root, const DocNode *item); /* its case is in `export` */
void golden_label_conversion(Golden *g, const DocNode *root, const DocNode *item);
void golden_ensemble(Golden *g, const DocNode *root, const DocNode *item);

#endif
