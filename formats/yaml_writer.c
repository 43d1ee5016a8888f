#include "formats/yaml.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

#include "base/file.h"

bool doc_is_json_path(const char *path) { return path_ends_with(path, ".json"); }

static void new_line(DocWriter *w, int depth) { text_add(&w->text, "\n%*s", depth * (w->json ? 4 : 2), ""); }

/* Whether readers of YAML 1.1 and 1.2 alike take the text for a string without quotes. */
static bool is_plain_string(const char *text)
{
    static const char *const reserved[] = {"null", "true", "false", "yes", "no", "on", "off", "y", "n"};
    bool flag;
    double number;
    if (!isalnum((unsigned char)*text) && *text != '_' && *text != '/') return false;
    if (doc_text_to_double(text, &number) || doc_text_to_bool(text, &flag)) return false;
    bool has_letter = false; /* a letter that no number contains: 1_000 and 2024-01-01 are not strings in YAML 1.1 */
    for (const char *c = text; *c; c++) {
        if (!isalnum((unsigned char)*c) && !strchr("_./+-", *c)) return false;
        if (isalpha((unsigned char)*c) && !strchr("eExXoObB", *c)) has_letter = true;
    }
    for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++)
        if (!strcasecmp(text, reserved[i])) return false;
    return !isdigit((unsigned char)*text) || (has_letter && strncasecmp(text, "0x", 2));
}

static void add_string(DocWriter *w, const char *value)
{
    if (!w->json && is_plain_string(value)) text_add(&w->text, "%s", value);
    else text_add_json_string(&w->text, value);
}

/* Writes what precedes a value: separator, line break, indentation, key. */
static void begin_entry(DocWriter *w, const char *key, bool on_next_line)
{
    if (!w->depth) return;
    struct DocLevel *level = &w->level[w->depth - 1];
    const bool first = level->count++ == 0;
    if (level->flow) {
        if (!first) text_add(&w->text, ", ");
    } else if (w->json) {
        if (!first) text_add(&w->text, ",");
        new_line(w, w->depth);
    } else {
        if (!(first && level->in_item) && w->text.length) new_line(w, w->depth - 1);
        if (level->kind == DOC_SEQUENCE) text_add(&w->text, "- ");
    }
    if (!key) return;
    add_string(w, key);
    text_add(&w->text, on_next_line && !w->json ? ":" : ": ");
}

void doc_open(DocWriter *w, const char *key, DocKind kind, bool flow)
{
    const struct DocLevel *parent = w->depth ? &w->level[w->depth - 1] : NULL;
    flow = flow || (parent && parent->flow);
    begin_entry(w, key, !flow);
    if (w->depth == DOC_MAX_DEPTH) {
        w->text.failed = true;
        return;
    }
    const bool in_item = parent && parent->kind == DOC_SEQUENCE;
    w->level[w->depth++] = (struct DocLevel){.kind = kind, .flow = flow, .in_item = in_item};
    if (flow || w->json) text_add(&w->text, kind == DOC_MAPPING ? "{" : "[");
}

void doc_close(DocWriter *w)
{
    const struct DocLevel level = w->level[--w->depth];
    const char *closing = level.kind == DOC_MAPPING ? "}" : "]";
    if (level.flow || w->json) {
        if (!level.flow && level.count) new_line(w, w->depth);
        text_add(&w->text, "%s", closing);
    } else if (!level.count) {
        text_add(&w->text, "%s%s", w->depth ? " " : "", level.kind == DOC_MAPPING ? "{}" : "[]");
    }
}

void doc_put_int(DocWriter *w, const char *key, int64_t value)
{
    begin_entry(w, key, false);
    text_add(&w->text, "%lld", (long long)value);
}

void doc_put_bool(DocWriter *w, const char *key, bool value) { doc_put_word(w, key, value ? "true" : "false"); }

void doc_put_word(DocWriter *w, const char *key, const char *word)
{
    begin_entry(w, key, false);
    text_add(&w->text, "%s", word);
}

void doc_put_string(DocWriter *w, const char *key, const char *value)
{
    if (!value) {
        doc_put_word(w, key, "null");
        return;
    }
    begin_entry(w, key, false);
    add_string(w, value);
}

/* With a point in every number: YAML 1.1 reads 1e-05 as a string, and 146 as an integer. */
void doc_put_double(DocWriter *w, const char *key, double value)
{
    begin_entry(w, key, false);
    if (isnan(value)) {
        text_add(&w->text, w->json ? "NaN" : ".nan");
    } else if (isinf(value)) {
        text_add(&w->text, "%s%s", value < 0 ? "-" : "", w->json ? "Infinity" : ".inf");
    } else if (value == trunc(value) && fabs(value) < 1e15) {
        text_add(&w->text, "%.1f", value);
    } else {
        Text digits = {0};
        text_add_double(&digits, value);
        if (digits.failed) {
            w->text.failed = true;
        } else {
            const size_t mantissa = strcspn(digits.data, "e");
            const bool whole = !memchr(digits.data, '.', mantissa);
            text_add_bytes(&w->text, digits.data, mantissa);
            text_add(&w->text, "%s%s", whole ? ".0" : "", digits.data + mantissa);
        }
        text_free(&digits);
    }
}

void doc_comment(DocWriter *w, const char *comment)
{
    if (w->json || (w->depth && w->level[w->depth - 1].flow)) return;
    text_add(&w->text, "  # %s", comment);
}

void doc_finish_text(DocWriter *w, Text *out)
{
    text_add_text(out, &w->text);
    text_add(out, "\n");
    text_free(&w->text);
}

int doc_finish(DocWriter *w, const char *path, Err *e)
{
    text_add(&w->text, "\n");
    int code = text_check(&w->text, e);
    if (!code) code = file_put(path, w->text.data, w->text.length, e);
    text_free(&w->text);
    return code;
}
