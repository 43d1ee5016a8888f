/* Writes weights as a PyTorch file: zip format 3, the object a protocol 2 pickle without memo. */
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "weights/pickle_write.h"
#include "weights/pth.h"
#include "weights/zip.h"

static const char *const storage_types[DTYPE_COUNT] = {
    [DTYPE_F32] = "FloatStorage",     [DTYPE_F64] = "DoubleStorage", [DTYPE_F16] = "HalfStorage",
    [DTYPE_BF16] = "BFloat16Storage", [DTYPE_I8] = "CharStorage",    [DTYPE_I16] = "ShortStorage",
    [DTYPE_I32] = "IntStorage",       [DTYPE_I64] = "LongStorage",   [DTYPE_U8] = "ByteStorage",
    [DTYPE_BOOL] = "BoolStorage",
};

/* ---- the pickle ---- */

/* torch._utils._rebuild_tensor_v2(storage, 0, shape, strides, False, OrderedDict()) */
static void add_tensor(Text *t, const Array *a, int storage)
{
    char key[16];
    int64_t stride[ARRAY_MAX_RANK], count = 1;
    for (int i = a->rank - 1; i >= 0; i--) {
        stride[i] = count;
        count *= a->shape[i] > 1 ? a->shape[i] : 1;
    }
    snprintf(key, sizeof key, "%d", storage);
    text_add(t, "ctorch._utils\n_rebuild_tensor_v2\n((");
    pickle_put_string(t, "storage");
    text_add(t, "ctorch\n%s\n", storage_types[a->dtype]);
    pickle_put_string(t, key);
    pickle_put_string(t, "cpu");
    pickle_put_integer(t, array_count(a));
    text_add(t, "tQ");
    pickle_put_integer(t, 0);
    text_add(t, "(");
    for (int i = 0; i < a->rank; i++) pickle_put_integer(t, a->shape[i]);
    text_add(t, "t(");
    for (int i = 0; i < a->rank; i++) pickle_put_integer(t, stride[i]);
    text_add(t, "t\x89"
                "ccollections\nOrderedDict\n)RtR");
}

/* Tensors that are views of the same numbers share a storage: the index of the first of them. */
static int storage_of(const WeightsFile *w, int tensor)
{
    const Array *a = &w->tensors[tensor].array;
    int i = 0;
    while (w->tensors[i].array.data != a->data || w->tensors[i].array.dtype != a->dtype ||
           array_count(&w->tensors[i].array) != array_count(a))
        i++;
    return i;
}

static int compose_pickle(Text *t, const WeightsFile *w, const char *under, Err *e)
{
    text_add(t, "\x80\x02}(");
    if (under) {
        pickle_put_string(t, under);
        text_add(t, "}(");
    }
    for (int i = 0; i < w->count; i++) {
        const WeightsTensor *tensor = &w->tensors[i];
        if (!storage_types[tensor->array.dtype])
            return err_set(e, ERR_UNSUPPORTED, "tensor '%s': PyTorch files of this form have no type %s", tensor->name,
                           dtype_name(tensor->array.dtype));
        pickle_put_string(t, tensor->name);
        add_tensor(t, &tensor->array, storage_of(w, i));
    }
    if (under) text_add(t, "u");
    for (int i = 0; i < w->note_count; i++) {
        pickle_put_string(t, w->notes[i].key);
        TRY(pickle_put_note(t, w->notes[i].value, e));
    }
    text_add(t, "u.");
    return text_check(t, e);
}

/* ---- the archive ---- */

typedef char EntryName[32];

static int write_entries(Zip *z, OutFile *f, const WeightsFile *w, const Text *pickle, EntryName *names, Err *e)
{
    TRY(zip_add(z, f, "archive/data.pkl", pickle->data, pickle->length, e));
    TRY(zip_add(z, f, "archive/byteorder", "little", 6, e));
    for (int i = 0; i < w->count; i++) {
        const Array *a = &w->tensors[i].array;
        if (storage_of(w, i) != i) continue;
        snprintf(names[i], sizeof names[i], "archive/data/%d", i);
        TRY(zip_add(z, f, names[i], a->data, array_bytes(a), e));
    }
    TRY(zip_add(z, f, "archive/version", "3\n", 2, e));
    return zip_finish(z, f, e);
}

int pth_write_weights(const WeightsFile *w, const char *under, const char *path, Err *e)
{
    Text pickle = {0};
    Zip z = {0};
    OutFile f = {FILE_CLOSED};
    EntryName *names = NULL;
    int failed = weights_check_names(w, e);
    if (!failed && under && weights_note_text(w, under))
        failed = err_set(e, ERR_FORMAT, "no note may be called %s", under);
    if (!failed) failed = compose_pickle(&pickle, w, under, e);
    if (failed) {
        err_context(e, "%s", path);
        goto done;
    }
    names = mem_alloc((size_t)w->count * sizeof *names, e);
    if (!names) {
        failed = ERR_NOMEM;
        goto done;
    }
    if ((failed = file_create(&f, path, e))) goto done;
    if ((failed = write_entries(&z, &f, w, &pickle, names, e))) goto done;
    failed = file_commit(&f, e);
done:
    file_abort(&f);
    zip_free(&z);
    text_free(&pickle);
    mem_free(names);
    return failed;
}
