/* A command line before argp reads it: nnU-Net's habits are answered, and misspelt options and words named with what was
 * probably meant.
 *
 * Besides the habits of the program (Habit in base/program.h), these forms mean the same as in nnU-Net: an underscore in the
 * name of an option is a hyphen, and a long option may begin with one hyphen (-device cpu). */
#ifndef BASE_ARGUMENTS_H
#define BASE_ARGUMENTS_H

#include "base/help.h"

typedef struct Arguments {
    char **words; /* argv for argp, NULL at the end; owned. Values are argv's own strings */
    int count;
    char *names; /* the options' names that were rewritten; owned */
} Arguments;

/* notes: a line for each accepted option that has no effect. Fails: ERR_VALUE with what to type; ERR_NOMEM. */
int arguments_read(Arguments *a, const Help *h, int argc, char **argv, Text *notes, Err *e);
void arguments_free(Arguments *a);

#endif
