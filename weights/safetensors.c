#include "weights/safetensors.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "formats/json.h"

static const char METADATA[] = "__metadata__";
static const uint64_t HEADER_MAX = 100u << 20; /* the reference reader's limit */

static const struct {
    DType dtype;
    const char *name;
} dtypes[] = {
    {DTYPE_F32, "F32"}, {DTYPE_F64, "F64"}, {DTYPE_F16, "F16"},   {DTYPE_BF16, "BF16"}, {DTYPE_I8, "I8"},
    {DTYPE_I16, "I16"}, {DTYPE_I32, "I32"}, {DTYPE_I64, "I64"},   {DTYPE_U8, "U8"},     {DTYPE_U16, "U16"},
    {DTYPE_U32, "U32"}, {DTYPE_U64, "U64"}, {DTYPE_BOOL, "BOOL"},
};

static const char *name_of(DType dtype)
{
    size_t i = 0;
    while (dtypes[i].dtype != dtype) i++;
    return dtypes[i].name;
}

/* Position of a tensor's numbers, in bytes behind the header. */
typedef struct Span {
    uint64_t begin, end;
    int tensor;
} Span;

typedef struct Header {
    WeightsFile *w;
    Span *spans; /* one per tensor of w */
} Header;

/* ---- the header ---- */

static int read_note(JsonReader *r, void *context)
{
    char *key = mem_strdup(r->string.data, r->e);
    if (!key) return ERR_NOMEM;
    int failed = json_string(r, "a string (metadata is text)");
    if (!failed) failed = weights_add_note(context, key, r->string.data, r->e);
    mem_free(key);
    return failed;
}

typedef struct Entry {
    unsigned seen; /* 1 dtype, 2 shape, 4 data_offsets */
    DType dtype;
    int rank;
    int64_t shape[ARRAY_MAX_RANK], offsets[2];
} Entry;

static int read_dtype(JsonReader *r, DType *dtype)
{
    TRY(json_string(r, "a type's name"));
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++) {
        if (strcmp(dtypes[i].name, r->string.data)) continue;
        *dtype = dtypes[i].dtype;
        return 0;
    }
    return err_set(r->e, ERR_UNSUPPORTED, "type '%s': expected F32, F64, F16, BF16, an integer type or BOOL",
                   r->string.data);
}

static int read_field(JsonReader *r, void *context)
{
    Entry *entry = context;
    static const char *const fields[] = {"dtype", "shape", "data_offsets"};
    unsigned field = 0;
    while (field < 3 && strcmp(fields[field], r->string.data)) field++;
    if (field == 3 || entry->seen & 1u << field)
        return err_set(r->e, ERR_FORMAT, "field '%s': expected dtype, shape and data_offsets, once each",
                       r->string.data);
    entry->seen |= 1u << field;
    if (field == 0) return read_dtype(r, &entry->dtype);
    if (field == 1) return json_integers(r, entry->shape, ARRAY_MAX_RANK, &entry->rank);
    int count;
    TRY(json_integers(r, entry->offsets, 2, &count));
    return count == 2 ? 0 : json_unexpected(r, "two offsets before this byte");
}

static int check_entry(const Entry *entry, Err *e)
{
    if (entry->seen != 7) return err_set(e, ERR_FORMAT, "expected dtype, shape and data_offsets");
    size_t bytes = SIZE_MAX;
    const bool possible = !array_check_shape(entry->dtype, entry->rank, entry->shape, &bytes, NULL);
    const int64_t begin = entry->offsets[0], end = entry->offsets[1];
    if (!possible || begin > end || (uint64_t)(end - begin) != bytes)
        return err_set(e, ERR_FORMAT, "bytes %lld to %lld do not fit its type and shape (%zu bytes)", (long long)begin,
                       (long long)end, bytes);
    return 0;
}

static int add_entry(Header *h, const char *name, const Entry *entry, Err *e)
{
    const int index = h->w->count;
    TRY(mem_grow_list(&h->spans, index, sizeof *h->spans, e));
    h->spans[index] = (Span){(uint64_t)entry->offsets[0], (uint64_t)entry->offsets[1], index};
    return weights_add(h->w, name, array_view(entry->dtype, entry->rank, entry->shape, NULL), e);
}

static int read_entry(JsonReader *r, void *context)
{
    Header *h = context;
    if (!strcmp(r->string.data, METADATA)) return json_object(r, read_note, h->w);
    char *name = mem_strdup(r->string.data, r->e);
    if (!name) return ERR_NOMEM;
    Entry entry = {0};
    int failed = json_object(r, read_field, &entry);
    if (!failed) failed = check_entry(&entry, r->e);
    failed = failed ? err_context(r->e, "tensor '%s'", name) : add_entry(h, name, &entry, r->e);
    mem_free(name);
    return failed;
}

static int by_begin(const void *a, const void *b)
{
    const Span *x = a, *y = b;
    if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
    return (x->end > y->end) - (x->end < y->end);
}

/* Points the tensors at their numbers, which must cover the data without gap or overlap. */
static int place_tensors(Header *h, char *data, uint64_t bytes, Err *e)
{
    uint64_t at = 0;
    if (h->w->count) qsort(h->spans, (size_t)h->w->count, sizeof *h->spans, by_begin);
    for (int i = 0; i < h->w->count; i++) {
        const Span *span = &h->spans[i];
        WeightsTensor *tensor = &h->w->tensors[span->tensor];
        const char *fault = span->end > bytes  ? "reach beyond the file's end (is it cut short?)"
                            : span->begin < at ? "overlap another tensor's"
                            : span->begin > at ? "leave a gap before them"
                                               : NULL;
        if (fault)
            return err_set(e, ERR_FORMAT, "tensor '%s': its bytes %llu to %llu %s", tensor->name,
                           (unsigned long long)span->begin, (unsigned long long)span->end, fault);
        tensor->array.data = data + at;
        at = span->end;
    }
    if (at != bytes) return err_set(e, ERR_FORMAT, "%zu bytes behind the last tensor", (size_t)(bytes - at));
    return 0;
}

static int read_json(Header *h, const char *text, uint64_t length, Err *e)
{
    JsonReader r = {.start = text, .at = text, .end = text + length, .e = e};
    if (!text_is_utf8(text, length)) return err_set(e, ERR_FORMAT, "the header is no UTF-8");
    if (!length || *text != '{') return json_unexpected(&r, "'{'");
    int failed = json_object(&r, read_entry, h);
    if (!failed) {
        json_skip_space(&r);
        if (r.at != r.end) failed = json_unexpected(&r, "nothing but spaces");
    }
    text_free(&r.string);
    return failed;
}

static int read_header(Header *h, char *data, size_t bytes, Err *e)
{
    uint64_t length = 0;
    if (bytes < 8) return err_set(e, ERR_FORMAT, "%zu bytes: too short for a safetensors file", bytes);
    for (int i = 7; i >= 0; i--) length = length << 8 | (unsigned char)data[i];
    if (length > bytes - 8 || length > HEADER_MAX)
        return err_set(e, ERR_FORMAT, "header length %llu in %zu bytes: cut short, or no safetensors file",
                       (unsigned long long)length, bytes);
    TRY(read_json(h, data + 8, length, e));
    TRY(weights_check_names(h->w, e));
    return place_tensors(h, data + 8 + length, bytes - 8 - length, e);
}

int safetensors_open(WeightsFile *w, const char *path, Err *e)
{
    *w = (WeightsFile){0};
    TRY(file_map(path, &w->mapping, &w->mapping_bytes, e));
    Header h = {.w = w};
    const int failed = read_header(&h, w->mapping, w->mapping_bytes, e);
    mem_free(h.spans);
    if (!failed) return 0;
    weights_close(w);
    err_plain(e);
    return err_context(e, "%s", path);
}

/* ---- writing ---- */

/* Calls `visit` for every tensor in the order of the data: larger elements first, then as added. */
static int in_data_order(const WeightsFile *w, int (*visit)(void *, int tensor, Err *), void *context, Err *e)
{
    for (size_t size = 8; size; size /= 2)
        for (int i = 0; i < w->count; i++)
            if (dtype_size(w->tensors[i].array.dtype) == size) TRY(visit(context, i, e));
    return 0;
}

typedef struct Layout {
    const WeightsFile *w;
    Span *spans; /* by tensor */
    uint64_t at;
} Layout;

static int place(void *context, int tensor, Err *e)
{
    (void)e;
    Layout *layout = context;
    const uint64_t begin = layout->at;
    layout->at += array_bytes(&layout->w->tensors[tensor].array);
    layout->spans[tensor] = (Span){begin, layout->at, tensor};
    return 0;
}

static void add_notes(Text *header, const WeightsFile *w)
{
    text_add(header, "\"%s\":{", METADATA);
    for (int i = 0; i < w->note_count; i++) {
        if (i) text_add(header, ",");
        text_add_json_string(header, w->notes[i].key);
        text_add(header, ":");
        text_add_json_string(header, w->notes[i].value);
    }
    text_add(header, "}%s", w->count ? "," : "");
}

static void add_tensor(Text *header, const WeightsTensor *tensor, const Span *span)
{
    const Array *a = &tensor->array;
    text_add_json_string(header, tensor->name);
    text_add(header, ":{\"dtype\":\"%s\",\"shape\":[", name_of(a->dtype));
    for (int i = 0; i < a->rank; i++) text_add(header, "%s%lld", i ? "," : "", (long long)a->shape[i]);
    text_add(header, "],\"data_offsets\":[%llu,%llu]}", (unsigned long long)span->begin, (unsigned long long)span->end);
}

/* The eight length bytes and the header, padded with spaces so that the numbers start aligned. */
static int compose_header(Text *header, const WeightsFile *w, Err *e)
{
    Layout layout = {.w = w, .spans = mem_alloc((size_t)w->count * sizeof(Span), e)};
    if (!layout.spans) return ERR_NOMEM;
    in_data_order(w, place, &layout, e);
    text_add(header, "%8s{", "");
    if (w->note_count) add_notes(header, w);
    for (int i = 0; i < w->count; i++) {
        if (i) text_add(header, ",");
        add_tensor(header, &w->tensors[i], &layout.spans[i]);
    }
    text_add(header, "}");
    mem_free(layout.spans);
    text_add(header, "%*s", (int)(-header->length % MEM_ALIGN), "");
    TRY(text_check(header, e));
    if (!text_is_utf8(header->data, header->length)) return err_set(e, ERR_FORMAT, "a name or note is no UTF-8");
    for (uint64_t i = 0, length = header->length - 8; i < 8; i++) header->data[i] = (char)(length >> 8 * i);
    return 0;
}

typedef struct Output {
    OutFile file;
    const WeightsFile *w;
} Output;

static int write_numbers(void *context, int tensor, Err *e)
{
    Output *out = context;
    const Array *a = &out->w->tensors[tensor].array;
    return file_write(&out->file, a->data, array_bytes(a), e);
}

int safetensors_write(const WeightsFile *w, const char *path, Err *e)
{
    Text header = {0};
    Output out = {.file = {FILE_CLOSED}, .w = w};
    int failed = weights_check_names(w, e);
    if (!failed && weights_find(w, METADATA)) failed = err_set(e, ERR_FORMAT, "no tensor may be called %s", METADATA);
    if (!failed) failed = compose_header(&header, w, e);
    if (failed) {
        err_context(e, "%s", path);
        goto done;
    }
    if ((failed = file_create(&out.file, path, e))) goto done;
    if ((failed = file_write(&out.file, header.data, header.length, e))) goto done;
    if ((failed = in_data_order(w, write_numbers, &out, e))) goto done;
    failed = file_commit(&out.file, e);
done:
    file_abort(&out.file);
    text_free(&header);
    return failed;
}
