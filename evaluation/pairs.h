/* Pairs: each prediction with its reference.
 *
 * Every image in the folder of predictions is a pair (nnU-Net's rule); its reference is the image of the same case,
 * in any format. pairs_find fills the list, pairs_free frees it. */
#ifndef EVALUATION_PAIRS_H
#define EVALUATION_PAIRS_H

#include "base/error.h"
#include "base/text.h"

typedef struct Pair {
    char *id;         /* file name without its ending */
    char *prediction; /* paths */
    char *reference;  /* NULL: none */
    char *instances;  /* map of the reference's instances; NULL: none */
} Pair;

typedef struct Pairs {
    Pair *items; /* by id, ascending; owned */
    int count;
    char **unpredicted; /* ids of the references without a prediction; owned */
    int unpredicted_count;
} Pairs;

/* reference and prediction: two folders, or two image files. Fails: ERR_IO; ERR_VALUE for two files of
 * one case in a folder, a folder without an image, or two without a common case; ERR_NOMEM. */
int pairs_find(Pairs *pairs, const char *reference, const char *prediction, Err *e);

/* Pairs of `count` files with the same names in both folders; other files are not used. Fails: ERR_NOMEM. */
int pairs_of_names(Pairs *pairs, const char *references, const char *predictions, const char *const *names, int count,
                   Err *e);

/* Adds a hint if the name of a prediction without a reference looks like that of a reference without a prediction. */
void pairs_tell_alike(Text *text, const Pairs *pairs);

/* Fills in the instance maps of a folder by their ids. Fails as pairs_find, and with ERR_VALUE where a pair
 * with a reference has none. */
int pairs_add_instances(Pairs *pairs, const char *folder, Err *e);
void pairs_free(Pairs *pairs);

#endif
