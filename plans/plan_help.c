#include "plans/plan_help.h"

#include <string.h>

#include "network/models/network.h"
#include "plans/plan_schema.h"

static const Field *find_field(const Schema *schema, const char *key, size_t length)
{
    for (int i = 0; i < schema->count; i++)
        if (strlen(schema->fields[i].key) == length && !strncmp(schema->fields[i].key, key, length))
            return &schema->fields[i];
    return NULL;
}

/* key: names of nested mappings, joined by points. */
static bool add_default(Text *t, const char *key)
{
    const Schema *schema = &plan_schema;
    const Field *field = NULL;
    while (schema && *key) {
        const size_t length = strcspn(key, ".");
        field = find_field(schema, key, length);
        schema = field ? field->schema : NULL;
        key += length + (key[length] == '.');
    }
    if (*key || !field || !field->fallback) return false;
    text_add(t, "%s", field->fallback);
    return true;
}

bool plan_help(Text *t, const char *word)
{
    if (!strcmp(word, "NETWORK")) network_add_names(t);
    else if (!strcmp(word, "networks")) network_add_help(t);
    else if (!strcmp(word, "network.name")) text_add(t, "%s", network_kinds()[0]->name);
    else return add_default(t, word);
    return true;
}
