#include "dicom/sources.h"

#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/path_hint.h"
#include "base/plain.h"
#include "weights/zip.h"

struct SourceItem {
    char *path;            /* NULL: in an archive; owned, as the name */
    char *name;            /* one line for messages: the path, or "series.zip: IM0001" */
    const ZipEntry *entry; /* NULL: a file */
};

struct SourceArchive {
    void *data; /* mapped */
    size_t bytes;
    Zip zip;
};

const char *sources_name(const DicomSources *s, int index) { return s->items[index].name; }

/* Owns path and name, also on failure. */
static int add(DicomSources *s, char *path, char *name, const ZipEntry *entry, Err *e)
{
    if (!name || mem_grow_list(&s->items, s->count, sizeof *s->items, e)) {
        mem_free(path);
        mem_free(name);
        return e->code;
    }
    plain_line(name);
    s->items[s->count++] = (struct SourceItem){path, name, entry};
    return 0;
}

/* Owns path, also on failure. */
static int add_single(DicomSources *s, char *path, Err *e)
{
    return path ? add(s, path, mem_strdup(path, e), NULL, e) : e->code;
}

/* ---- folders ---- */

static int add_folder(DicomSources *s, const char *path, int depth, Err *e);

static int add_entry(DicomSources *s, char *path, int depth, Err *e)
{
    bool is_folder;
    int code = file_is_folder(path, &is_folder, e);
    if (!code && !is_folder) return add_single(s, path, e);
    if (!code && depth < SOURCES_DEEPEST) code = add_folder(s, path, depth + 1, e);
    if (!code && depth == SOURCES_DEEPEST && !s->left_out++) {
        plain_line(path);
        s->deep = path;
    } else mem_free(path);
    return code;
}

static int add_folder(DicomSources *s, const char *path, int depth, Err *e)
{
    FileList names;
    int code = file_list(&names, path, e);
    if (code) return code;
    for (int i = 0; i < names.count && !code; i++)
        code = add_entry(s, path_format(e, "%s/%s", path, names.names[i]), depth, e);
    file_list_free(&names);
    return code;
}

/* ---- archives ---- */

/* ".name" is left out, also of a folder in its path, as in folders (base/file.h); "./name" is no hidden one. */
static bool is_hidden(const ZipEntry *entry)
{
    const char *at = entry->name, *past = at + entry->name_bytes;
    for (const char *slash; at < past; at = slash + 1) {
        slash = memchr(at, '/', (size_t)(past - at));
        if (!slash) slash = past;
        if (*at == '.' && slash - at > 1 && !(slash - at == 2 && at[1] == '.')) return true;
    }
    return false;
}

static int add_members(DicomSources *s, const char *path, const Zip *zip, Err *e)
{
    char named[PATH_NAMED_BYTES];
    const char *shown = path_base(path_named(path, named));
    for (int i = 0; i < zip->count; i++) {
        const ZipEntry *entry = &zip->entries[i];
        if (!entry->name_bytes || entry->name[entry->name_bytes - 1] == '/' || is_hidden(entry)) continue;
        TRY(add(s, NULL, path_format(e, "%s: %.*s", shown, (int)entry->name_bytes, entry->name), entry, e));
    }
    return 0;
}

/* Takes over the mapping. */
static int add_archive(DicomSources *s, const char *path, void *data, size_t bytes, Err *e)
{
    if (mem_grow_list(&s->archives, s->archive_count, sizeof *s->archives, e)) {
        file_unmap(data, bytes);
        return e->code;
    }
    struct SourceArchive *a = &s->archives[s->archive_count++];
    *a = (struct SourceArchive){.data = data, .bytes = bytes};
    if (zip_read_packed(&a->zip, data, bytes, e)) return err_context(e, "%s", path);
    return add_members(s, path, &a->zip, e);
}

static int add_file(DicomSources *s, const char *path, Err *e)
{
    void *data;
    size_t bytes;
    TRY(file_map(path, &data, &bytes, e));
    if (bytes > 4 && !memcmp(data, "PK\3\4", 4)) return add_archive(s, path, data, bytes, e);
    file_unmap(data, bytes);
    return add_single(s, mem_strdup(path, e), e);
}

static int add_path(DicomSources *s, const char *path, Err *e)
{
    bool there, is_folder;
    TRY(file_is_there(path, &there, e));
    if (!there) {
        err_set(e, ERR_IO, "%s: there is no such file or folder", path);
        return path_hint(e, path);
    }
    TRY(file_is_folder(path, &is_folder, e));
    return is_folder ? add_folder(s, path, 1, e) : add_file(s, path, e);
}

int sources_open(DicomSources *s, const char *const *paths, int count, Err *e)
{
    int code = 0;
    *s = (DicomSources){0};
    for (int i = 0; i < count && !code; i++) code = add_path(s, paths[i], e);
    if (code) sources_close(s);
    return code;
}

void sources_close(DicomSources *s)
{
    for (int i = 0; i < s->count; i++) {
        mem_free(s->items[i].path);
        mem_free(s->items[i].name);
    }
    for (int i = 0; i < s->archive_count; i++) {
        zip_free(&s->archives[i].zip);
        file_unmap(s->archives[i].data, s->archives[i].bytes);
    }
    mem_free(s->deep);
    mem_free(s->items);
    mem_free(s->archives);
    *s = (DicomSources){0};
}

/* ---- content ---- */

int sources_get(SourceBytes *b, const DicomSources *s, int index, Err *e)
{
    const struct SourceItem *item = &s->items[index];
    *b = (SourceBytes){0};
    if (!item->entry) {
        TRY(file_map(item->path, &b->mapped, &b->count, e));
        b->data = b->mapped;
        return 0;
    }
    b->count = item->entry->unpacked;
    b->data = b->unpacked = mem_alloc(b->count, e);
    if (!b->data) return err_context(e, "%s", item->name);
    const int code = zip_unpack(item->entry, b->unpacked, e);
    if (code) sources_release(b);
    return code ? err_context(e, "%s", item->name) : 0;
}

void sources_release(SourceBytes *b)
{
    if (b->mapped) file_unmap(b->mapped, b->count);
    mem_free(b->unpacked);
    *b = (SourceBytes){0};
}
