#include "weights/pickle_write.h"

#include <math.h>
#include <string.h>

#include "formats/yaml.h"
#include "weights/bytes.h"

void pickle_put_string(Text *t, const char *value)
{
    char header[5] = "X";
    bytes_put_le(header + 1, 4, strlen(value));
    text_add_bytes(t, header, sizeof header);
    text_add_bytes(t, value, strlen(value));
}

void pickle_put_integer(Text *t, int64_t value)
{
    char code[10] = "\x8a\x08"; /* LONG1 of 8 bytes */
    bytes_put_le(code + 2, 8, (uint64_t)value);
    text_add_bytes(t, code, sizeof code);
}

static void put_double(Text *t, double value)
{
    char code[9] = "G", little[8];
    memcpy(little, &value, sizeof value);
    for (int i = 0; i < 8; i++) code[1 + i] = little[7 - i];
    text_add_bytes(t, code, sizeof code);
}

/* Whether a number is printed as this text, as a reader notes it. Without memory `t` fails. */
static bool is_printed(Text *t, const char *text, const char *format, long long integer, double number)
{
    Text printed = {0};
    if (format) text_add(&printed, format, integer);
    else text_add_double(&printed, number);
    const bool same = !printed.failed && !strcmp(printed.data, text);
    t->failed = t->failed || printed.failed;
    text_free(&printed);
    return same;
}

/* Puts a number, a truth value or None. Puts nothing and returns false if the text is none of them. */
static bool put_word(Text *t, const char *text)
{
    static const struct {
        const char *word, *code;
    } words[] = {{"null", "N"}, {"true", "\x88"}, {"false", "\x89"}};
    int64_t integer;
    double number;
    for (int i = 0; i < 3; i++)
        if (!strcmp(text, words[i].word)) {
            text_add(t, "%s", words[i].code);
            return true;
        }
    if (doc_text_to_int(text, &integer) && is_printed(t, text, "%lld", (long long)integer, 0))
        pickle_put_integer(t, integer);
    else if (doc_text_to_double(text, &number) && isfinite(number) && is_printed(t, text, NULL, 0, number))
        put_double(t, number);
    else return false;
    return true;
}

static void put_node(Text *t, const DocNode *node)
{
    const bool is_map = node->kind == DOC_MAPPING;
    if (node->kind == DOC_SCALAR) {
        if (node->quoted || !put_word(t, node->text)) pickle_put_string(t, node->text);
        return;
    }
    text_add(t, is_map ? "}(" : "](");
    for (const DocNode *item = node->first; item; item = item->next) {
        if (is_map) pickle_put_string(t, item->key);
        put_node(t, item);
    }
    text_add(t, is_map ? "u" : "e");
}

/* The node as a reader notes it: JSON without blanks. */
static void print_node(Text *t, const DocNode *node)
{
    const bool is_map = node->kind == DOC_MAPPING;
    if (node->kind == DOC_SCALAR) {
        if (node->quoted) text_add_json_string(t, node->text);
        else text_add(t, "%s", node->text);
        return;
    }
    text_add(t, is_map ? "{" : "[");
    for (const DocNode *item = node->first; item; item = item->next) {
        if (item != node->first) text_add(t, ",");
        if (is_map) {
            text_add_json_string(t, item->key);
            text_add(t, ":");
        }
        print_node(t, item);
    }
    text_add(t, is_map ? "}" : "]");
}

/* Puts a list or a dictionary, if the text is one. */
static int put_collection(Text *t, const char *text, bool *is_one, Err *e)
{
    Doc doc;
    Err none = {0};
    Text printed = {0};
    *is_one = false;
    if (*text != '{' && *text != '[') return 0;
    const int code = doc_parse(&doc, "note", text, strlen(text), &none);
    if (code) return code == ERR_NOMEM ? err_set(e, code, "%s", none.text) : 0;
    print_node(&printed, doc.root);
    *is_one = !printed.failed && !strcmp(printed.data, text);
    if (*is_one) put_node(t, doc.root);
    doc_free(&doc);
    const int failed = text_check(&printed, e);
    text_free(&printed);
    return failed;
}

int pickle_put_note(Text *t, const char *value, Err *e)
{
    bool is_collection;
    TRY(put_collection(t, value, &is_collection, e));
    if (!is_collection && !put_word(t, value)) pickle_put_string(t, value);
    return 0;
}
