/* Values of a Doc's nodes: numbers, truth values, text, and the error messages. */
#include "formats/yaml.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

const DocNode *doc_find(const DocNode *node, const char *key)
{
    if (!node || node->kind != DOC_MAPPING) return NULL;
    for (const DocNode *child = node->first; child; child = child->next)
        if (!strcmp(child->key, key)) return child;
    return NULL;
}

static int error_at(const char *file, int line, int column, Err *e, const char *format, va_list args)
{
    char what[768];
    vsnprintf(what, sizeof what, format, args);
    return err_set(e, ERR_FORMAT, "%s:%d:%d: %s", file, line, column, what);
}

int doc_error(const DocNode *node, Err *e, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const int code = error_at(node->file, node->line, node->column, e, format, args);
    va_end(args);
    return code;
}

int doc_key_error(const DocNode *node, Err *e, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const int code = error_at(node->file, node->key_line, node->key_column, e, format, args);
    va_end(args);
    return code;
}

/* The error of a node that is not `expected`, with its key and its content. */
static int mismatch(const DocNode *node, Err *e, const char *expected)
{
    static const char *const kinds[] = {"", "a list", "a mapping"};
    char found[96];
    if (node->kind != DOC_SCALAR) snprintf(found, sizeof found, "%s", kinds[node->kind]);
    else if (doc_is_null(node)) snprintf(found, sizeof found, "nothing");
    else snprintf(found, sizeof found, "\"%.80s\"", node->text);
    if (node->key) return doc_error(node, e, "%s: found %s, expected %s", node->key, found, expected);
    return doc_error(node, e, "found %s, expected %s", found, expected);
}

bool doc_is_null(const DocNode *node)
{
    if (node->kind != DOC_SCALAR || node->quoted) return false;
    return !*node->text || !strcmp(node->text, "~") || !strcasecmp(node->text, "null");
}

int doc_expect(const DocNode *node, DocKind kind, Err *e)
{
    static const char *const kinds[] = {"a single value", "a list", "a mapping"};
    return node->kind == kind ? 0 : mismatch(node, e, kinds[kind]);
}

bool doc_text_to_int(const char *text, int64_t *value)
{
    double real;
    char *end;
    errno = 0;
    const long long integer = strtoll(text, &end, 10);
    if (end != text && !*end && !errno) {
        *value = integer;
        return true;
    }
    /* Python writes some whole numbers as 146.0; beyond 2^53 a double may not be exact. */
    if (!doc_text_to_double(text, &real) || real != floor(real) || fabs(real) > 9007199254740992.0) return false;
    *value = (int64_t)real;
    return true;
}

bool doc_text_to_double(const char *text, double *value)
{
    const bool minus = *text == '-';
    const char *word = text + (minus || *text == '+');
    if (!strcasecmp(word, "nan") || !strcasecmp(word, ".nan")) {
        *value = NAN;
        return true;
    }
    if (!strcasecmp(word, "inf") || !strcasecmp(word, ".inf") || !strcasecmp(word, "infinity")) {
        *value = minus ? -INFINITY : INFINITY;
        return true;
    }
    if (!*word || word[strspn(word, "0123456789.eE+-")]) return false; /* no hexadecimal, no blanks */
    char *end;
    *value = strtod(text, &end);
    return !*end && isfinite(*value);
}

bool doc_text_to_bool(const char *text, bool *value)
{
    static const char *const words[] = {"false", "true", "no", "yes", "off", "on"};
    for (int i = 0; i < 6; i++) {
        if (strcasecmp(text, words[i])) continue;
        *value = i % 2;
        return true;
    }
    return false;
}

int doc_get_int(const DocNode *node, int64_t low, int64_t high, int64_t *value, Err *e)
{
    const bool is_int = node->kind == DOC_SCALAR && !node->quoted && doc_text_to_int(node->text, value);
    if (is_int && *value >= low && *value <= high) return 0;
    char expected[96] = "a whole number";
    if (low > INT64_MIN && high == INT64_MAX)
        snprintf(expected, sizeof expected, "a whole number, at least %lld", (long long)low);
    else if (low > INT64_MIN)
        snprintf(expected, sizeof expected, "a whole number from %lld to %lld", (long long)low, (long long)high);
    return mismatch(node, e, expected);
}

int doc_key_index(const DocNode *node, int count, int *index, Err *e)
{
    int64_t number = -1;
    const char *key = node->key;
    const bool digits = *key && !key[strspn(key, "0123456789")];
    const bool is_padded = *key == '0' && key[1]; /* "01" beside "1" would be the same index */
    if (!digits || is_padded || !doc_text_to_int(key, &number) || number >= count)
        return doc_key_error(node, e, "found the key \"%.80s\", expected the numbers 0 to %d", key, count - 1);
    *index = (int)number;
    return 0;
}

int doc_get_double(const DocNode *node, double *value, Err *e)
{
    if (node->kind == DOC_SCALAR && doc_text_to_double(node->text, value) &&
        (!node->quoted || !isfinite(*value))) /* strict JSON has only strings for nan and inf */
        return 0;
    return mismatch(node, e, "a number");
}

int doc_get_bool(const DocNode *node, bool *value, Err *e)
{
    if (node->kind == DOC_SCALAR && !node->quoted && doc_text_to_bool(node->text, value)) return 0;
    return mismatch(node, e, "true or false");
}

int doc_get_string(const DocNode *node, const char **value, Err *e)
{
    if (node->kind != DOC_SCALAR || doc_is_null(node)) return mismatch(node, e, "text");
    *value = node->text;
    return 0;
}
