#include "tests/support/golden.h"
#include "tests/support/exists.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"

static bool is_prefix(const char *prefix, const char *text) { return !strncmp(prefix, text, strlen(prefix)); }

bool golden_wanted(const Golden *g, const char *path)
{
    for (int i = 0; i < g->only_count; i++)
        if (is_prefix(g->only[i], path) || is_prefix(path, g->only[i])) return true;
    return !g->only_count;
}

bool golden_begin(Golden *g, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(g->entry, sizeof g->entry, format, args);
    va_end(args);
    g->failure[0] = g->worst_name[0] = '\0';
    g->worst_error = g->worst_bound = 0;
    g->worst_ratio = -1;
    g->comparisons = 0;
    bool wanted = !g->only_count;
    for (int i = 0; i < g->only_count; i++) wanted |= is_prefix(g->only[i], g->entry);
    return wanted;
}

void golden_end(Golden *g)
{
    if (!g->comparisons && !g->failure[0]) golden_fail(g, "nothing was compared");
    const bool failed = g->failure[0] != '\0';
    failed ? g->failed++ : g->passed++;
    printf("%s %-44s", failed ? "FAILED" : "ok    ", g->entry);
    if (g->comparisons) printf(" error %.2e, bound %.2e (%s)", g->worst_error, g->worst_bound, g->worst_name);
    if (failed) printf("  %s", g->failure);
    printf("\n");
    fflush(stdout);
}

void golden_skip(Golden *g, const char *why)
{
    g->skipped++;
    printf("SKIPPED %-43s %s\n", g->entry, why);
}

void golden_fail(Golden *g, const char *format, ...)
{
    if (g->failure[0]) return; /* only the first failure is reported */
    va_list args;
    va_start(args, format);
    vsnprintf(g->failure, sizeof g->failure, format, args);
    va_end(args);
}

void golden_expect(Golden *g, const char *name, double error, double bound)
{
    const double ratio = bound > 0 ? error / bound : (error > 0 || isnan(error) ? INFINITY : 0);
    g->comparisons++;
    if (!(ratio <= 1)) golden_fail(g, "%s: error %.3e above %.3e", name, error, bound);
    if (ratio <= g->worst_ratio) return;
    g->worst_ratio = isnan(ratio) ? INFINITY : ratio;
    g->worst_error = error;
    g->worst_bound = bound;
    snprintf(g->worst_name, sizeof g->worst_name, "%s", name);
}

void golden_expect_values(Golden *g, const char *name, const float *found, const float *expected, int64_t count,
                          const DocNode *record)
{
    double error = 0, largest = golden_number(record, "max_abs_value", -1);
    for (int64_t i = 0; i < count; i++) {
        const double difference = fabs((double)found[i] - expected[i]);
        if (!(difference <= error)) error = difference; /* keeps a NaN */
    }
    if (largest < 0) {
        golden_fail(g, "%s: the manifest has no max_abs_value for it", name);
        return;
    }
    golden_expect(g, name, error, fmax(8 * golden_number(record, "noise_max_abs", 0), 4e-6 * largest));
}

double golden_relative_l2(const float *found, const float *expected, int64_t count)
{
    double difference = 0, norm = 0;
    for (int64_t i = 0; i < count; i++) {
        difference += ((double)found[i] - expected[i]) * ((double)found[i] - expected[i]);
        norm += (double)expected[i] * expected[i];
    }
    return norm > 0 ? sqrt(difference / norm) : (difference > 0 ? INFINITY : 0);
}

double golden_number(const DocNode *node, const char *key, double otherwise)
{
    double value = otherwise;
    const DocNode *child = doc_find(node, key);
    return child && !doc_get_double(child, &value, NULL) ? value : otherwise;
}

const char *golden_string(const DocNode *node, const char *key)
{
    const DocNode *child = doc_find(node, key);
    return child && child->kind == DOC_SCALAR ? child->text : "";
}

int golden_shape(const DocNode *node, const char *key, int64_t *shape, int most)
{
    int rank = 0;
    const DocNode *list = key ? doc_find(node, key) : node;
    for (const DocNode *d = list ? list->first : NULL; d && rank < most; d = d->next, rank++)
        if (doc_get_int(d, 0, INT32_MAX, &shape[rank], NULL)) return 0;
    return rank;
}

char *golden_path(const Golden *g, const char *file, Err *e) { return path_format(e, "%s/%s", g->folder, file); }

void golden_manifest(Golden *g, const char *file, const char *part,
                     void (*run)(Golden *, const DocNode *, const char *))
{
    Err e = {ERR_NONE, ""};
    Doc doc = {0};
    char *path = golden_path(g, file, &e);
    if (path && exists(path) && golden_wanted(g, part)) {
        const DocNode *cases = NULL;
        if (!doc_read(&doc, path, &e)) cases = doc_find(doc.root, "cases");
        if (!cases && golden_begin(g, "%s", part)) {
            golden_fail(g, "%s: %s", file, e.code ? e.text : "no cases in it");
            golden_end(g);
        }
        for (const DocNode *c = cases ? cases->first : NULL; c; c = c->next)
            run(g, c, golden_string(doc.root, "prefix"));
        doc_free(&doc);
    }
    mem_free(path);
}

void golden_to_nhwc(float *out, const float *in, int64_t n, int64_t c, int64_t h, int64_t w)
{
    for (int64_t b = 0; b < n; b++)
        for (int64_t k = 0; k < c; k++)
            for (int64_t p = 0; p < h * w; p++) out[(b * h * w + p) * c + k] = in[(b * c + k) * h * w + p];
}

void golden_to_nchw(float *out, const float *in, int64_t n, int64_t c, int64_t h, int64_t w)
{
    for (int64_t b = 0; b < n; b++)
        for (int64_t k = 0; k < c; k++)
            for (int64_t p = 0; p < h * w; p++) out[(b * c + k) * h * w + p] = in[(b * h * w + p) * c + k];
}
