#include "plans/plan.h"

#include <stdio.h>
#include <string.h>

#include "formats/yaml.h"
#include "plans/plan_schema.h"

#define UNET_MODULE "dynamic_network_architectures.architectures.unet."

void plan_defaults(Plan *plan)
{
    memset(plan, 0, sizeof *plan);
    schema_defaults(&plan_schema, plan);
    plan->configuration.resampling_data.order = 3; /* the three share a table: nnU-Net's orders */
    plan->configuration.resampling_seg.order = 1;
    plan->configuration.resampling_seg.is_seg = true;
    plan->configuration.resampling_probabilities.order = 1;
}

/* Older plans have the class name without its module, and a rule for the features instead of a list. Converted as
 * in nnU-Net 2.8.1 (plans_handler.py). */
static int fold_flat_architecture(Architecture *a, const char *path, Err *e)
{
    char name[sizeof a->network_class_name];
    strcpy(name, a->network_class_name);
    if (!strchr(name, '.') && snprintf(a->network_class_name, sizeof name, UNET_MODULE "%s", name) >= (int)sizeof name)
        return err_set(e, ERR_FORMAT, "%s: UNet_class_name \"%s\" is too long", path, name);
    if (!a->base_features) return 0;
    const int64_t most = a->max_features ? a->max_features : 512;
    a->n_stages = a->features_count = a->convs_count;
    if (architecture_is_residual(a)) { /* n_conv_per_stage_encoder counts blocks */
        memcpy(a->n_blocks_per_stage, a->n_conv_per_stage, sizeof a->n_blocks_per_stage);
        memset(a->n_conv_per_stage, 0, sizeof a->n_conv_per_stage);
        a->blocks_count = a->convs_count;
        a->convs_count = 0;
    }
    for (int i = 0; i < a->n_stages; i++) {
        const int64_t features = (int64_t)a->base_features << i;
        a->features_per_stage[i] = (int)(features < most ? features : most);
    }
    a->base_features = a->max_features = 0;
    return 0;
}

/* A plan of nnU-Net has an architecture for any network: only one that the user states is worth a note. */
static void note_unused_architecture(const Plan *plan, const Doc *doc, Text *notes)
{
    const DocNode *node = doc_find(doc_find(doc_find(doc->root, "configurations"), "2d"), "architecture");
    if (!node || plan_uses_architecture(plan)) return;
    text_add(notes, "%s:%d:%d: configurations.2d.architecture: not used by the network %s\n", node->file,
             node->key_line, node->key_column, plan->network.name);
}

static int read_doc(Plan *plan, const Doc *doc, const char *path, SchemaMode mode, Text *notes, Err *e)
{
    Plan read = *plan;
    int64_t format = PLAN_FORMAT;
    int code = 0;
    const DocNode *stated = doc_find(doc->root, "format"); /* first: a later format may have any keys */
    if (stated) code = doc_get_int(stated, 1, INT32_MAX, &format, e);
    if (!code && format > PLAN_FORMAT)
        code = err_set(e, ERR_UNSUPPORTED, "%s: format %d is of a later version: expected %d at most", path,
                       (int)format, PLAN_FORMAT);
    if (!code) code = schema_read(&plan_schema, &read, doc->root, mode, notes, e);
    if (!code) code = fold_flat_architecture(&read.configuration.architecture, path, e);
    architecture_spread(&read.configuration.architecture);
    if (!code && mode == SCHEMA_PART && notes) note_unused_architecture(&read, doc, notes);
    if (!code) *plan = read;
    return code;
}

static int read_over(Plan *plan, const char *path, SchemaMode mode, Text *notes, Err *e)
{
    Doc doc;
    TRY(doc_read(&doc, path, e));
    const int code = read_doc(plan, &doc, path, mode, notes, e);
    doc_free(&doc);
    return code;
}

int plan_read(Plan *plan, const char *path, Text *notes, Err *e)
{
    Plan read;
    plan_defaults(&read);
    TRY(read_over(&read, path, SCHEMA_WHOLE, notes, e));
    *plan = read;
    return 0;
}

int plan_parse(Plan *plan, const char *name, const char *text, size_t length, Err *e)
{
    Doc doc;
    Plan read;
    plan_defaults(&read);
    TRY(doc_parse(&doc, name, text, length, e));
    const int code = read_doc(&read, &doc, name, SCHEMA_WHOLE, NULL, e);
    doc_free(&doc);
    if (!code) *plan = read;
    return code;
}

int plan_override(Plan *plan, const char *path, Text *notes, Err *e)
{
    return read_over(plan, path, SCHEMA_PART, notes, e);
}

int plan_override_text(Plan *plan, const char *name, const char *text, size_t length, Err *e)
{
    Doc doc;
    TRY(doc_parse(&doc, name, text, length, e));
    const int code = read_doc(plan, &doc, name, SCHEMA_PART, NULL, e);
    doc_free(&doc);
    return code;
}

static DocWriter write_document(const Plan *plan, bool json)
{
    DocWriter w = {.json = json};
    doc_open(&w, NULL, DOC_MAPPING, false);
    schema_write(&plan_schema, plan, &w);
    doc_close(&w);
    return w;
}

int plan_write(const Plan *plan, const char *path, Err *e)
{
    DocWriter w = write_document(plan, doc_is_json_path(path));
    return doc_finish(&w, path, e);
}

int plan_text(const Plan *plan, Text *text, Err *e)
{
    DocWriter w = write_document(plan, false);
    const int code = text_check(&w.text, e);
    if (!code) text_add_bytes(text, w.text.data, w.text.length);
    text_free(&w.text);
    return code ? code : text_check(text, e);
}

ReaderAxes plan_reader_axes(const Plan *plan)
{
    ReaderAxes axes;
    Err unknown = {0};
    if (reader_axes(&axes, plan->image_reader_writer, "", &unknown)) axes = READER_STORED;
    return axes == READER_STORED && plan->orientation == ORIENTATION_CANONICAL ? READER_RAS : axes;
}

int plan_input_channels(const Plan *plan)
{
    return plan->configuration.channel_count * (2 * plan->configuration.adjacent_slices + 1);
}

void plan_slice_order(int order[3], int axis)
{
    for (int i = 0; i < 3; i++) order[i] = i;
    order[axis] = 0;
    order[0] = axis;
}

void plan_copy_slice_axes(Plan *to, const Plan *from)
{
    PlanConfiguration *c = &to->configuration;
    memcpy(c->slice_axes, from->configuration.slice_axes, sizeof c->slice_axes);
    c->slice_axes_count = from->configuration.slice_axes_count;
}

bool plan_uses_mask(const PlanConfiguration *c)
{
    for (int i = 0; i < c->channel_count; i++)
        if (c->use_mask_for_norm[i]) return true;
    return false;
}
