#include "tests/support/weights_reference.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/half.h"
#include "tests/support/rule.h"
#include "weights/bytes.h"

static const char *text_of(const DocNode *node, const char *key)
{
    const DocNode *child = doc_find(node, key);
    return child && child->kind == DOC_SCALAR ? child->text : "";
}

double weights_reference_element(const Array *a, int64_t i)
{
    const char *at = (const char *)a->data + (size_t)i * dtype_size(a->dtype);
    const uint64_t bits = bytes_le(at, (int)dtype_size(a->dtype));
    const uint32_t bf16 = (uint32_t)bits << 16;
    float single;
    double value;
    switch (a->dtype) {
    case DTYPE_F64: memcpy(&value, at, 8); return value;
    case DTYPE_F32: memcpy(&single, at, 4); return (double)single;
    case DTYPE_BF16: memcpy(&single, &bf16, 4); return (double)single;
    case DTYPE_F16: return half_to_double((uint16_t)bits);
    case DTYPE_I64: return (double)(int64_t)bits;
    default: return (double)bits;
    }
}

static bool same_shape(const Array *a, const DocNode *shape)
{
    if (!shape || a->rank != shape->count) return false;
    int i = 0;
    for (const DocNode *extent = shape->first; extent; extent = extent->next)
        if (a->shape[i++] != strtoll(extent->text, NULL, 10)) return false;
    return true;
}

static bool same_numbers(const Array *a, const DocNode *tensor)
{
    const DocNode *values = doc_find(tensor, "values");
    char hash[17];
    if (!values) {
        snprintf(hash, sizeof hash, "%016" PRIx64, rule_fnv1a64(a->data, (int64_t)array_bytes(a)));
        return !strcmp(hash, text_of(tensor, "fnv1a64_of_bytes"));
    }
    if (array_count(a) != values->count) return false;
    int64_t i = 0;
    for (const DocNode *value = values->first; value; value = value->next)
        if (weights_reference_element(a, i++) != strtod(value->text, NULL)) return false;
    return true;
}

static int compare_tensor(const WeightsTensor *found, const DocNode *tensor, Err *e)
{
    const Array *a = &found->array;
    const char *name = text_of(tensor, "name");
    const char *dtype = text_of(tensor, "dtype");
    if (strcmp(found->name, name))
        return err_set(e, ERR_VALUE, "tensor %s stands where %s is expected", found->name, name);
    if (strcmp(dtype_name(a->dtype), dtype))
        return err_set(e, ERR_VALUE, "%s is %s, expected %s", name, dtype_name(a->dtype), dtype);
    if (!same_shape(a, doc_find(tensor, "shape"))) return err_set(e, ERR_VALUE, "%s has another shape", name);
    return same_numbers(a, tensor) ? 0 : err_set(e, ERR_VALUE, "%s has other values", name);
}

/* Notes: scalars as the manifest prints them, lists as JSON. */
static int compare_notes(const WeightsFile *w, const DocNode *scalars, Err *e)
{
    for (const DocNode *s = scalars ? scalars->first : NULL; s; s = s->next) {
        const char *note = weights_note_text(w, s->key);
        char list[256] = "[";
        for (const DocNode *item = s->first; item; item = item->next) {
            const size_t used = strlen(list);
            snprintf(list + used, sizeof list - used, "%s%s", item->text, item->next ? "," : "]");
        }
        const char *expected = s->kind == DOC_SCALAR ? s->text : list;
        if (!note || strcmp(note, expected))
            return err_set(e, ERR_VALUE, "note %s is %s, expected %s", s->key, note ? note : "missing", expected);
    }
    return 0;
}

int weights_reference_compare(const WeightsFile *w, const DocNode *entry, Err *e)
{
    const DocNode *tensors = doc_find(entry, "tensors");
    if (!tensors || tensors->count != w->count)
        return err_set(e, ERR_VALUE, "%d tensors, expected %d", w->count, tensors ? tensors->count : 0);
    int i = 0;
    for (const DocNode *tensor = tensors->first; tensor; tensor = tensor->next)
        TRY(compare_tensor(&w->tensors[i++], tensor, e));
    return compare_notes(w, doc_find(entry, "scalars"), e);
}

const DocNode *weights_reference_entry(const DocNode *files, const DocNode *entry)
{
    const char *twin = text_of(entry, "same_as");
    if (!*twin) return entry;
    const DocNode *other = files->first;
    while (other && strcmp(text_of(other, "file"), twin)) other = other->next;
    return other;
}
