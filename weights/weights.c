#include "weights/weights.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"

int weights_add(WeightsFile *w, const char *name, Array array, Err *e)
{
    char *copy = NULL;
    if (!mem_grow_list(&w->tensors, w->count, sizeof *w->tensors, e)) copy = mem_strdup(name, e);
    if (!copy) {
        array_free(&array);
        return ERR_NOMEM;
    }
    w->tensors[w->count++] = (WeightsTensor){copy, array};
    return 0;
}

int weights_add_note(WeightsFile *w, const char *key, const char *value, Err *e)
{
    WeightsNote note = {mem_strdup(key, e), mem_strdup(value, e)};
    int failed = note.key && note.value ? 0 : ERR_NOMEM;
    if (!failed) failed = mem_grow_list(&w->notes, w->note_count, sizeof note, e);
    if (failed) {
        mem_free(note.key);
        mem_free(note.value);
        return failed;
    }
    w->notes[w->note_count++] = note;
    return 0;
}

int weights_drop(WeightsFile *w, const char *prefix)
{
    int kept = 0;
    for (int i = 0; i < w->count; i++) {
        WeightsTensor *tensor = &w->tensors[i];
        if (strncmp(tensor->name, prefix, strlen(prefix))) {
            w->tensors[kept++] = *tensor;
        } else {
            mem_free(tensor->name);
            array_free(&tensor->array);
        }
    }
    const int dropped = w->count - kept;
    w->count = kept;
    return dropped;
}

static WeightsNote *find_note(const WeightsFile *w, const char *key)
{
    for (int i = 0; i < w->note_count; i++)
        if (!strcmp(w->notes[i].key, key)) return &w->notes[i];
    return NULL;
}

int weights_note(WeightsFile *w, Err *e, const char *key, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *value = text_format(e, format, args);
    va_end(args);
    if (!value) return ERR_NOMEM;
    WeightsNote *note = find_note(w, key);
    if (!note) {
        const int failed = weights_add_note(w, key, value, e);
        mem_free(value);
        return failed;
    }
    mem_free(note->value);
    note->value = value;
    return 0;
}

const Array *weights_find(const WeightsFile *w, const char *name)
{
    for (int i = 0; i < w->count; i++)
        if (!strcmp(w->tensors[i].name, name)) return &w->tensors[i].array;
    return NULL;
}

const char *weights_note_text(const WeightsFile *w, const char *key)
{
    const WeightsNote *note = find_note(w, key);
    return note ? note->value : NULL;
}

static int bad_number(const char *key, const char *found, const char *expected, Err *e)
{
    return err_set(e, ERR_FORMAT, "note '%s': found '%s', expected %s", key, found ? found : "", expected);
}

int weights_note_integer(const WeightsFile *w, const char *key, int64_t *value, Err *e)
{
    const char *text = weights_note_text(w, key);
    char *end = NULL;
    errno = 0;
    const long long number = text ? strtoll(text, &end, 10) : 0;
    if (!text || end == text || *end || errno) return bad_number(key, text, "an integer", e);
    *value = number;
    return 0;
}

int weights_note_number(const WeightsFile *w, const char *key, double *value, Err *e)
{
    const char *text = weights_note_text(w, key);
    char *end = NULL;
    const double number = text ? strtod(text, &end) : 0.0;
    if (!text || end == text || *end) return bad_number(key, text, "a number", e);
    *value = number;
    return 0;
}

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/* Sorts the names and fails on the first that occurs twice. */
static int check_distinct(char **names, int count, const char *what, Err *e)
{
    qsort(names, (size_t)count, sizeof *names, by_name);
    for (int i = 1; i < count; i++)
        if (!strcmp(names[i - 1], names[i])) return err_set(e, ERR_FORMAT, "%s '%s' occurs twice", what, names[i]);
    return 0;
}

int weights_check_names(const WeightsFile *w, Err *e)
{
    const int most = w->count > w->note_count ? w->count : w->note_count;
    char **names = mem_alloc((size_t)most * sizeof *names, e);
    if (!names) return ERR_NOMEM;
    for (int i = 0; i < w->count; i++) names[i] = w->tensors[i].name;
    int failed = check_distinct(names, w->count, "tensor", e);
    for (int i = 0; i < w->note_count; i++) names[i] = w->notes[i].key;
    if (!failed) failed = check_distinct(names, w->note_count, "note", e);
    mem_free(names);
    return failed;
}

/* By the bits: of NaN and infinity the exponent is all ones. Copied, since numbers may not be aligned for their type. */
#define FIRST_NONFINITE(bits_type, exponent)                                       \
    do {                                                                           \
        for (int64_t i = 0; i < count; i++) {                                      \
            bits_type bits;                                                        \
            memcpy(&bits, data + (size_t)i * sizeof bits, sizeof bits);            \
            if ((bits & (bits_type)(exponent)) == (bits_type)(exponent)) return i; \
        }                                                                          \
    } while (0)

/* Index of the first NaN or infinity of an array, or -1. */
static int64_t first_nonfinite(const Array *a)
{
    const char *data = a->data;
    const int64_t count = array_count(a);
    if (a->dtype == DTYPE_F32) FIRST_NONFINITE(uint32_t, 0x7f800000u);
    if (a->dtype == DTYPE_F64) FIRST_NONFINITE(uint64_t, 0x7ff0000000000000u);
    if (a->dtype == DTYPE_F16) FIRST_NONFINITE(uint16_t, 0x7c00u);
    if (a->dtype == DTYPE_BF16) FIRST_NONFINITE(uint16_t, 0x7f80u);
    return -1;
}

int weights_refuse_nonfinite(const WeightsFile *w, Err *e)
{
    for (int i = 0; i < w->count; i++) {
        const int64_t at = first_nonfinite(&w->tensors[i].array);
        if (at >= 0)
            return err_set(e, ERR_VALUE,
                           "tensor '%s': element %lld of %lld is NaN or infinite; expected trained weights",
                           w->tensors[i].name, (long long)at, (long long)array_count(&w->tensors[i].array));
    }
    return 0;
}

void weights_close(WeightsFile *w)
{
    for (int i = 0; i < w->count; i++) {
        mem_free(w->tensors[i].name);
        array_free(&w->tensors[i].array);
    }
    for (int i = 0; i < w->note_count; i++) {
        mem_free(w->notes[i].key);
        mem_free(w->notes[i].value);
    }
    mem_free(w->tensors);
    mem_free(w->notes);
    file_unmap(w->mapping, w->mapping_bytes);
    *w = (WeightsFile){0};
}
