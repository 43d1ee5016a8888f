#include "planner/outputs.h"

#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "data/image_files.h"
#include "formats/yaml.h"
#include "plans/plan.h"

int output_refuse_other(const char *dataset, const char *folder, Err *e)
{
    char *path = path_format(e, "%s/plans.yaml", folder);
    if (!path) return ERR_NOMEM;
    Plan there;
    bool is_there;
    int code = file_is_there(path, &is_there, e);
    const int fault = is_there ? plan_read(&there, path, NULL, e) : 0;
    if (fault == ERR_IO || fault == ERR_NOMEM) code = fault; /* a plan with faults is told where it is used */
    if (is_there && !fault && strcmp(there.dataset_name, dataset))
        code = err_set(e, ERR_VALUE, "%s holds %s: choose another folder for %s, or --overwrite", folder,
                       there.dataset_name, dataset);
    mem_free(path);
    return code;
}

int output_refuse_raw(const char *dataset, const char *folder, Err *e)
{
    static const char *const raw[] = {"", "/imagesTr", "/labelsTr"};
    char *output = path_absolute(folder, NULL); /* NULL: does not exist yet */
    int code = 0;
    for (int i = 0; output && i < 3 && !code; i++) {
        char *named = path_format(e, "%s%s", dataset, raw[i]), *path = named ? path_absolute(named, NULL) : NULL;
        if (!named) code = ERR_NOMEM;
        else if (path && !strcmp(path, output))
            code = err_set(e, ERR_VALUE,
                           "-o %s is a folder of the raw dataset: give another folder, such as %s/preprocessed", folder,
                           dataset);
        mem_free(path);
        mem_free(named);
    }
    mem_free(output);
    return code;
}

/* Whether a file consists of exactly these bytes. */
static bool holds(const char *path, const char *bytes, size_t length)
{
    void *data;
    size_t there;
    if (file_map(path, &data, &there, NULL)) return false;
    const bool same = there == length && (!length || !memcmp(data, bytes, length));
    file_unmap(data, there);
    return same;
}

/* Copies a file, unless the target is equal already. */
static int copy_file(const char *from, const char *to, Err *e)
{
    char *bytes = NULL;
    size_t length;
    TRY(file_get(from, &bytes, &length, e));
    const int code = holds(to, bytes, length) ? 0 : file_put(to, bytes, length, e);
    mem_free(bytes);
    return code;
}

int output_dataset_json(const Dataset *d, const char *folder, Err *e)
{
    char *from = path_format(e, "%s/dataset.json", d->folder);
    char *to = path_format(e, "%s/dataset.json", folder);
    const int code = from && to ? copy_file(from, to, e) : ERR_NOMEM;
    mem_free(to);
    mem_free(from);
    return code;
}

/* Copies the label file. One whose axes differ from the image's is reoriented to the image's grid, which predictions use
 * too. One that consists of several files, which contain each other's names, is read and written again. */
static int put_reference(const Case *c, const char *to, Err *e)
{
    Geometry image, label;
    GridAxes axes;
    Array labels;
    FileList files;
    TRY(image_probe(&image, &(int64_t){0}, c->images[0], e));
    TRY(image_probe_labels(&label, c->label, e));
    TRY(image_files(&files, c->label, e));
    const bool is_turned = grid_match(&label, &image, &axes) != GRID_DIFFERENT && !grid_axes_is_stored(&axes),
               is_single = files.count == 1;
    file_list_free(&files);
    if (!is_turned && is_single) return copy_file(c->label, to, e);
    const Geometry *grid = is_turned ? &image : &label;
    TRY(image_read_labels_onto(&labels, c->label, grid, e));
    const int code = image_write(to, grid, &labels, e);
    array_free(&labels);
    return code;
}

int output_references(const Dataset *d, const char *folder, Err *e)
{
    char *references = path_format(e, "%s/gt_segmentations", folder);
    int code = references ? file_make_folders(references, e) : ERR_NOMEM;
    for (int i = 0; i < d->training.count && !code; i++) {
        const Case *c = &d->training.cases[i];
        const char *ending = image_ending(c->label);
        char *to = path_format(e, "%s/%s%s", references, c->id, ending ? ending : "");
        code = to ? put_reference(c, to, e) : ERR_NOMEM;
        mem_free(to);
    }
    mem_free(references);
    return code;
}

/* ---- the fingerprint, with the warnings about the cases it was computed from ---- */

static int write_warnings(const NameList *warnings, const char *path, Err *e)
{
    DocWriter w = {0};
    doc_open(&w, NULL, DOC_SEQUENCE, false);
    for (int i = 0; i < warnings->count; i++) doc_put_string(&w, NULL, warnings->names[i]);
    doc_close(&w);
    return doc_finish(&w, path, e);
}

static int read_warnings(NameList *warnings, const char *path, Err *e)
{
    Doc doc;
    TRY(doc_read(&doc, path, e));
    int code = doc_expect(doc.root, DOC_SEQUENCE, e);
    for (const DocNode *item = code ? NULL : doc.root->first; item && !code; item = item->next) {
        const char *text;
        code = doc_get_string(item, &text, e);
        if (!code) code = names_add(warnings, text, e);
    }
    doc_free(&doc);
    return code;
}

typedef struct FingerprintPaths {
    char *fingerprint, *warnings, *origin;
} FingerprintPaths;

static int make_paths(FingerprintPaths *p, const char *folder, Err *e)
{
    p->fingerprint = path_format(e, "%s/dataset_fingerprint.yaml", folder);
    p->warnings = path_format(e, "%s/fingerprint_warnings.yaml", folder);
    p->origin = path_format(e, "%s/fingerprint_made_from.yaml", folder);
    return p->fingerprint && p->warnings && p->origin ? 0 : ERR_NOMEM;
}

static void free_paths(FingerprintPaths *p)
{
    mem_free(p->fingerprint);
    mem_free(p->warnings);
    mem_free(p->origin);
}

/* fingerprint_made_from.yaml is removed first and written last: if it exists, it is valid for the files beside it. */
int output_fingerprint(const Fingerprint *f, const NameList *warnings, const MadeFrom *made_from, const char *folder,
                       Err *e)
{
    FingerprintPaths p;
    int code = make_paths(&p, folder, e);
    if (!code) code = file_remove(p.origin, e);
    if (!code) code = write_warnings(warnings, p.warnings, e);
    if (!code) code = fingerprint_write(f, p.fingerprint, e);
    if (!code) code = made_from_write(made_from, p.origin, e);
    free_paths(&p);
    return code;
}

int output_fingerprint_reuse(Fingerprint *f, NameList *warnings, bool *found, const MadeFrom *made_from,
                             const char *folder, Err *e)
{
    FingerprintPaths p;
    Err unreadable = {0};
    MadeFrom then = {0};
    *found = false;
    const int code = make_paths(&p, folder, e);
    if (!code && !made_from_check(made_from, NULL) && !made_from_read(&then, p.origin, &unreadable))
        *found = made_from_same(&then, made_from) && !read_warnings(warnings, p.warnings, &unreadable) &&
                 !fingerprint_read(f, p.fingerprint, &unreadable);
    made_from_free(&then);
    free_paths(&p);
    return code;
}
