#include "plans/fingerprint.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "formats/yaml.h"
#include "plans/plan_schema.h"

static const char intensity_key[] = "foreground_intensity_properties_per_channel";

int fingerprint_new(Fingerprint *f, int case_count, int channel_count, Err *e)
{
    *f = (Fingerprint){.case_count = case_count, .channel_count = channel_count};
    f->spacings_mm = mem_zalloc((size_t)case_count, sizeof *f->spacings_mm, e);
    f->shapes_after_crop = mem_zalloc((size_t)case_count, sizeof *f->shapes_after_crop, e);
    f->orientations = mem_zalloc((size_t)case_count, sizeof *f->orientations, e);
    f->intensities = mem_zalloc((size_t)channel_count, sizeof *f->intensities, e);
    if (f->spacings_mm && f->shapes_after_crop && f->orientations && f->intensities) return 0;
    fingerprint_free(f);
    return ERR_NOMEM;
}

void fingerprint_free(Fingerprint *f)
{
    mem_free(f->spacings_mm);
    mem_free(f->shapes_after_crop);
    mem_free(f->orientations);
    mem_free(f->intensities);
    *f = (Fingerprint){0};
}

static int find_list(const DocNode *root, const char *key, DocKind kind, const DocNode **node, Err *e)
{
    *node = doc_find(root, key);
    return *node ? doc_expect(*node, kind, e) : doc_error(root, e, "the key %s is missing", key);
}

static int read_spacing(double spacing_mm[3], const DocNode *node, Err *e)
{
    TRY(doc_expect(node, DOC_SEQUENCE, e));
    if (node->count != 3) return doc_error(node, e, "a spacing of %d axes, expected 3", node->count);
    for (const DocNode *item = node->first; item; item = item->next, spacing_mm++) {
        TRY(doc_get_double(item, spacing_mm, e));
        if (!(*spacing_mm > 0)) return doc_error(item, e, "spacing %s, expected a positive one", item->text);
    }
    return 0;
}

static int read_shape(int shape[3], const DocNode *node, Err *e)
{
    TRY(doc_expect(node, DOC_SEQUENCE, e));
    if (node->count != 3) return doc_error(node, e, "a shape of %d axes, expected 3", node->count);
    for (const DocNode *item = node->first; item; item = item->next, shape++) {
        int64_t extent = 0;
        TRY(doc_get_int(item, 0, INT32_MAX, &extent, e));
        *shape = (int)extent;
    }
    return 0;
}

static int read_parts(Fingerprint *f, const DocNode *spacings, const DocNode *shapes, const DocNode *channels, Err *e)
{
    int i = 0;
    for (const DocNode *item = spacings->first; item; item = item->next)
        TRY(read_spacing(f->spacings_mm[i++], item, e));
    i = 0;
    for (const DocNode *item = shapes->first; item; item = item->next)
        TRY(read_shape(f->shapes_after_crop[i++], item, e));
    for (const DocNode *item = channels->first; item; item = item->next) {
        TRY(doc_key_index(item, channels->count, &i, e));
        TRY(schema_read(&intensity_properties_schema, &f->intensities[i], item, SCHEMA_WHOLE, NULL, e));
    }
    return 0;
}

/* This project's own key: nnU-Net's files do not have it. */
static int read_orientations(Fingerprint *f, const DocNode *codes, Err *e)
{
    if (!codes) return 0;
    TRY(doc_expect(codes, DOC_SEQUENCE, e));
    if (codes->count != f->case_count)
        return doc_error(codes, e, "orientations of %d cases, spacings of %d", codes->count, f->case_count);
    int i = 0;
    for (const DocNode *item = codes->first; item; item = item->next, i++) {
        const char *code;
        TRY(doc_get_string(item, &code, e));
        if (strlen(code) >= sizeof f->orientations[i])
            return doc_error(item, e, "orientation \"%.20s\", expected one such as RAS", code);
        strcpy(f->orientations[i], code);
    }
    return 0;
}

static int read_root(Fingerprint *f, const DocNode *root, Err *e)
{
    const DocNode *spacings, *shapes, *channels;
    const DocNode *relative = doc_find(root, "median_relative_size_after_cropping");
    TRY(doc_expect(root, DOC_MAPPING, e));
    TRY(find_list(root, "spacings", DOC_SEQUENCE, &spacings, e));
    TRY(find_list(root, "shapes_after_crop", DOC_SEQUENCE, &shapes, e));
    TRY(find_list(root, intensity_key, DOC_MAPPING, &channels, e));
    if (!relative) return doc_error(root, e, "the key median_relative_size_after_cropping is missing");
    if (!spacings->count || spacings->count != shapes->count)
        return doc_error(shapes, e, "shapes_after_crop of %d cases, spacings of %d", shapes->count, spacings->count);
    TRY(fingerprint_new(f, spacings->count, channels->count, e));
    int code = doc_get_double(relative, &f->median_relative_size_after_cropping, e);
    if (!code) code = read_parts(f, spacings, shapes, channels, e);
    if (!code) code = read_orientations(f, doc_find(root, "orientations"), e);
    if (code) fingerprint_free(f);
    return code;
}

int fingerprint_read(Fingerprint *f, const char *path, Err *e)
{
    Doc doc;
    *f = (Fingerprint){0};
    TRY(doc_read(&doc, path, e));
    const int code = read_root(f, doc.root, e);
    doc_free(&doc);
    return code;
}

int fingerprint_write(const Fingerprint *f, const char *path, Err *e)
{
    DocWriter w = {.json = doc_is_json_path(path)};
    doc_open(&w, NULL, DOC_MAPPING, false);
    doc_open(&w, intensity_key, DOC_MAPPING, false);
    for (int i = 0; i < f->channel_count; i++) {
        char key[16];
        snprintf(key, sizeof key, "%d", i);
        doc_open(&w, key, DOC_MAPPING, false);
        schema_write(&intensity_properties_schema, &f->intensities[i], &w);
        doc_close(&w);
    }
    doc_close(&w);
    doc_put_double(&w, "median_relative_size_after_cropping", f->median_relative_size_after_cropping);
    if (f->case_count && *f->orientations[0]) {
        doc_open(&w, "orientations", DOC_SEQUENCE, true);
        for (int i = 0; i < f->case_count; i++) doc_put_string(&w, NULL, f->orientations[i]);
        doc_close(&w);
    }
    doc_open(&w, "shapes_after_crop", DOC_SEQUENCE, false);
    for (int i = 0; i < f->case_count; i++) {
        doc_open(&w, NULL, DOC_SEQUENCE, true);
        for (int axis = 0; axis < 3; axis++) doc_put_int(&w, NULL, f->shapes_after_crop[i][axis]);
        doc_close(&w);
    }
    doc_close(&w);
    doc_open(&w, "spacings", DOC_SEQUENCE, false);
    for (int i = 0; i < f->case_count; i++) {
        doc_open(&w, NULL, DOC_SEQUENCE, true);
        for (int axis = 0; axis < 3; axis++) doc_put_double(&w, NULL, f->spacings_mm[i][axis]);
        doc_close(&w);
    }
    doc_close(&w);
    doc_close(&w);
    return doc_finish(&w, path, e);
}
