#include "plans/plan_keys.h"

#include <string.h>

static const char CONFIGURATION[] = "configurations.2d."; /* the only configuration: left out of the keys */

static void add_value(Text *t, const DocNode *node)
{
    if (node->kind == DOC_SCALAR) {
        text_add(t, "%s", node->text);
        return;
    }
    text_add(t, "[");
    for (const DocNode *item = node->first; item; item = item->next) {
        add_value(t, item);
        if (item->next) text_add(t, ", ");
    }
    text_add(t, "]");
}

static void add_leaf(MadeFrom *keys, const char *name, const DocNode *node)
{
    Text value = {0};
    const size_t length = strlen(CONFIGURATION);
    add_value(&value, node);
    if (!text_check(&value, &keys->failure))
        made_from_add(keys, strncmp(name, CONFIGURATION, length) ? name : name + length, "%s", value.data);
    text_free(&value);
}

static void add_mapping(MadeFrom *keys, const char *prefix, const DocNode *map)
{
    for (const DocNode *node = map->first; node && !keys->failure.code; node = node->next) {
        const bool is_group = node->kind == DOC_MAPPING;
        Text name = {0};
        text_add(&name, "%s%s%s", prefix, node->key, is_group ? "." : "");
        if (text_check(&name, &keys->failure)) return;
        if (is_group) add_mapping(keys, name.data, node);
        else add_leaf(keys, name.data, node);
        text_free(&name);
    }
}

void plan_keys(MadeFrom *keys, const Plan *plan)
{
    Text text = {0};
    Doc doc;
    Err *e = &keys->failure;
    if (e->code) return;
    if (!plan_text(plan, &text, e) && !doc_parse(&doc, "plan", text.data, text.length, e)) {
        add_mapping(keys, "", doc.root);
        doc_free(&doc);
    }
    text_free(&text);
}

/* The same weights may have another path. */
static void compare_weights(const PlanTraining *then, PlanTraining *now)
{
    if (*then->pretrained_content && *now->pretrained_content) strcpy(now->pretrained, then->pretrained);
    else strcpy(now->pretrained_content, then->pretrained_content);
}

int plan_differences(Text *text, const Plan *then, const Plan *now, Err *e)
{
    Plan compared = *now;
    MadeFrom of_then = {0}, of_now = {0};
    compare_weights(&then->training, &compared.training);
    plan_keys(&of_then, then);
    plan_keys(&of_now, &compared);
    int found = made_from_check(&of_then, e);
    if (!found) found = made_from_check(&of_now, e);
    if (!found) found = made_from_differences(text, &of_then, &of_now, "");
    made_from_free(&of_then);
    made_from_free(&of_now);
    return text_check(text, e) ? ERR_NOMEM : found;
}

int plan_describe_network(Text *text, const Plan *plan, Err *e)
{
    static const char section[] = "network.";
    Plan plain;
    MadeFrom keys = {0}, defaults = {0};
    plan_defaults(&plain);
    plan_set_network(&plain, "");
    plan_set_network(&plain, plan->network.name);
    plan_keys(&keys, plan);
    plan_keys(&defaults, &plain);
    text_add(text, "%s", plan->network.name);
    for (int i = 0; i < keys.count; i++) {
        const MadeFromItem *item = &keys.items[i];
        const char *usual = made_from_find(&defaults, item->key);
        if (!strncmp(item->key, section, strlen(section)) && usual && strcmp(usual, item->value))
            text_add(text, ", %s %s", item->key + strlen(section), item->value);
    }
    int code = made_from_check(&keys, e);
    if (!code) code = made_from_check(&defaults, e);
    made_from_free(&keys);
    made_from_free(&defaults);
    return code ? code : text_check(text, e);
}
