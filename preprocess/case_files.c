/* A preprocessed case on disk. The properties are written last: where they exist, the arrays are complete. */
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/memory.h"
#include "data/npy.h"
#include "formats/schema.h"
#include "preprocess/case.h"

typedef struct PropertiesFile {
    int format;
    CaseProperties p;
} PropertiesFile;

#define ROW_AXES(TYPE, KEY, MEMBER, LOW, HIGH, DOC)                                                          \
    {                                                                                                        \
        ROW(TYPE, KEY, PropertiesFile, MEMBER), .use = FIELD_REQUIRED, .low = LOW, .high = HIGH, EXACTLY(3), \
                                                .doc = DOC                                                   \
    }

enum { FORMAT = 1 };

static const Field fields[] = {
    {ROW(FIELD_INT, "format", PropertiesFile, format), .use = FIELD_REQUIRED, .low = FORMAT, .high = FORMAT},
    ROW_AXES(FIELD_DOUBLE, "spacing", p.spacing_mm, 0, 1e9, "mm, in the file's order of axes"),
    ROW_AXES(FIELD_INT, "transpose_forward", p.transpose_forward, 0, 2,
             "the axis, as they are read, that each axis below is"),
    {ROW(FIELD_INT, "axes_from", PropertiesFile, p.axes.from), .low = 0, .high = 2, EXACTLY(3), .fallback = "0, 1, 2",
     .doc = "the file's axis that each axis is read from"},
    {ROW(FIELD_BOOL, "axes_flipped", PropertiesFile, p.axes.flip), EXACTLY(3), .fallback = "false, false, false",
     .doc = "read backwards"},
    ROW_AXES(FIELD_INT64, "shape_before_cropping", p.shape_before_crop, 1, INT32_MAX, NULL),
    ROW_AXES(FIELD_INT64, "crop_first", p.box.first, 0, INT32_MAX, "first voxel of the nonzero region's box"),
    ROW_AXES(FIELD_INT64, "crop_past", p.box.past, 1, INT32_MAX, "one past its last voxel"),
    ROW_AXES(FIELD_INT64, "shape", p.shape, 1, INT32_MAX, "after resampling"),
};
static const char MADE_FROM[] = "made_from", CONTENT[] = "content"; /* read and written separately */
static const char *const apart_keys[] = {MADE_FROM, CONTENT, NULL};

static const Schema schema = {"", fields, sizeof fields / sizeof *fields, apart_keys};

void case_record_free(CaseRecord *r)
{
    made_from_free(&r->made_from);
    made_from_free(&r->content);
}

static int write_array(const Array *a, const char *folder, const char *id, const char *suffix, Err *e)
{
    char *path = path_format(e, "%s/%s%s.npy", folder, id, suffix);
    if (!path) return ERR_NOMEM;
    const int code = npy_write(path, a, e);
    mem_free(path);
    return code;
}

int case_properties_write(const CaseProperties *p, const char *path, const CaseRecord *record, Err *e)
{
    const PropertiesFile file = {.format = FORMAT, .p = *p};
    DocWriter w = {0};
    if (record) TRY(made_from_check(&record->made_from, e));
    if (record) TRY(made_from_check(&record->content, e));
    doc_open(&w, NULL, DOC_MAPPING, false);
    schema_write(&schema, &file, &w);
    if (record) made_from_put(&w, MADE_FROM, &record->made_from);
    if (record) made_from_put(&w, CONTENT, &record->content);
    doc_close(&w);
    return doc_finish(&w, path, e);
}

static void hash_of(char hash[HASH_BYTES], const Array *a) { hash_sampled(hash, a->data, array_bytes(a)); }

static void add_content(MadeFrom *m, const char *key, const Array *a)
{
    char hash[HASH_BYTES];
    hash_of(hash, a);
    made_from_add(m, key, "%s", hash);
}

bool case_content_is(const CaseRecord *record, const char *key, const Array *a)
{
    char hash[HASH_BYTES];
    const char *written = made_from_find(&record->content, key);
    hash_of(hash, a);
    return written && !strcmp(written, hash);
}

static int write_record(const PreprocessedCase *c, const char *path, const MadeFrom *made_from, Err *e)
{
    CaseRecord record = {.made_from = *made_from}; /* its items remain owned by the caller */
    add_content(&record.content, "image", &c->image);
    if (c->labels.data) add_content(&record.content, "labels", &c->labels);
    if (c->labels.data) add_content(&record.content, "locations", &c->locations);
    const int code = case_properties_write(&c->properties, path, &record, e);
    made_from_free(&record.content);
    return code;
}

int case_write(const PreprocessedCase *c, const char *folder, const char *id, const MadeFrom *made_from, Err *e)
{
    TRY(made_from_check(made_from, e)); /* before the earlier files are replaced */
    char *path = path_format(e, "%s/%s.yaml", folder, id);
    if (!path) return ERR_NOMEM;
    int code = file_remove(path, e);
    if (!code) code = write_array(&c->image, folder, id, "", e);
    if (!code && c->labels.data) code = write_array(&c->labels, folder, id, "_seg", e);
    if (!code && c->labels.data) code = write_array(&c->locations, folder, id, "_locations", e);
    if (!code) code = write_record(c, path, made_from, e);
    mem_free(path);
    return code;
}

/* Checks that the schema cannot express: each axis once, a box within the shape. */
static int check_properties(const CaseProperties *p, const char *path, Err *e)
{
    int axes = 0, read = 0;
    for (int i = 0; i < 3; i++) {
        axes |= 1 << p->transpose_forward[i];
        read |= 1 << p->axes.from[i];
        if (p->box.first[i] >= p->box.past[i] || p->box.past[i] > p->shape_before_crop[i])
            return err_set(e, ERR_FORMAT, "%s: axis %d is cropped to %lld … %lld of %lld voxels", path, i,
                           (long long)p->box.first[i], (long long)p->box.past[i], (long long)p->shape_before_crop[i]);
        if (!(p->spacing_mm[i] > 0)) return err_set(e, ERR_FORMAT, "%s: a spacing of %g mm", path, p->spacing_mm[i]);
    }
    if (axes == 7 && read == 7) return 0;
    return err_set(e, ERR_FORMAT, "%s: %s does not name each of the axes 0, 1, 2", path,
                   read == 7 ? "transpose_forward" : "axes_from");
}

/* Earlier versions wrote a single text and no content: both are then left empty. */
static int read_list(MadeFrom *m, const DocNode *node, Err *e)
{
    return node && node->kind == DOC_MAPPING ? made_from_get(m, node, e) : 0;
}

static int read_record(CaseRecord *record, const DocNode *root, Err *e)
{
    *record = (CaseRecord){0};
    int code = read_list(&record->made_from, doc_find(root, MADE_FROM), e);
    if (!code) code = read_list(&record->content, doc_find(root, CONTENT), e);
    if (code) case_record_free(record);
    return code;
}

int case_properties_read(CaseProperties *p, const char *path, CaseRecord *record, Err *e)
{
    PropertiesFile file = {0};
    Doc doc;
    TRY(doc_read(&doc, path, e));
    schema_defaults(&schema, &file);
    int code = schema_read(&schema, &file, doc.root, SCHEMA_WHOLE, NULL, e);
    if (!code) code = check_properties(&file.p, path, e);
    if (!code && record) code = read_record(record, doc.root, e);
    doc_free(&doc);
    if (!code) *p = file.p;
    return code;
}
