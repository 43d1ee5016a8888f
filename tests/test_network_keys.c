/* The keys of the networks: every impossible value or combination is refused by its key, and docs/networks.md lists the keys of
 * the schemas with their defaults. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "formats/schema.h"
#include "network/models/network.h"
#include "plans/plan.h"
#include "tests/support/says.h"

/* ---- refusals ---- */

static int try_build(const char *network, const char *keys, int64_t side, Err *e)
{
    NetworkSpec spec;
    Graph *g = NULL;
    TRY(network_defaults(&spec, network, e));
    TRY(network_configure(&spec, keys, e));
    spec.height = spec.width = side;
    spec.channels = 1;
    spec.classes = 2;
    const int code = network_build(&g, &spec, e);
    if (!code) graph_free(g);
    return code;
}

static void impossible_keys_are_refused_by_name(void **state)
{
    static const struct {
        const char *network, *keys, *says;
    } tries[] = {
        {"segresnet", "{blocks_down: [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]}",
         "blocks_down: a list of 14, expected at most 13"},
        {"segresnet", "{blocks_up: [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]}",
         "blocks_up: a list of 14, expected at most 13"},
        {"segresnet", "{blocks_down: [1, 1, 1]}",
         "blocks_down and blocks_up have 3 and 3 entries, expected n (2 or more) and n - 1"},
        {"segresnet", "{blocks_down: [1], blocks_up: []}", "blocks_down and blocks_up have 1 and 0 entries"},
        {"segresnet", "{blocks_down: [0, 1, 1, 1]}", "expected a whole number from 1 to 256"},
        {"segresnet", "{init_filters: 12}", "network.init_filters: 12 is not a multiple of 8"},
        {"segresnet", "{init_filters: 4096, blocks_down: [1, 1, 1, 1, 1, 1], blocks_up: [1, 1, 1, 1, 1]}",
         "network.init_filters: 4096, doubled from level to level, are more than 65536 channels at the last of 6"},
        {"unetr", "{layers: 9}", "layers: found \"9\", expected a whole number from 10"},
        {"unetr", "{hidden: 100}", "network.hidden: 100 is not a multiple of heads, 12"},
        {"unetr", "{heads: 5}", "network.hidden: 768 is not a multiple of heads, 5"},
        {"swinunetr", "{depths: [1, 1, 1, 1, 1]}", "depths and heads have 5 and 4 entries, expected 4"},
        {"swinunetr", "{depths: [1, 1, 1, 1, 1], heads: [1, 1, 1, 1, 1]}", "depths and heads have 5 and 5 entries"},
        {"swinunetr", "{heads: [5, 6, 12, 24]}", "network.heads: level 0 has 48 channels, no multiple of 5 heads"},
        {"swinunetr", "{window: 1}", "window: found \"1\", expected a whole number from 2"},
        {"nnformer", "{windows: [5, 5, 5]}", "depths, heads and windows have 4, 4 and 3 entries, expected 4"},
        {"nnformer", "{depths: [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]}", "depths: a list of 17"},
        {"nnformer", "{patch: 3}", "network.patch: 3, expected 2 or 4"},
        {"nnformer", "{embed: 191}", "network.embed: 191, expected an even number"},
        {"nnformer", "{heads: [6, 12, 24, 47]}", "network.heads: level 3 has 1536 channels, no multiple of 47 heads"},
        {"swin_umamba_d", "{dims: [96, 192, 384]}", "dims and depths have 3 and 4 entries, expected 4"},
        {"swin_umamba", "{depths: [1, 1, 1, 1, 1]}", "dims and depths have 4 and 5 entries"},
        {"swin_umamba_paper", "{dims: [96, 192, 384, 769]}", "network.dims: 769 after 384"},
        {"swin_umamba_d", "{decoder_depths: [1, 2, 2]}", "network.decoder_depths: found 1 and 2"},
        {"swin_umamba_d", "{dims: [2, 4, 8, 16], width: 0.1}",
         "network.width: 0.1 times dims, 2, is less than 2 channels"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof tries / sizeof *tries; i++) {
        Err e = {0};
        if (!try_build(tries[i].network, tries[i].keys, 32, &e))
            fail_msg("%s takes %s", tries[i].network, tries[i].keys);
        assert_says(&e, tries[i].says);
    }
}

/* The deepest SegResNet fits into the largest patch; a larger patch is refused by its key. */
static void a_patch_has_a_limit(void **state)
{
    static const char deepest[] = "{blocks_down: [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1], "
                                  "blocks_up: [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1], init_filters: 8}";
    Err e = {0};
    (void)state;
    if (try_build("segresnet", deepest, NETWORK_DIVISOR, &e)) fail_msg("%s", e.text);
    assert_int_equal(try_build("segresnet", "{}", 2 * NETWORK_DIVISOR, &e), ERR_SHAPE);
    assert_says(&e, "cannot take 8192x8192 images: patch_size has at most 16777216 pixels, such as 4096x4096");
}

/* ---- U-Nets, by the plan's architecture ---- */

static void add_list(Text *t, const char *key, const char *first, const char *others, int count)
{
    text_add(t, ", %s: [", key);
    for (int i = 0; i < count; i++) text_add(t, "%s%s", i ? ", " : "", i ? others : first);
    text_add(t, "]");
}

/* A plan's text of that many stages with that stride between them. */
static void add_architecture(Text *t, int stages, const char *stride)
{
    text_add(t, "configurations: {2d: {architecture: {arch_kwargs: {n_stages: %d", stages);
    add_list(t, "features_per_stage", "4", "4", stages);
    add_list(t, "kernel_sizes", "[3, 3]", "[3, 3]", stages);
    add_list(t, "strides", "[1, 1]", stride, stages);
    add_list(t, "n_conv_per_stage", "1", "1", stages);
    add_list(t, "n_conv_per_stage_decoder", "1", "1", stages - 1);
    text_add(t, "}}}}");
}

static void expect_architecture(const char *network, int stages, const char *stride, const char *says)
{
    Err e = {0};
    Plan plan;
    Text keys = {0};
    if (plan_read(&plan, "tests/golden/plans/nnUNetPlans_2_8.json", NULL, &e)) fail_msg("%s", e.text);
    plan_choose_network(&plan, network);
    add_architecture(&keys, stages, stride);
    int code = text_check(&keys, &e);
    if (!code) code = plan_override_text(&plan, "override", keys.data, keys.length, &e);
    if (!code) code = plan_check(&plan, &e);
    text_free(&keys);
    if (!code) fail_msg("%s: %d stages with strides %s are taken", network, stages, stride);
    assert_says(&e, says);
}

static void impossible_stages_are_refused_by_name(void **state)
{
    static const char *const networks[] = {"nnunet", "umamba_bot", "umamba_enc"};
    (void)state;
    for (int i = 0; i < 3; i++) {
        expect_architecture(networks[i], 1, "[2, 2]", "arch_kwargs.n_stages: found 1, expected 2 or more");
        expect_architecture(networks[i], 11, "[2, 2]", "arch_kwargs.n_stages: found 11, at most 10 are supported");
        expect_architecture(networks[i], 17, "[2, 2]", "n_stages: found \"17\", expected a whole number from 0 to 16");
        expect_architecture(networks[i], 8, "[1, 4]", "arch_kwargs.strides: their product along axis x is above 4096");
        expect_architecture(networks[i], 10, "[64, 64]",
                            "arch_kwargs.strides: their product along axis y is above 4096");
    }
}

/* ---- the table of docs/networks.md ---- */

enum { CELLS = 4, CELL_BYTES = 160 };

typedef struct KeyRow {
    char cells[CELLS][CELL_BYTES]; /* networks, key, meaning, default, without quotes */
} KeyRow;

/* Takes the cells of a line "| a | b | c | d |"; false for another line, and for the line below a heading. */
static bool take_row(KeyRow *row, const char *line)
{
    if (*line != '|' || strstr(line, "|---|")) return false;
    for (int i = 0; i < CELLS; i++) {
        const char *end = strchr(++line, '|');
        int length = 0;
        if (!end) return false;
        for (; line < end && length < CELL_BYTES - 1; line++)
            if (*line != '`' && (length || *line != ' ')) row->cells[i][length++] = *line;
        while (length && row->cells[i][length - 1] == ' ') length--;
        row->cells[i][length] = '\0';
    }
    return true;
}

/* Whether "a, b, c" has the item. */
static bool has_item(const char *list, const char *item)
{
    const size_t length = strlen(item);
    for (const char *at = list; (at = strstr(at, item)); at += length)
        if ((at == list || at[-1] == ' ') && (!at[length] || at[length] == ',')) return true;
    return false;
}

/* "1" and "1.0" are the same; so are lists of such numbers. */
static bool same_numbers(const char *a, const char *b)
{
    for (;;) {
        char *end_a, *end_b;
        if (strtod(a, &end_a) != strtod(b, &end_b) || end_a == a || end_b == b) return false;
        if (*end_a != *end_b) return false;
        if (!*end_a) return true;
        a = end_a + 1;
        b = end_b + 1;
    }
}

/* Adds what is wrong with the key's row; NULL: there is none. */
static void compare_key(Text *wrong, const NetworkKind *kind, const Field *field, const KeyRow *row)
{
    if (!row) text_add(wrong, "%s.%s is missing; ", kind->name, field->key);
    else if (!same_numbers(row->cells[3], field->fallback))
        text_add(wrong, "%s.%s: %s, but the default is %s; ", kind->name, field->key, row->cells[3], field->fallback);
}

static int find_field(const Schema *schema, const char *key)
{
    for (int i = 0; i < schema->count; i++)
        if (!strcmp(schema->fields[i].key, key)) return i;
    return -1;
}

/* Adds the differences of the section's rows (count) and the schema of a network. */
static void compare_network(Text *wrong, const NetworkKind *kind, const KeyRow *rows, int count)
{
    const Schema *schema = kind->schema;
    for (int i = 0; i < schema->count; i++) {
        const KeyRow *row = NULL;
        for (int k = 0; k < count && !row; k++)
            if (has_item(rows[k].cells[0], kind->name) && !strcmp(rows[k].cells[1], schema->fields[i].key))
                row = &rows[k];
        compare_key(wrong, kind, &schema->fields[i], row);
    }
    for (int k = 0; k < count; k++)
        if (has_item(rows[k].cells[0], kind->name) && find_field(schema, rows[k].cells[1]) < 0)
            text_add(wrong, "%s has no key %s; ", kind->name, rows[k].cells[1]);
}

/* Adds the differences of a document's table of keys and the schemas. Networks are named in the first row of theirs. */
static void compare_table(Text *wrong, const char *document)
{
    enum { MOST = 100 };
    static KeyRow rows[MOST];
    int count = 0;
    const char *line = strstr(document, "\n## Keys\n");
    for (; line && count < MOST; line = strchr(line + 1, '\n')) {
        if (!take_row(&rows[count], line + 1)) continue;
        if (!strcmp(rows[count].cells[1], "key")) continue;
        if (!*rows[count].cells[0] && count) strcpy(rows[count].cells[0], rows[count - 1].cells[0]);
        count++;
    }
    for (int i = 0; network_kinds()[i]; i++) compare_network(wrong, network_kinds()[i], rows, count);
}

static char *read_document(void)
{
    char *text;
    size_t bytes;
    Err e = {0};
    if (file_get("docs/networks.md", &text, &bytes, &e)) fail_msg("%s", e.text);
    return text;
}

static void the_document_lists_the_keys(void **state)
{
    Text wrong = {0};
    char *document = read_document();
    (void)state;
    compare_table(&wrong, document);
    if (wrong.length) fail_msg("docs/networks.md, Keys: %s", wrong.data);
    mem_free(document);
}

/* The comparison finds each kind of mistake, made in a copy of the document. */
static void mistakes_in_the_document_are_found(void **state)
{
    static const struct {
        const char *before, *after, *says;
    } mistakes[] = {{"| `mlp` |", "| `mlq` |", "unetr.mlp is missing; unetr has no key mlq"},
                    {"2, 2, 9, 2 |", "2, 2, 8, 2 |", "swin_umamba.depths: 2, 2, 8, 2, but the default is 2, 2, 9, 2"},
                    {"| 768 |", "| 769 |", "unetr.hidden: 769, but the default is 768"},
                    {"5, 5, 10, 5 |", "5, 5, 10 |", "nnformer.windows: 5, 5, 10, but"},
                    {"`swin_umamba_d`, `swin_umamba`,", "`swin_umamba`,", "swin_umamba_d.width is missing"},
                    {"| `segresnet` | `init", "| `segresnet`, `nnunet` | `init", "nnunet has no key init_filters"}};
    (void)state;
    for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++) {
        Text changed = {0}, wrong = {0};
        char *document = read_document();
        char *at = strstr(strstr(document, "\n## Keys\n"), mistakes[i].before);
        if (!at) fail_msg("docs/networks.md has no %s", mistakes[i].before);
        text_add(&changed, "%.*s%s%s", (int)(at - document), document, mistakes[i].after,
                 at + strlen(mistakes[i].before));
        compare_table(&wrong, changed.data);
        if (!wrong.data || !strstr(wrong.data, mistakes[i].says))
            fail_msg("expected \"%s\" in: %s", mistakes[i].says, wrong.data ? wrong.data : "");
        text_free(&changed);
        text_free(&wrong);
        mem_free(document);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(impossible_keys_are_refused_by_name),   cmocka_unit_test(a_patch_has_a_limit),
        cmocka_unit_test(impossible_stages_are_refused_by_name), cmocka_unit_test(the_document_lists_the_keys),
        cmocka_unit_test(mistakes_in_the_document_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
