/* The section `network:` of a plan: its name chooses the network, whose schema has the other keys. */
#include <stdio.h>
#include <string.h>

#include "plans/plan.h"
#include "plans/plan_schema.h"

const NetworkKind *plan_network_kind(const Plan *plan) { return network_kind(plan->network.name); }

/* ---- choosing ---- */

static const Schema *schema_of(const char *name)
{
    const NetworkKind *kind = network_kind(name);
    return kind ? kind->schema : NULL;
}

static void set_network(PlanNetwork *n, const char *name)
{
    const Schema *before = schema_of(n->name), *now = schema_of(name);
    if (name != n->name) snprintf(n->name, sizeof n->name, "%s", name);
    if (now && now == before) return;
    memset(&n->config, 0, sizeof n->config);
    if (now) schema_defaults(now, &n->config);
}

void plan_set_network(Plan *plan, const char *name) { set_network(&plan->network, name); }

void plan_choose_network(Plan *plan, const char *name)
{
    plan_set_network(plan, name);
    const NetworkKind *kind = plan_network_kind(plan);
    if (kind) plan_set_training(plan, kind);
}

void plan_set_training(Plan *plan, const NetworkKind *kind)
{
    PlanTraining *t = &plan->training;
    t->optimizer = kind->training.optimizer;
    t->learning_rate = kind->training.learning_rate;
    t->weight_decay = kind->training.weight_decay;
    t->schedule = kind->training.schedule;
    t->poly_power = kind->training.poly_power;
    t->freeze_encoder_epochs = kind->training.freeze_encoder_epochs;
}

/* ---- what follows from the network ---- */

void plan_network_config(const Plan *plan, NetworkConfig *config)
{
    *config = plan->network.config;
    if (plan_uses_architecture(plan))
        memcpy(config, &plan->configuration.architecture, sizeof plan->configuration.architecture);
}

bool plan_uses_architecture(const Plan *plan)
{
    const NetworkKind *kind = plan_network_kind(plan);
    return !kind || kind->uses_architecture;
}

void plan_patch_divisor(const Plan *plan, int divisor_yx[2])
{
    const NetworkKind *kind = plan_network_kind(plan);
    NetworkConfig config;
    if (!kind) {
        architecture_divisor(&plan->configuration.architecture, divisor_yx);
        return;
    }
    plan_network_config(plan, &config);
    kind->divisor(&config, divisor_yx);
}

bool plan_deep_supervision(const Plan *plan)
{
    const NetworkKind *kind = plan_network_kind(plan);
    const NetworkDeepSupervision rule = kind ? kind->training.deep_supervision : DEEP_SUPERVISION_ON;
    if (plan->training.deep_supervision != SWITCH_AUTO) return plan->training.deep_supervision == SWITCH_ON;
    return rule == DEEP_SUPERVISION_ON || (rule == DEEP_SUPERVISION_PRETRAINED && *plan->training.pretrained);
}

/* ---- the section in a file ---- */

static void set_defaults(void *at) { set_network(at, network_kinds()[0]->name); }

static int read_name(PlanNetwork *n, const DocNode *node, Err *e)
{
    const char *name = "";
    if (!node) return 0;
    if (!doc_is_null(node)) TRY(doc_get_string(node, &name, e));
    if (strlen(name) >= sizeof n->name)
        return doc_error(node, e, "name: text of %zu bytes, expected at most %zu", strlen(name), sizeof n->name - 1);
    set_network(n, name);
    return 0;
}

static bool has_key(const Schema *schema, const char *key)
{
    for (int i = 0; i < schema->count; i++)
        if (!strcmp(schema->fields[i].key, key)) return true;
    return false;
}

static int refuse_key(const NetworkKind *kind, const DocNode *node, Err *e)
{
    const char *nearest = schema_nearest_key(kind->schema, node->key);
    if (kind->uses_architecture)
        return doc_key_error(node, e,
                             "unknown key network.%.80s; the network %s has name only, and follows "
                             "configurations.2d.architecture.arch_kwargs (its channels are features_per_stage)",
                             node->key, kind->name);
    Text keys = {0};
    text_add(&keys, "name");
    for (int i = 0; i < kind->schema->count; i++) text_add(&keys, ", %s", kind->schema->fields[i].key);
    const int code =
        doc_key_error(node, e, "unknown key network.%.80s; the nearest known key is %s; the network %s has %s",
                      node->key, *nearest ? nearest : "name", kind->name, keys.failed ? "others" : keys.data);
    text_free(&keys);
    return code;
}

/* A key of the section on its own, as a mapping of one. */
static int read_key(PlanNetwork *n, const NetworkKind *kind, const DocNode *map, const DocNode *node, Text *notes,
                    Err *e)
{
    DocNode alone = *node, part = *map;
    if (!has_key(kind->schema, node->key)) return refuse_key(kind, node, e);
    alone.next = NULL;
    part.first = &alone;
    part.count = 1;
    return schema_read(kind->schema, &n->config, &part, SCHEMA_PART, notes, e);
}

/* Of a network that this build lacks only the name is taken: plan_check says so. */
static int read_section(void *at, const DocNode *map, SchemaMode mode, Text *notes, Err *e)
{
    PlanNetwork *n = at;
    (void)mode;
    if (!doc_is_null(map)) TRY(doc_expect(map, DOC_MAPPING, e));
    TRY(read_name(n, doc_find(map, "name"), e));
    const NetworkKind *kind = network_kind(n->name);
    for (const DocNode *node = map->first; node; node = node->next) {
        if (!strcmp(node->key, "name")) continue;
        if (kind) TRY(read_key(n, kind, map, node, notes, e));
        else if (notes)
            text_add(notes, "%s:%d:%d: network.%s: not used here\n", node->file, node->key_line, node->key_column,
                     node->key);
    }
    return 0;
}

static void write_section(const void *at, DocWriter *w)
{
    const PlanNetwork *n = at;
    const NetworkKind *kind = network_kind(n->name);
    doc_put_string(w, "name", *n->name ? n->name : NULL);
    if (kind) schema_write(kind->schema, &n->config, w);
}

const SchemaVariant plan_network_section = {set_defaults, read_section, write_section};
