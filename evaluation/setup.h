/* What an evaluation needs beside its pairs: labels, tolerances, and the folders that lie beside the references.
 * Strings that are found belong to the caller. */
#ifndef EVALUATION_SETUP_H
#define EVALUATION_SETUP_H

#include "base/error.h"
#include "evaluation/structures.h"

/* The first dataset.json in or above both paths (folders, or files in them), the prediction's before the
 * reference's; *found is NULL without one. Where both sides have one, they must mean the same by their labels. Fails:
 * ERR_IO where that cannot be told; ERR_VALUE with the difference; as dataset_info_read; ERR_NOMEM. */
int setup_find_dataset(char **found, const char *reference, const char *prediction, Err *e);

/* Sets the tolerances of the surface Dice: "2" for all structures, "Liver=5" for one by its name or key; later ones
 * win. Fails: ERR_VALUE for a name that no structure has. The numbers themselves were checked. */
int setup_tolerances(Structures *s, const char *const *texts, int count, Err *e);

/* labelsTr has its images in imagesTr beside it, its instance maps in instancesTr: the path with `word` in place of
 * "labels" if it is a folder, else NULL. Fails: ERR_IO where that cannot be told; ERR_NOMEM. */
int setup_find_sibling(char **found, const char *labels, const char *word, Err *e);

/* Whether the path given for an option is a folder. Fails: ERR_VALUE, ERR_IO. */
int setup_expect_folder(const char *option, const char *path, Err *e);

/* Whether the structures are those of instance segmentation: 1 interior, 2 boundary and no more. source: where
 * they come from, for the message. Fails: ERR_VALUE. */
int setup_expect_instance_labels(const Structures *s, const char *source, Err *e);

#endif
