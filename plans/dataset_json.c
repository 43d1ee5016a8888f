#include "plans/dataset_json.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/memory.h"
#include "base/nearest.h"
#include "formats/schema.h"
#include "formats/yaml.h"
#include "plans/plan.h"
#include "plans/readers.h"
#include "plans/region_order.h"

/* Largest label value: preprocessed segmentations are int16. Each label is compared with all others. */
enum { LABEL_MOST = 32767 };

/* Keys that are known; NULL at the end. */
static const char *const known_keys[] = {"channel_names",
                                         "modality",
                                         "labels",
                                         "regions_class_order",
                                         "numTraining",
                                         "file_ending",
                                         "dataset",
                                         "name",
                                         "description",
                                         "training",
                                         "test",
                                         "overwrite_image_reader_writer",
                                         NULL};

static const char *const known_file_keys[] = {"images", "label", NULL}; /* of a case in the map */

static bool is_known(const char *const *known, const char *key)
{
    while (*known && strcmp(*known, key)) known++;
    return *known != NULL;
}

/* The unknown key of the mapping that is most like the missing key; NULL if none is similar. */
static const DocNode *mistyped(const DocNode *map, const char *const *known, const char *key)
{
    for (const DocNode *node = map->first; node; node = node->next)
        if (!is_known(known, node->key) && name_is_near(node->key, key)) return node;
    return NULL;
}

static int refuse_mistyped(const DocNode *node, const char *key, Err *e)
{
    return doc_key_error(node, e, "found the key \"%.80s\", expected \"%s\"", node->key, key);
}

static int refuse_missing(const DocNode *root, const char *key, const char *example, Err *e)
{
    const DocNode *node = mistyped(root, known_keys, key);
    if (node) return refuse_mistyped(node, key, e);
    return doc_error(root, e, "the key %s is missing: write \"%s\": %s", key, key, example);
}

static int find_required(const DocNode *root, const char *key, const char *example, const DocNode **node, Err *e)
{
    *node = doc_find(root, key);
    return *node ? 0 : refuse_missing(root, key, example, e);
}

/* An optional key; *node is NULL where it is missing. */
static int find_optional(const DocNode *root, const char *key, const DocNode **node, Err *e)
{
    *node = doc_find(root, key);
    return *node || !mistyped(root, known_keys, key) ? 0 : refuse_missing(root, key, "", e);
}

static int read_optional_string(const DocNode *root, const char *key, const char **text, Err *e)
{
    const DocNode *node = doc_find(root, key);
    return node && !doc_is_null(node) ? doc_get_string(node, text, e) : 0;
}

/* ---- channels */

static int read_channels(DatasetInfo *info, const DocNode *root, Err *e)
{
    const DocNode *names = doc_find(root, "channel_names");
    if (!names) names = doc_find(root, "modality"); /* its older name */
    if (!names)
        return refuse_missing(root, "channel_names", "{\"0\": \"CT\"}, with a number and a name for each channel", e);
    TRY(doc_expect(names, DOC_MAPPING, e));
    if (!names->count) return doc_error(names, e, "%s: no channel, expected at least one", names->key);
    if (names->count > PLAN_MAX_CHANNELS)
        return doc_error(names, e, "%s: %d channels, expected at most %d", names->key, names->count, PLAN_MAX_CHANNELS);
    const char **list = doc_alloc(info->doc, (size_t)names->count, sizeof *list, e);
    if (!list) return ERR_NOMEM;
    for (const DocNode *name = names->first; name; name = name->next) {
        int index = 0;
        TRY(doc_key_index(name, names->count, &index, e));
        TRY(doc_get_string(name, &list[index], e));
    }
    info->channel_names = list;
    info->channel_count = names->count;
    return 0;
}

/* ---- labels */

static int read_label_value(const DocNode *node, int *value, Err *e)
{
    int64_t number = 0;
    TRY(doc_get_int(node, 0, LABEL_MOST, &number, e));
    *value = (int)number;
    return 0;
}

static int read_label(DatasetInfo *info, DatasetLabel *label, const DocNode *node, Err *e)
{
    const bool is_region = node->kind == DOC_SEQUENCE;
    const bool key_is_number = !node->key[strspn(node->key, "0123456789")];
    int64_t number;
    if (key_is_number && node->kind == DOC_SCALAR && !doc_text_to_int(node->text, &number))
        return doc_error(node, e,
                         "labels: found \"%s\": \"%.80s\", expected the name first, then its value, as "
                         "\"%.80s\": %s, %s",
                         node->key, node->text, node->text, node->key,
                         "for all labels (nnU-Net 1 and the Medical Segmentation Decathlon have the value first)");
    label->name = node->key;
    label->value_count = is_region ? node->count : 1;
    label->is_list = is_region;
    if (!label->value_count) return doc_error(node, e, "labels: the region %s is empty", node->key);
    int *values = doc_alloc(info->doc, (size_t)label->value_count, sizeof *values, e);
    if (!values) return ERR_NOMEM;
    label->values = values;
    if (!is_region) return read_label_value(node, values, e);
    for (const DocNode *item = node->first; item; item = item->next, values++) {
        TRY(read_label_value(item, values, e));
        if (*values == 0 && node->count > 1)
            return doc_error(item, e, "labels: the region %s contains the background, 0", node->key);
    }
    return 0;
}

/* Plain labels must not share a value; regions may overlap. */
static int refuse_shared_value(const DatasetInfo *info, const DatasetLabel *label, const DocNode *node, Err *e)
{
    for (const DatasetLabel *other = info->labels; other < label; other++)
        if (label->value_count == 1 && other->value_count == 1 && label->values[0] == other->values[0])
            return doc_error(node, e, "labels: %s and %s have the same value, %d", other->name, label->name,
                             label->values[0]);
    return 0;
}

/* All values from 0 to the largest must exist; the ignore label is the largest + 1. */
static int check_consecutive(DatasetInfo *info, const DocNode *labels, Err *e)
{
    for (int i = 0; i < info->label_count; i++)
        for (int k = 0; k < info->labels[i].value_count; k++)
            if (info->labels[i].values[k] > info->max_value) info->max_value = info->labels[i].values[k];
    if (info->ignore_value >= 0 && info->ignore_value != info->max_value + 1)
        return doc_error(doc_find(labels, "ignore"), e,
                         "labels: ignore is %d, expected the highest value, "
                         "%d, and the others consecutive below it",
                         info->ignore_value, info->max_value + 1);
    bool *there = doc_alloc(info->doc, (size_t)info->max_value + 1, sizeof *there, e);
    if (!there) return ERR_NOMEM;
    for (int i = 0; i < info->label_count; i++)
        for (int k = 0; k < info->labels[i].value_count; k++) there[info->labels[i].values[k]] = true;
    if (!there[0]) return doc_error(labels, e, "labels: no background: one label must have the value 0");
    for (int value = 1; value < info->max_value; value++)
        if (!there[value])
            return doc_error(labels, e,
                             "labels: %d is missing: the values up to the largest, %d, must be "
                             "consecutive",
                             value, info->max_value);
    if (!info->max_value) return doc_error(labels, e, "labels: only background, expected one label more");
    return 0;
}

static int read_labels(DatasetInfo *info, const DocNode *root, Err *e)
{
    const DocNode *labels;
    TRY(find_required(root, "labels", "{\"background\": 0, \"organ\": 1}, with the name and the value of each label",
                      &labels, e));
    TRY(doc_expect(labels, DOC_MAPPING, e));
    if (labels->count > LABEL_MOST + 1)
        return doc_error(labels, e, "labels: %d of them, expected at most %d", labels->count, LABEL_MOST + 1);
    DatasetLabel *list = doc_alloc(info->doc, (size_t)labels->count, sizeof *list, e);
    if (!list) return ERR_NOMEM;
    info->labels = list;
    for (const DocNode *node = labels->first; node; node = node->next) {
        if (!strcmp(node->key, "ignore")) {
            TRY(read_label_value(node, &info->ignore_value, e));
            continue;
        }
        DatasetLabel *label = &list[info->label_count];
        TRY(read_label(info, label, node, e));
        TRY(refuse_shared_value(info, label, node, e));
        if (!strcmp(label->name, "background") && label->values[0])
            return doc_error(node, e, "labels: background is %d, expected 0", label->values[0]);
        if (label->value_count > 1) info->has_regions = true;
        info->label_count++;
    }
    return check_consecutive(info, labels, e);
}

static int read_class_order(DatasetInfo *info, const DocNode *root, Err *e)
{
    const DocNode *order;
    if (!info->has_regions) return 0; /* nnU-Net ignores it then */
    TRY(find_optional(root, "regions_class_order", &order, e));
    if (!order)
        return doc_error(root, e,
                         "labels have regions: the key regions_class_order is missing; it says "
                         "which value each region but the background is written with");
    TRY(doc_expect(order, DOC_SEQUENCE, e));
    if (order->count != dataset_head_count(info))
        return doc_error(order, e,
                         "regions_class_order: %d values, expected %d: one for each region but the "
                         "background",
                         order->count, dataset_head_count(info));
    int *values = doc_alloc(info->doc, (size_t)order->count, sizeof *values, e);
    if (!values) return ERR_NOMEM;
    info->regions_class_order = values;
    info->regions_class_count = order->count;
    for (const DocNode *item = order->first; item; item = item->next, values++) {
        TRY(read_label_value(item, values, e));
        if (*values > info->max_value)
            return doc_error(item, e, "regions_class_order: found %d, the largest label is %d", *values,
                             info->max_value);
    }
    return region_order_check(info, order, e);
}

/* ---- the file map */

static int read_files(DatasetInfo *info, DatasetFiles *files, const DocNode *node, Err *e)
{
    TRY(doc_expect(node, DOC_MAPPING, e));
    const DocNode *images = doc_find(node, "images"), *wrong = mistyped(node, known_file_keys, "images");
    if (!images && wrong) return refuse_mistyped(wrong, "images", e);
    wrong = doc_find(node, "label") ? NULL : mistyped(node, known_file_keys, "label");
    if (wrong) return refuse_mistyped(wrong, "label", e);
    if (!images) return doc_error(node, e, "case %s: the key images is missing", node->key);
    TRY(doc_expect(images, DOC_SEQUENCE, e));
    if (images->count != info->channel_count && images->count != 1)
        return doc_error(images, e, "case %s: %d images for %d channels", node->key, images->count,
                         info->channel_count);
    const char **list = doc_alloc(info->doc, (size_t)images->count, sizeof *list, e);
    if (!list) return ERR_NOMEM;
    *files = (DatasetFiles){.id = node->key, .images = list, .image_count = images->count};
    for (const DocNode *image = images->first; image; image = image->next, list++) TRY(doc_get_string(image, list, e));
    return read_optional_string(node, "label", &files->label, e);
}

static int read_file_map(DatasetInfo *info, const DocNode *root, Err *e)
{
    const DocNode *map;
    TRY(find_optional(root, "dataset", &map, e));
    if (!map) return 0;
    TRY(doc_expect(map, DOC_MAPPING, e));
    DatasetFiles *list = doc_alloc(info->doc, (size_t)map->count, sizeof *list, e);
    if (!list) return ERR_NOMEM;
    info->files = list;
    for (const DocNode *node = map->first; node; node = node->next) {
        if (!*node->key || *node->key == '.' || strchr(node->key, '/'))
            return doc_key_error(
                node, e, "dataset: the case name \"%.80s\" is no file name, or one that begins with a dot", node->key);
        TRY(read_files(info, &list[info->file_count], node, e));
        info->file_count++;
    }
    return 0;
}

/* A list whose entries are {image, label} or an image; entries of another form are skipped. */
static int read_list(const DatasetListed **list, int *count, DatasetInfo *info, const DocNode *root, const char *key,
                     Err *e)
{
    const DocNode *node = doc_find(root, key);
    if (!node || node->kind != DOC_SEQUENCE) return 0;
    DatasetListed *listed = doc_alloc(info->doc, (size_t)node->count, sizeof *listed, e);
    if (!listed) return ERR_NOMEM;
    *list = listed;
    for (const DocNode *item = node->first; item; item = item->next) {
        const DocNode *image = item->kind == DOC_SCALAR ? item : doc_find(item, "image"),
                      *label = doc_find(item, "label");
        DatasetListed one = {0};
        if (image && image->kind == DOC_SCALAR) one.image = image->text;
        if (label && label->kind == DOC_SCALAR) one.label = label->text;
        if (one.image || one.label) listed[(*count)++] = one;
    }
    return 0;
}

/* ---- the file */

/* nnU-Net warns of an unknown reader and uses another one. Here it is an error, so that no setting of the user is
 * ignored. */
static int read_reader(DatasetInfo *info, const DocNode *root, Err *e)
{
    static const char key[] = "overwrite_image_reader_writer";
    ReaderAxes axes;
    const DocNode *node;
    TRY(find_optional(root, key, &node, e));
    TRY(read_optional_string(root, key, &info->reader, e));
    if (info->reader && !strcmp(info->reader, "None")) info->reader = NULL; /* as nnU-Net writes it */
    Err unknown;
    if (!info->reader || !reader_axes(&axes, info->reader, key, &unknown)) return 0;
    return doc_error(node, e, "%s", unknown.text);
}

static int read_info(DatasetInfo *info, const char *path, Err *e)
{
    TRY(doc_read(info->doc, path, e));
    const DocNode *root = info->doc->root, *node;
    TRY(doc_expect(root, DOC_MAPPING, e));
    TRY(read_channels(info, root, e));
    TRY(read_labels(info, root, e));
    TRY(read_class_order(info, root, e));
    TRY(find_required(root, "numTraining", "the number of training cases", &node, e));
    TRY(doc_get_int(node, 0, INT32_MAX, &info->num_training, e));
    TRY(find_required(root, "file_ending", "\".nii.gz\", or the ending of your images", &node, e));
    TRY(doc_get_string(node, &info->file_ending, e));
    if (*info->file_ending != '.' || strchr(info->file_ending, '/'))
        return doc_error(node, e, "file_ending: found \"%.80s\", expected an ending with its dot, such as .nii.gz",
                         info->file_ending);
    TRY(read_reader(info, root, e));
    TRY(read_optional_string(root, "name", &info->name, e));
    TRY(read_optional_string(root, "description", &info->description, e));
    TRY(read_list(&info->training, &info->training_count, info, root, "training", e));
    TRY(read_list(&info->test, &info->test_count, info, root, "test", e));
    return read_file_map(info, root, e);
}

int dataset_info_read(DatasetInfo *info, const char *path, Err *e)
{
    *info = (DatasetInfo){.ignore_value = -1};
    info->doc = mem_zalloc(1, sizeof *info->doc, e);
    if (!info->doc) return ERR_NOMEM;
    const int code = read_info(info, path, e);
    if (code) dataset_info_free(info);
    return code;
}

void dataset_info_free(DatasetInfo *info)
{
    if (info->doc) doc_free(info->doc);
    mem_free(info->doc);
    *info = (DatasetInfo){.ignore_value = -1};
}

/* ---- settings without effect */

void dataset_info_remarks(Text *remarks, const DatasetInfo *info)
{
    const DocNode *root = info->doc ? info->doc->root : NULL,
                  *order = root ? doc_find(root, "regions_class_order") : NULL;
    if (root && doc_find(root, "channel_names") && doc_find(root, "modality"))
        text_add(remarks, "%s: \"modality\" is not used beside \"channel_names\"\n", root->file);
    if (order && !doc_is_null(order) && !info->has_regions)
        text_add(remarks, "%s:%d:%d: regions_class_order is not used: no label is a region, a list of several values\n",
                 order->file, order->key_line, order->key_column);
    for (int i = 0; i < info->label_count && root; i++)
        if (strcmp(info->labels[i].name, "ignore") && !strcasecmp(info->labels[i].name, "ignore"))
            text_add(
                remarks,
                "%s: labels: \"%s\" is an ordinary label: the label that is not learned must be named \"ignore\"\n",
                root->file, info->labels[i].name);
}

/* ---- writing */

static void write_labels(const DatasetInfo *info, DocWriter *w)
{
    doc_open(w, "labels", DOC_MAPPING, false);
    for (int i = 0; i < info->label_count; i++) {
        const DatasetLabel *label = &info->labels[i];
        if (label->value_count == 1 && !label->is_list) {
            doc_put_int(w, label->name, label->values[0]);
            continue;
        }
        doc_open(w, label->name, DOC_SEQUENCE, true);
        for (int k = 0; k < label->value_count; k++) doc_put_int(w, NULL, label->values[k]);
        doc_close(w);
    }
    if (info->ignore_value >= 0) doc_put_int(w, "ignore", info->ignore_value);
    doc_close(w);
    if (!info->has_regions) return;
    doc_open(w, "regions_class_order", DOC_SEQUENCE, true);
    for (int i = 0; i < info->regions_class_count; i++) doc_put_int(w, NULL, info->regions_class_order[i]);
    doc_close(w);
}

static void write_file_map(const DatasetInfo *info, DocWriter *w)
{
    doc_open(w, "dataset", DOC_MAPPING, false);
    for (int i = 0; i < info->file_count; i++) {
        const DatasetFiles *files = &info->files[i];
        doc_open(w, files->id, DOC_MAPPING, false);
        doc_open(w, "images", DOC_SEQUENCE, true);
        for (int k = 0; k < files->image_count; k++) doc_put_string(w, NULL, files->images[k]);
        doc_close(w);
        if (files->label) doc_put_string(w, "label", files->label);
        doc_close(w);
    }
    doc_close(w);
}

int dataset_info_write(const DatasetInfo *info, const char *path, Err *e)
{
    DocWriter w = {.json = doc_is_json_path(path)};
    doc_open(&w, NULL, DOC_MAPPING, false);
    doc_open(&w, "channel_names", DOC_MAPPING, false);
    for (int i = 0; i < info->channel_count; i++) {
        char key[16];
        snprintf(key, sizeof key, "%d", i);
        doc_put_string(&w, key, info->channel_names[i]);
    }
    doc_close(&w);
    write_labels(info, &w);
    doc_put_int(&w, "numTraining", info->num_training);
    doc_put_string(&w, "file_ending", info->file_ending);
    if (info->reader) doc_put_string(&w, "overwrite_image_reader_writer", info->reader);
    if (info->name) doc_put_string(&w, "name", info->name);
    if (info->description) doc_put_string(&w, "description", info->description);
    if (info->files) write_file_map(info, &w);
    doc_close(&w);
    return doc_finish(&w, path, e);
}
