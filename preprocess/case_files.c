/* A preprocessed case on disk. The properties are written last: where they stand, the arrays do. */
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "data/npy.h"
#include "plans/schema.h"
#include "preprocess/case.h"

typedef struct PropertiesFile {
    int format;
    CaseProperties p;
    char stamp[CASE_STAMP_BYTES];
} PropertiesFile;

#define ROW_AXES(TYPE, KEY, MEMBER, LOW, HIGH, DOC)                                                      \
    {ROW(TYPE, KEY, PropertiesFile, MEMBER), .use = FIELD_REQUIRED, .low = LOW, .high = HIGH, EXACTLY(3), \
     .doc = DOC}

enum { FORMAT = 1 };

static const Field fields[] = {
    {ROW(FIELD_INT, "format", PropertiesFile, format), .use = FIELD_REQUIRED, .low = FORMAT, .high = FORMAT},
    ROW_AXES(FIELD_DOUBLE, "spacing", p.spacing_mm, 0, 1e9, "mm, in the file's order of axes"),
    ROW_AXES(FIELD_INT, "transpose_forward", p.transpose_forward, 0, 2,
             "the file's axis that each axis below is"),
    ROW_AXES(FIELD_INT64, "shape_before_cropping", p.shape_before_crop, 1, INT32_MAX, NULL),
    ROW_AXES(FIELD_INT64, "crop_first", p.box.first, 0, INT32_MAX, "first voxel of the nonzero region's box"),
    ROW_AXES(FIELD_INT64, "crop_past", p.box.past, 1, INT32_MAX, "one past its last voxel"),
    ROW_AXES(FIELD_INT64, "shape", p.shape, 1, INT32_MAX, "after resampling"),
    ROW_STRING("made_from", PropertiesFile, stamp, "", "changes with the inputs and the plan"),
};

static const Schema schema = {"", fields, sizeof fields / sizeof *fields, NULL};

static int write_array(const Array *a, const char *folder, const char *id, const char *suffix, Err *e)
{
    char *path = path_format(e, "%s/%s%s.npy", folder, id, suffix);
    if (!path) return ERR_NOMEM;
    const int code = npy_write(path, a, e);
    mem_free(path);
    return code;
}

int case_properties_write(const CaseProperties *p, const char *path, const char *stamp, Err *e)
{
    PropertiesFile file = {.format = FORMAT, .p = *p};
    strncat(file.stamp, stamp, sizeof file.stamp - 1);
    DocWriter w = {0};
    doc_open(&w, NULL, DOC_MAPPING, false);
    schema_write(&schema, &file, &w);
    doc_close(&w);
    return doc_finish(&w, path, e);
}

int case_write(const PreprocessedCase *c, const char *folder, const char *id, const char *stamp, Err *e)
{
    char *path = path_format(e, "%s/%s.yaml", folder, id);
    if (!path) return ERR_NOMEM;
    int code = file_exists(path) ? file_remove(path, e) : 0;
    if (!code) code = write_array(&c->image, folder, id, "", e);
    if (!code && c->labels.data) code = write_array(&c->labels, folder, id, "_seg", e);
    if (!code && c->labels.data) code = write_array(&c->locations, folder, id, "_locations", e);
    if (!code) code = case_properties_write(&c->properties, path, stamp, e);
    mem_free(path);
    return code;
}

/* What the schema cannot say: each axis once, a box within the shape. */
static int check_properties(const CaseProperties *p, const char *path, Err *e)
{
    int axes = 0;
    for (int i = 0; i < 3; i++) {
        axes |= 1 << p->transpose_forward[i];
        if (p->box.first[i] >= p->box.past[i] || p->box.past[i] > p->shape_before_crop[i])
            return err_set(e, ERR_FORMAT, "%s: axis %d is cropped to %lld … %lld of %lld voxels", path, i,
                           (long long)p->box.first[i], (long long)p->box.past[i],
                           (long long)p->shape_before_crop[i]);
        if (!(p->spacing_mm[i] > 0))
            return err_set(e, ERR_FORMAT, "%s: a spacing of %g mm", path, p->spacing_mm[i]);
    }
    return axes == 7
               ? 0
               : err_set(e, ERR_FORMAT, "%s: transpose_forward does not name each of the axes 0, 1, 2", path);
}

int case_properties_read(CaseProperties *p, const char *path, char *stamp, int stamp_bytes, Err *e)
{
    PropertiesFile file = {0};
    Doc doc;
    TRY(doc_read(&doc, path, e));
    int code = schema_read(&schema, &file, doc.root, SCHEMA_WHOLE, NULL, e);
    doc_free(&doc);
    if (!code) code = check_properties(&file.p, path, e);
    if (code) return code;
    *p = file.p;
    if (stamp) snprintf(stamp, (size_t)stamp_bytes, "%s", file.stamp);
    return 0;
}
