/* A PyTorch file's weights as a WeightsFile: which dictionary holds them, and the notes beside it. */
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "weights/pth.h"

/* Characters of all notes; a value that is shared many times must not become a note of unbounded length. */
enum { NOTES_MAX = 4 << 20 };
/* Limit for the size of all tensors: views of one storage can be many times the file's size. */
static const size_t UNFOLD_FACTOR = 16, UNFOLD_SLACK = 1 << 24;

static const Value *find_weights(const Value *root)
{
    static const char *const keys[] = {"network_weights", "model", "state_dict"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const Value *v = value_get(root, keys[i]);
        if (v && v->kind == VALUE_DICT) return v;
    }
    return root;
}

static bool is_plain_name(const Value *name)
{
    if (name->kind != VALUE_STRING || !name->text.bytes) return false;
    for (size_t i = 0; i < name->text.bytes; i++)
        if ((unsigned char)name->text.data[i] < 0x20) return false;
    return true;
}

static int add_tensors(WeightsFile *w, const Value *dict, size_t limit, Err *e)
{
    for (uint32_t i = 0; i < dict->list.count; i += 2) {
        const Value *name = dict->list.items[i], *v = dict->list.items[i + 1];
        if (v->kind != VALUE_TENSOR) continue;
        if (!is_plain_name(name)) return err_set(e, ERR_FORMAT, "tensor %d: its name is no plain text", w->count);
        size_t bytes = v->tensor->storage ? dtype_size(v->tensor->storage->dtype) : 0;
        for (int d = 0; d < v->tensor->rank; d++) bytes = mem_product(bytes, (size_t)v->tensor->shape[d]);
        if (bytes > limit)
            return err_set(e, ERR_FORMAT, "tensor '%s': with it, the tensors are many times larger than the file",
                           name->text.data);
        limit -= bytes;
        Array array;
        if (pth_array(v, &array, e)) return err_context(e, "tensor '%s'", name->text.data);
        TRY(weights_add(w, name->text.data, array, e));
    }
    if (w->count) return 0;
    return err_set(e, ERR_FORMAT, "no weights in it: network_weights, model, state_dict or tensors by name");
}

/* Adds v as JSON; false where it holds tensors or classes or becomes longer than `limit`. */
static bool add_json(Text *t, const Value *v, size_t limit)
{
    if (t->length > limit) return false;
    switch (v->kind) {
    case VALUE_NONE: text_add(t, "null"); return true;
    case VALUE_BOOL: text_add(t, v->truth ? "true" : "false"); return true;
    case VALUE_INT: text_add(t, "%lld", (long long)v->integer); return true;
    case VALUE_FLOAT:
        if (v->number - v->number == 0.0) text_add_double(t, v->number);
        else text_add(t, "null"); /* JSON has no NaN and no infinity */
        return true;
    case VALUE_STRING: text_add_json_string(t, v->text.data); return true;
    case VALUE_LIST:
    case VALUE_TUPLE:
    case VALUE_DICT: break;
    default: return false;
    }
    const bool dict = v->kind == VALUE_DICT;
    text_add(t, dict ? "{" : "[");
    for (uint32_t i = 0; i < v->list.count; i++) {
        if (i) text_add(t, dict && i % 2 ? ":" : ",");
        const Value *item = v->list.items[i];
        if (dict && i % 2 == 0 && item->kind == VALUE_INT) text_add(t, "\"%lld\"", (long long)item->integer);
        else if (dict && i % 2 == 0 && item->kind != VALUE_STRING) return false;
        else if (!add_json(t, item, limit)) return false;
    }
    text_add(t, dict ? "}" : "]");
    return true;
}

/* Adds v as a note if it can be one, and subtracts its length from *left. */
static int add_note(WeightsFile *w, const char *key, const Value *v, size_t *left, Err *e)
{
    Text t = {0};
    bool whole = true;
    if (v->kind == VALUE_STRING) text_add_bytes(&t, v->text.data, strlen(v->text.data));
    else if (v->kind == VALUE_FLOAT) text_add_double(&t, v->number);
    else whole = add_json(&t, v, *left);
    int failed = text_check(&t, e);
    if (!failed && whole && t.length <= *left) failed = weights_add_note(w, key, t.data, e);
    *left -= t.length < *left ? t.length : *left;
    text_free(&t);
    return failed;
}

static int add_notes(WeightsFile *w, const Value *root, const Value *weights, Err *e)
{
    size_t left = NOTES_MAX;
    for (uint32_t i = 0; i < root->list.count; i += 2) {
        const Value *key = root->list.items[i], *v = root->list.items[i + 1];
        if (v != weights && is_plain_name(key)) TRY(add_note(w, key->text.data, v, &left, e));
    }
    return 0;
}

static int fill(WeightsFile *w, const Pth *p, Err *e)
{
    const Value *root = p->pickle.root, *weights = find_weights(root);
    if (root->kind != VALUE_DICT) return err_set(e, ERR_FORMAT, "no dictionary was saved in it");
    TRY(add_tensors(w, weights, UNFOLD_FACTOR * p->bytes + UNFOLD_SLACK, e));
    TRY(add_notes(w, root, weights, e));
    TRY(weights_check_names(w, e));
    return weights_refuse_nonfinite(w, e);
}

int pth_weights(WeightsFile *w, const Pth *p, Err *e)
{
    *w = (WeightsFile){0};
    const int failed = fill(w, p, e);
    if (failed) {
        err_plain(e);
        weights_close(w);
    }
    return failed;
}

int pth_read_weights(WeightsFile *w, const char *path, Err *e)
{
    Pth p;
    *w = (WeightsFile){0};
    TRY(pth_open(&p, path, e));
    const int failed = pth_weights(w, &p, e);
    if (!failed) {
        w->mapping = (void *)p.data; /* the arrays view it */
        w->mapping_bytes = p.bytes;
        p.mapped = false;
    }
    pth_close(&p);
    return failed ? err_context(e, "%s", path) : 0;
}
