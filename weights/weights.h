/* WeightsFile: named tensors and text notes: the content of a checkpoint, for all file formats.
 *
 * Filled either by a reader (safetensors.h, pth.h: arrays view the mapped file, read-only, and need not be aligned for
 * their type: read them by memcpy; or they own a copy where the elements do not follow each other) or by weights_add and weights_note before writing (arrays may view the caller's
 * memory, which then must outlive the WeightsFile). `WeightsFile w = {0}` is an empty one. The caller frees it with
 * weights_close. Names and notes are UTF-8, in the file's order. */
#ifndef WEIGHTS_WEIGHTS_H
#define WEIGHTS_WEIGHTS_H

#include <stddef.h>
#include <stdint.h>

#include "base/array.h"
#include "base/error.h"

typedef struct WeightsTensor {
    char *name;
    Array array;
} WeightsTensor;

typedef struct WeightsNote {
    char *key, *value;
} WeightsNote;

typedef struct WeightsFile {
    WeightsTensor *tensors;
    int count;
    WeightsNote *notes;
    int note_count;
    void *mapping; /* of the file that arrays view, or NULL */
    size_t mapping_bytes;
} WeightsFile;

/* Appends a tensor; name is copied. Owns `array` from then on, on failure too (an ARRAY_HEAP is freed with the
 * WeightsFile). Names must differ (weights_check_names). Fails: ERR_NOMEM. */
int weights_add(WeightsFile *w, const char *name, Array array, Err *e);

/* Appends a note; key and value are copied. Keys must differ (weights_check_names). Fails: ERR_NOMEM. */
int weights_add_note(WeightsFile *w, const char *key, const char *value, Err *e);

/* Appends or replaces the note of that key. Fails: ERR_NOMEM. */
int weights_note(WeightsFile *w, Err *e, const char *key, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* The tensor, or the note's text, of that name; borrowed until weights_close; NULL if there is none. */
const Array *weights_find(const WeightsFile *w, const char *name);
const char *weights_note_text(const WeightsFile *w, const char *key);

/* The note as a number; ERR_FORMAT if it is missing or is no number. */
int weights_note_integer(const WeightsFile *w, const char *key, int64_t *value, Err *e);
int weights_note_number(const WeightsFile *w, const char *key, double *value, Err *e);

/* Prefix of the tensors that hold an optimizer's state in a training checkpoint. */
#define WEIGHTS_OPTIMIZER "optimizer."

/* Removes all tensors whose names begin with prefix; returns their number. */
int weights_drop(WeightsFile *w, const char *prefix);

/* ERR_FORMAT naming the first name that two tensors, or the first key that two notes, share. */
int weights_check_names(const WeightsFile *w, Err *e);

/* ERR_VALUE naming the first tensor (of a floating type) that holds a NaN or an infinity, and where. */
int weights_refuse_nonfinite(const WeightsFile *w, Err *e);

void weights_close(WeightsFile *w);

#endif
