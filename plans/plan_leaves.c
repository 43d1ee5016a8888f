#include "plans/plan_leaves.h"

#include <string.h>

#include "base/memory.h"

static void add_value(Text *t, const DocNode *node)
{
    const bool is_map = node->kind == DOC_MAPPING;
    if (node->kind == DOC_SCALAR) {
        if (node->quoted) text_add_json_string(t, node->text);
        else text_add(t, "%s", *node->text ? node->text : "null");
        return;
    }
    text_add(t, "%s", is_map ? "{" : "[");
    for (const DocNode *item = node->first; item; item = item->next) {
        if (item != node->first) text_add(t, ", ");
        if (is_map) {
            text_add_json_string(t, item->key);
            text_add(t, ": ");
        }
        add_value(t, item);
    }
    text_add(t, "%s", is_map ? "}" : "]");
}

static int add_leaves(MadeFrom *leaves, const DocNode *map, const char *prefix, Err *e)
{
    int code = 0;
    for (const DocNode *node = map->first; node && !code; node = node->next) {
        Text key = {0}, value = {0};
        text_add(&key, "%s%s%s", prefix, *prefix ? "." : "", node->key);
        code = text_check(&key, e);
        if (!code && node->kind == DOC_MAPPING && node->first) {
            code = add_leaves(leaves, node, key.data, e);
        } else if (!code) {
            add_value(&value, node);
            code = text_check(&value, e);
            if (!code) made_from_add(leaves, key.data, "%s", value.data);
        }
        text_free(&key);
        text_free(&value);
    }
    return code;
}

int plan_leaves(MadeFrom *leaves, const Plan *plan, Err *e)
{
    Text text = {0};
    Doc doc;
    *leaves = (MadeFrom){0};
    int code = plan_text(plan, &text, e);
    if (!code) code = doc_parse(&doc, "plan", text.data, text.length, e);
    if (!code) {
        code = add_leaves(leaves, doc.root, "", e);
        if (!code) code = made_from_check(leaves, e);
        doc_free(&doc);
    }
    text_free(&text);
    if (code) made_from_free(leaves);
    return code;
}

int plan_set(Plan *plan, const char *key, const char *value, Err *e)
{
    Text text = {0};
    int depth = 0;
    for (const char *part = key; part; depth++) {
        const char *dot = strchr(part, '.');
        text_add(&text, "{\"%.*s\": ", dot ? (int)(dot - part) : (int)strlen(part), part);
        part = dot ? dot + 1 : NULL;
    }
    text_add(&text, "%s", value);
    while (depth--) text_add(&text, "}");
    int code = text_check(&text, e);
    if (!code) code = plan_override_text(plan, key, text.data, text.length, e);
    text_free(&text);
    return code;
}
