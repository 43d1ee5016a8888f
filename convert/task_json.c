#include "convert/task_json.h"

#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "plans/plan.h"

static const char NEWER[] = "this is the form of nnU-Net 2: the folder needs no conversion";

/* The children of a mapping "0": TEXT, "1": TEXT … */
static int expect_numbered(const DocNode *map, const char *key, const char *example, Err *e)
{
    if (map->kind == DOC_MAPPING && map->count) return 0;
    return doc_error(map, e, "%s: expected a mapping of numbers to names, as %s", key, example);
}

static int read_channels(Conversion *c, Err *e)
{
    const DocNode *root = c->doc.root, *map = doc_find(root, "modality");
    if (!map && doc_find(root, "channel_names")) return doc_error(doc_find(root, "channel_names"), e, "%s", NEWER);
    if (!map) return doc_error(root, e, "the key modality is missing: expected as {\"0\": \"MRI\"}");
    TRY(expect_numbered(map, "modality", "{\"0\": \"MRI\"}", e));
    if (map->count > PLAN_MAX_CHANNELS)
        return doc_error(map, e, "modality: %d channels, expected at most %d", map->count, PLAN_MAX_CHANNELS);
    const char **names = doc_alloc(&c->doc, (size_t)map->count, sizeof *names, e);
    if (!names) return ERR_NOMEM;
    for (const DocNode *node = map->first; node; node = node->next) {
        int index;
        TRY(doc_key_index(node, map->count, &index, e));
        TRY(doc_get_string(node, &names[index], e));
    }
    c->info.channel_names = names;
    c->info.channel_count = map->count;
    return 0;
}

static int read_labels(Conversion *c, Err *e)
{
    const DocNode *map = doc_find(c->doc.root, "labels");
    if (!map) return doc_error(c->doc.root, e, "the key labels is missing: expected as {\"0\": \"background\"}");
    TRY(expect_numbered(map, "labels", "{\"0\": \"background\"}", e));
    if (doc_find(map, "background")) return doc_error(map, e, "labels: %s", NEWER);
    DatasetLabel *labels = doc_alloc(&c->doc, (size_t)map->count, sizeof *labels, e);
    int *values = labels ? doc_alloc(&c->doc, (size_t)map->count, sizeof *values, e) : NULL;
    if (!values) return ERR_NOMEM;
    for (const DocNode *node = map->first; node; node = node->next) {
        int value;
        TRY(doc_key_index(node, map->count, &value, e));
        values[value] = value;
        labels[value] = (DatasetLabel){.values = &values[value], .value_count = 1};
        TRY(doc_get_string(node, &labels[value].name, e));
    }
    if (strcmp(labels[0].name, "background")) labels[0].name = "background"; /* nnU-Net's name; "Background", "clear" */
    c->info.labels = labels;
    c->info.label_count = map->count;
    c->info.max_value = map->count - 1;
    return 0;
}

static const char *string_of(const DocNode *root, const char *key)
{
    const DocNode *node = doc_find(root, key);
    return node && node->kind == DOC_SCALAR && *node->text ? node->text : NULL;
}

/* nnU-Net 2 has no keys for reference and licence: they are kept in the description. */
static int describe(Conversion *c, Err *e)
{
    static const char *const keys[] = {"reference", "licence", "license", "release"};
    const DocNode *root = c->doc.root;
    const char *description = string_of(root, "description");
    Text text = {0};
    text_add(&text, "%s", description ? description : "");
    for (int i = 0; i < 4; i++)
        if (string_of(root, keys[i]))
            text_add(&text, "%s%s: %s", text.length ? "; " : "", keys[i], string_of(root, keys[i]));
    text_add(&text, "%s" CONVERSION_MARK "%s", text.length ? "; " : "", c->source->name);
    const int code = text_check(&text, e);
    c->description = text.data;
    c->info.description = text.data;
    c->info.name = string_of(root, "name");
    return code;
}

int task_json_read(Conversion *c, Err *e)
{
    bool there;
    char *path = path_format(e, "%s/dataset.json", c->in);
    int code = file_is_there(path, &there, e);
    if (!code && !there)
        code = err_set(e, ERR_VALUE,
                       "%s: is missing: expected a folder as Task05_Prostate, with dataset.json, imagesTr and "
                       "labelsTr",
                       path);
    if (!code) code = doc_read(&c->doc, path, e);
    mem_free(path);
    if (code) return code;
    c->info = (DatasetInfo){.file_ending = ".nii.gz", .ignore_value = -1};
    TRY(doc_expect(c->doc.root, DOC_MAPPING, e));
    TRY(read_channels(c, e));
    TRY(read_labels(c, e));
    return describe(c, e);
}

void task_json_compare(Conversion *c)
{
    const DocNode *node = doc_find(c->doc.root, "numTraining");
    int64_t told;
    int found = 0;
    for (int i = 0; i < c->count; i++) found += !strcmp(c->items[i].part, "Tr") && c->items[i].label;
    if (node && !doc_get_int(node, 0, INT32_MAX, &told, NULL) && told != found)
        fault_add(&c->faults, FAULT_WARNING, "%s/dataset.json: numTraining is %lld, but labelsTr has %d labels", c->in,
                  (long long)told, found);
}
