/* Pairs: which prediction is compared with which reference.
 *
 * Every image in the folder of predictions is a pair (nnU-Net's rule); its reference is the image of the
 * same case, whatever the format. pairs_find fills the list, pairs_free takes it back. */
#ifndef EVALUATION_PAIRS_H
#define EVALUATION_PAIRS_H

#include "base/error.h"
#include "base/text.h"

typedef struct Pair {
    char *id;           /* file name without its ending */
    char *prediction;   /* paths */
    char *reference;    /* NULL where there is none */
    char *instances;    /* map of the reference's instances, likewise */
} Pair;

typedef struct Pairs {
    Pair *items;        /* by id, ascending; owned */
    int count;
    char **unpredicted; /* ids of the references without a prediction; owned */
    int unpredicted_count;
} Pairs;

/* reference and prediction: two folders, or two image files. Fails: ERR_IO; ERR_VALUE for two files of
 * one case in a folder, a folder without an image, or two without a common case; ERR_NOMEM. */
int pairs_find(Pairs *pairs, const char *reference, const char *prediction, Err *e);

/* Of files with the same names (count) in both folders, whatever else is there. Fails: ERR_NOMEM. */
int pairs_of_names(Pairs *pairs, const char *references, const char *predictions, const char *const *names, int count,
                   Err *e);

/* Adds what is to be said where the name of a prediction without a reference looks like that of a reference without a
 * prediction. */
void pairs_tell_alike(Text *text, const Pairs *pairs);

/* Fills in the instance maps of a folder by their ids. Fails as pairs_find, and with ERR_VALUE where a pair
 * with a reference has none. */
int pairs_add_instances(Pairs *pairs, const char *folder, Err *e);
void pairs_free(Pairs *pairs);

#endif
