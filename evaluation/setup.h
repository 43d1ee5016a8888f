/* Inputs of an evaluation besides its pairs: labels, tolerances, and the folders beside the references. The caller
 * owns the strings that are found. */
#ifndef EVALUATION_SETUP_H
#define EVALUATION_SETUP_H

#include "base/error.h"
#include "evaluation/structures.h"

/* The first dataset.json in or above both paths (folders, or files in them), the prediction's before the
 * reference's; *found is NULL without one. If both sides have one, their labels must have the same meaning. Fails:
 * ERR_IO if that cannot be determined; ERR_VALUE with the difference; as dataset_info_read; ERR_NOMEM. */
int setup_find_dataset(char **found, const char *reference, const char *prediction, Err *e);

/* Sets the tolerances of the surface Dice: "2" for all structures, "Liver=5" for one by its name or key; later ones
 * win. Fails: ERR_VALUE for a name that no structure has. The numbers must have been checked. */
int setup_tolerances(Structures *s, const char *const *texts, int count, Err *e);

/* The folder beside labelsTr with images (imagesTr) or instance maps (instancesTr): the path with `word` in place
 * of "labels" if that is a folder, else NULL. Fails: ERR_IO if that cannot be determined; ERR_NOMEM. */
int setup_find_sibling(char **found, const char *labels, const char *word, Err *e);

/* Checks that the path given for an option is a folder. Fails: ERR_VALUE, ERR_IO. */
int setup_expect_folder(const char *option, const char *path, Err *e);

/* Checks that the structures are those of instance segmentation: 1 interior, 2 boundary and no others. source:
 * their origin, for the message. Fails: ERR_VALUE. */
int setup_expect_instance_labels(const Structures *s, const char *source, Err *e);

#endif
