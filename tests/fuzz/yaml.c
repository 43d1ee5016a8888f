/* YAML and JSON of any content: every value as each type; what is written again is read again as it was. */
#include "formats/yaml.h"

#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "tests/fuzz/documents.h"

const char *fuzz_document(const char *name, const uint8_t *data, size_t bytes)
{
    char file[64];
    const bool json = bytes && (*data == '{' || *data == '[');
    snprintf(file, sizeof file, "%s.%s", name, json ? "json" : "yaml");
    return fuzz_in_folder(file, data, bytes);
}

static void use_value(const DocNode *node)
{
    Err e = {0};
    int64_t integer;
    double number;
    bool truth;
    int index;
    const char *text;
    fuzz_done(doc_get_int(node, -5, 1000, &integer, &e), &e);
    fuzz_done(doc_get_double(node, &number, &e), &e);
    fuzz_done(doc_get_bool(node, &truth, &e), &e);
    if (node->key) fuzz_done(doc_key_index(node, 3, &index, &e), &e);
    if (fuzz_done(doc_get_string(node, &text, &e), &e)) fuzz_touch(text, strlen(text));
}

/* Every node, written as it is. */
static void copy(DocWriter *w, const DocNode *node)
{
    use_value(node);
    if (node->kind == DOC_SCALAR) {
        doc_put_string(w, node->key, doc_is_null(node) ? NULL : node->text);
        return;
    }
    doc_open(w, node->key, node->kind, node->count % 2);
    for (const DocNode *child = node->first; child; child = child->next) {
        if (node->kind == DOC_MAPPING) FUZZ_EXPECT(doc_find(node, child->key) == child);
        copy(w, child);
    }
    doc_close(w);
}

static bool same(const DocNode *a, const DocNode *b)
{
    bool equal =
        a->kind == b->kind && a->count == b->count && !a->key == !b->key && (!a->key || !strcmp(a->key, b->key));
    if (equal && a->kind == DOC_SCALAR)
        return doc_is_null(a) == doc_is_null(b) && (doc_is_null(a) || !strcmp(a->text, b->text));
    for (const DocNode *x = a->first, *y = b->first; x && equal; x = x->next, y = y->next) equal = same(x, y);
    return equal;
}

static void write_again(const DocNode *root, const char *name)
{
    Err e = {0};
    Doc again;
    DocWriter w = {.json = doc_is_json_path(name)};
    const char *path = fuzz_seed_path(fuzz_folder(), name);
    copy(&w, root);
    int failed = text_check(&w.text, &e);
    if (!failed) fuzz_in_folder(name, w.text.data, w.text.length);
    text_free(&w.text);
    FUZZ_EXPECT(!failed && !doc_read(&again, path, &e) && same(root, again.root));
    doc_free(&again);
}

static bool run(const uint8_t *data, size_t bytes)
{
    Doc doc;
    Err e = {0};
    if (!fuzz_done(doc_read(&doc, fuzz_document("document", data, bytes), &e), &e)) return false;
    write_again(doc.root, "again.yaml");
    write_again(doc.root, "again.json");
    doc_free(&doc);
    return true;
}

static int seed(const char *folder, Err *e)
{
    TRY(fuzz_seed_text(folder, "block",
                       "a: 1\nb:\n  - x\n  - {c: d, e: [1.5, null, ~]}\n'f g': |\n  text\n  more\nh: >-\n  z\n", e));
    TRY(fuzz_seed_text(folder, "flow", "{a: [1, 2.5, -3e4, .inf, 0x10], \"b\\u00e4\": yes, c: {}, d: []} # comment\n",
                       e));
    TRY(fuzz_seed_text(folder, "json", "{\"a\": [1, true, null, \"\\ud83d\\ude00\\n\"], \"b\": {\"c\": -1.5e3}}", e));
    TRY(fuzz_seed_text(folder, "odd", "{\"a\\u0085\\u2028\\u007f\": \"\\u0001\\ufeff\\u2029 \\uffff\"}", e));
    TRY(fuzz_seed_text(folder, "list", "[[[[]]], {\"0\": {\"1\": []}}]", e));
    TRY(fuzz_seed_text(folder, "refused", "a: &x [1]\nb: *x\n<<: *x\nc: !!int 3\n", e));
    return fuzz_seed_text(folder, "second", "%YAML 1.1\n---\na: ? b\n...\n---\nc\n", e);
}

const FuzzTarget fuzz_target_yaml = {"yaml", run, seed, NULL};
