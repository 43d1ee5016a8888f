/* The nearest name in the folder, for messages about a file or folder that is not there. */
#ifndef BASE_PATH_HINT_H
#define BASE_PATH_HINT_H

#include "base/error.h"

/* Appends "; did you mean NAME?" to the error if `path` does not exist, and one name in the first folder on its way that lacks
 * the next one is probably meant (base/nearest.h), and leads to something that exists. Names that differ in digits only are
 * none: they mean another case. Of a number, which nnU-Net accepts for a dataset, it says that a path is expected. Returns
 * e->code; 0 for e NULL. */
int path_hint(Err *e, const char *path);

#endif
