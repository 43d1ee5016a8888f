#include "weights/pth.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "weights/bytes.h"
#include "weights/zip.h"

/* ---- the zip format ---- */

static bool ends_with(const ZipEntry *entry, const char *ending)
{
    const size_t bytes = strlen(ending);
    return entry->name_bytes >= bytes && !memcmp(entry->name + entry->name_bytes - bytes, ending, bytes);
}

/* The entry FOLDER/data.pkl, of which there must be one. */
static const ZipEntry *find_pickle(const Zip *z, Err *e)
{
    static const char name[] = "/data.pkl";
    const ZipEntry *found = NULL;
    for (int i = 0; i < z->count; i++) {
        const ZipEntry *entry = &z->entries[i];
        const char *slash = memchr(entry->name, '/', entry->name_bytes);
        if (!ends_with(entry, name) || slash != entry->name + entry->name_bytes - strlen(name)) continue;
        if (found) {
            err_set(e, ERR_FORMAT, "two entries FOLDER/data.pkl in the archive");
            return NULL;
        }
        found = entry;
    }
    if (!found) err_set(e, ERR_FORMAT, "no entry FOLDER/data.pkl: not an archive that PyTorch saved");
    return found;
}

/* The entry FOLDER/name. */
static int find_entry(const Zip *z, const ZipEntry *pickle, const char *name, const ZipEntry **found, Err *e)
{
    const int folder = (int)(pickle->name_bytes - strlen("data.pkl"));
    char *path = path_format(e, "%.*s%s", folder, pickle->name, name);
    if (!path) return ERR_NOMEM;
    *found = zip_find(z, path);
    mem_free(path);
    return 0;
}

static int bad_storage(const PickleStorage *s, const char *what, Err *e)
{
    return err_set(e, ERR_FORMAT, "storage '%s' of %lld %s: %s", s->key, (long long)s->count, dtype_name(s->dtype),
                   what);
}

static int resolve_zip(const Zip *z, const ZipEntry *pickle, PickleStorage *storages, Err *e)
{
    for (PickleStorage *s = storages; s; s = s->next) {
        const ZipEntry *entry;
        char name[256];
        if (snprintf(name, sizeof name, "data/%s", s->key) >= (int)sizeof name)
            return bad_storage(s, "its name is too long", e);
        TRY(find_entry(z, pickle, name, &entry, e));
        if (!entry) return bad_storage(s, "its record is missing from the archive", e);
        if (entry->bytes != mem_product((size_t)s->count, dtype_size(s->dtype)))
            return bad_storage(s, "its record has another length", e);
        s->data = entry->data;
    }
    return 0;
}

static int read_zip(Pth *p, Err *e)
{
    Zip z;
    TRY(zip_read(&z, p->data, p->bytes, e));
    const ZipEntry *pickle = find_pickle(&z, e), *order = NULL;
    int failed = pickle ? 0 : ERR_FORMAT;
    if (!failed) failed = find_entry(&z, pickle, "byteorder", &order, e);
    if (!failed && order && (order->bytes != 6 || memcmp(order->data, "little", 6)))
        failed = err_set(e, ERR_UNSUPPORTED, "its numbers are not little-endian");
    if (!failed) failed = pickle_read(&p->pickle, pickle->data, pickle->bytes, NULL, e);
    if (!failed) failed = resolve_zip(&z, pickle, p->pickle.storages, e);
    zip_free(&z);
    return failed;
}

/* ---- the legacy format ---- */

static const char MAGIC[] = "\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"; /* 0x1950a86a20f9469cfc6c */

typedef struct Legacy {
    const char *data;
    size_t bytes, at;
    PickleStorage **storages; /* sorted by key */
    size_t count;
} Legacy;

static int next_pickle(Legacy *l, Pickle *p, Err *e)
{
    size_t used;
    TRY(pickle_read(p, l->data + l->at, l->bytes - l->at, &used, e));
    l->at += used;
    return 0;
}

/* Reads the three pickles at the beginning: magic number, protocol version, system. */
static int read_preamble(Legacy *l, Err *e)
{
    Pickle p;
    TRY(next_pickle(l, &p, e));
    const bool magic = p.root->kind == VALUE_LONG && p.root->text.bytes == sizeof MAGIC - 1 &&
                       !memcmp(p.root->text.data, MAGIC, sizeof MAGIC - 1);
    pickle_free(&p);
    if (!magic) return err_set(e, ERR_FORMAT, "a pickle without PyTorch's magic number");
    TRY(next_pickle(l, &p, e));
    const bool version = p.root->kind == VALUE_INT && p.root->integer == 1001;
    pickle_free(&p);
    if (!version) return err_set(e, ERR_UNSUPPORTED, "a legacy PyTorch file of another version than 1001");
    TRY(next_pickle(l, &p, e));
    const Value *little = value_get(p.root, "little_endian");
    const bool is_little = little && little->kind == VALUE_BOOL && little->truth;
    pickle_free(&p);
    return is_little ? 0 : err_set(e, ERR_UNSUPPORTED, "a legacy PyTorch file that is not little-endian");
}

static int by_key(const void *a, const void *b)
{
    return strcmp((*(PickleStorage *const *)a)->key, (*(PickleStorage *const *)b)->key);
}

/* Sorts the storages that tensors name; those of one key must be the same. */
static int collect_storages(Legacy *l, PickleStorage *storages, Err *e)
{
    for (PickleStorage *s = storages; s; s = s->next) l->count++;
    l->storages = mem_alloc(mem_product(l->count, sizeof *l->storages), e);
    if (!l->storages) return ERR_NOMEM;
    size_t i = 0;
    for (PickleStorage *s = storages; s; s = s->next) l->storages[i++] = s;
    qsort(l->storages, l->count, sizeof *l->storages, by_key);
    for (i = 1; i < l->count; i++) {
        const PickleStorage *a = l->storages[i - 1], *b = l->storages[i];
        if (!strcmp(a->key, b->key) && (a->count != b->count || a->dtype != b->dtype))
            return bad_storage(b, "named before with another type or length", e);
    }
    return 0;
}

/* One storage: 8 bytes count, then the numbers. */
static int read_storage(Legacy *l, const char *key, Err *e)
{
    PickleStorage wanted = {.key = key}, *const pointer = &wanted;
    size_t low = 0, high = l->count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (by_key(&l->storages[middle], &pointer) < 0) low = middle + 1;
        else high = middle;
    }
    if (low == l->count || strcmp(l->storages[low]->key, key))
        return err_set(e, ERR_FORMAT, "storage '%s' belongs to no tensor", key);
    const PickleStorage *s = l->storages[low];
    const size_t bytes = mem_product((size_t)s->count, dtype_size(s->dtype));
    if (s->data) return bad_storage(s, "it occurs twice", e);
    if (l->bytes - l->at < 8 || l->bytes - l->at - 8 < bytes)
        return bad_storage(s, "the file ends within it; is it cut short?", e);
    if (bytes_le(l->data + l->at, 8) != (uint64_t)s->count) return bad_storage(s, "its record has another length", e);
    for (; low < l->count && !strcmp(l->storages[low]->key, key); low++) l->storages[low]->data = l->data + l->at + 8;
    l->at += 8 + bytes;
    return 0;
}

static int read_storages(Legacy *l, PickleStorage *storages, const Value *keys, Err *e)
{
    TRY(collect_storages(l, storages, e));
    if (keys->kind != VALUE_LIST) return err_set(e, ERR_FORMAT, "no list of storages behind the object");
    for (uint32_t i = 0; i < keys->list.count; i++) {
        const Value *key = keys->list.items[i];
        if (key->kind != VALUE_STRING) return err_set(e, ERR_FORMAT, "a storage without a name");
        TRY(read_storage(l, key->text.data, e));
    }
    for (size_t i = 0; i < l->count; i++)
        if (!l->storages[i]->data) return bad_storage(l->storages[i], "it is missing from the file", e);
    return 0;
}

static int read_legacy(Pth *p, Err *e)
{
    Legacy l = {.data = p->data, .bytes = p->bytes};
    Pickle keys;
    TRY(read_preamble(&l, e));
    TRY(next_pickle(&l, &p->pickle, e));
    TRY(next_pickle(&l, &keys, e));
    const int failed = read_storages(&l, p->pickle.storages, keys.root, e);
    mem_free(l.storages);
    pickle_free(&keys);
    return failed;
}

/* ---- both ---- */

int pth_parse(Pth *p, const char *data, size_t bytes, Err *e)
{
    *p = (Pth){.data = data, .bytes = bytes};
    int failed;
    if (bytes > 4 && !memcmp(data, "PK\3\4", 4)) failed = read_zip(p, e);
    else if (bytes > 4 && data[0] == '\x80') failed = read_legacy(p, e);
    else failed = err_set(e, ERR_FORMAT, "no PyTorch file: neither a zip archive nor a legacy pickle");
    if (failed) {
        err_plain(e);
        pth_close(p);
    }
    return failed;
}

int pth_open(Pth *p, const char *path, Err *e)
{
    void *data;
    size_t bytes;
    *p = (Pth){0};
    TRY(file_map(path, &data, &bytes, e));
    if (pth_parse(p, data, bytes, e)) {
        file_unmap(data, bytes);
        return err_context(e, "%s", path);
    }
    p->mapped = true;
    return 0;
}

void pth_close(Pth *p)
{
    pickle_free(&p->pickle);
    if (p->mapped) file_unmap((void *)p->data, p->bytes);
    *p = (Pth){0};
}

/* Whether the elements follow each other in row-major order; strides of extents of 1 do not matter. */
static bool is_contiguous(const PickleTensor *t)
{
    int64_t expected = 1;
    bool contiguous = true;
    for (int i = t->rank - 1; i >= 0; i--) {
        if (t->shape[i] == 0) return true;
        contiguous = contiguous && (t->shape[i] == 1 || t->stride[i] == expected);
        expected *= t->shape[i];
    }
    return contiguous;
}

/* Copies the axes from `axis` on; returns the address of the next element. */
static char *copy_strided(char *to, const char *from, const PickleTensor *t, int axis, size_t size)
{
    if (axis == t->rank) {
        memcpy(to, from, size);
        return to + size;
    }
    for (int64_t i = 0; i < t->shape[axis]; i++)
        to = copy_strided(to, from + (size_t)(i * t->stride[axis]) * size, t, axis + 1, size);
    return to;
}

int pth_array(const Value *tensor, Array *out, Err *e)
{
    const PickleTensor *t = tensor->kind == VALUE_TENSOR ? tensor->tensor : NULL;
    *out = (Array){0};
    if (!t || !t->storage) return err_set(e, ERR_VALUE, "no tensor, or an array without content");
    const size_t size = dtype_size(t->storage->dtype);
    const char *data = t->storage->data + (size_t)t->offset * size;
    const bool contiguous = is_contiguous(t);
    if (contiguous && !t->storage->in_pickle) {
        *out = array_view(t->storage->dtype, t->rank, t->shape, (void *)data);
        return 0;
    }
    TRY(array_new(out, t->storage->dtype, t->rank, t->shape, e));
    if (contiguous) memcpy(out->data, data, array_bytes(out));
    else copy_strided(out->data, data, t, 0, size);
    return 0;
}
