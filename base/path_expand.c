#include "base/path_expand.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"

static size_t name_length(const char *text)
{
    size_t length = 0;
    while (isalnum((unsigned char)text[length]) || text[length] == '_') length++;
    return isdigit((unsigned char)*text) ? 0 : length;
}

static int add_variable(Text *t, const char *name, size_t length, const char *path, Err *e)
{
    char *copy = mem_alloc(length + 1, e);
    if (!copy) return ERR_NOMEM;
    memcpy(copy, name, length);
    copy[length] = '\0';
    const char *value = getenv(copy);
    int code = 0;
    if (value) text_add(t, "%s", value);
    else
        code = err_set(e, ERR_VALUE, "%s: the variable %s is not set: set it (export %s=...), or write the path out",
                       path, copy, copy);
    mem_free(copy);
    return code;
}

/* Expands a text that begins with '$'; *used: the bytes of the variable's name. */
static int add_dollar(Text *t, const char *at, size_t *used, const char *path, Err *e)
{
    const bool in_braces = at[1] == '{';
    const char *name = at + 1 + in_braces;
    const size_t length = name_length(name);
    if (in_braces && (!length || name[length] != '}'))
        return err_set(e, ERR_VALUE, "%s: \"${\" without a name and \"}\": expected ${NAME}", path);
    *used = length ? (size_t)(name - at) + length + in_braces : 1;
    if (length) return add_variable(t, name, length, path, e);
    text_add_bytes(t, at, 1);
    return 0;
}

char *path_expand(const char *path, Err *e)
{
    Text t = {0};
    int code = 0;
    const char *at = path;
    if (*at == '~' && (!at[1] || at[1] == '/')) {
        code = add_variable(&t, "HOME", 4, path, e);
        at++;
    }
    for (size_t used; *at && !code; at += used) {
        used = strcspn(at, "$");
        if (used) text_add_bytes(&t, at, used);
        else code = add_dollar(&t, at, &used, path, e);
    }
    if (!code) code = text_check(&t, e);
    char *copy = code ? NULL : mem_strdup(t.data ? t.data : "", e);
    text_free(&t);
    return copy;
}
