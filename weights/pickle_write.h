/* Parts of pickles (protocol 2, without memo), appended to a text. Source: CPython's pickletools.py. */
#ifndef WEIGHTS_PICKLE_WRITE_H
#define WEIGHTS_PICKLE_WRITE_H

#include <stdint.h>

#include "base/error.h"
#include "base/text.h"

void pickle_put_string(Text *t, const char *value);
void pickle_put_integer(Text *t, int64_t value);

/* A note of a WeightsFile: a number, a truth value, None, a list or a dictionary, if the value is what a reader
 * (pth_weights) notes for one; else a string. Fails: ERR_NOMEM. */
int pickle_put_note(Text *t, const char *value, Err *e);

#endif
