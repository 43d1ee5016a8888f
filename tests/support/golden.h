/* The common part of the golden runner: the files of all families use it to select entries and to report them.
 *
 * An entry is one case; it holds many comparisons. golden_begin returns whether the entry is selected;
 * the golden_expect… calls compare, golden_fail reports other failures, golden_end prints the
 * worst comparison with its bound and counts the entry. */
#ifndef TESTS_SUPPORT_GOLDEN_H
#define TESTS_SUPPORT_GOLDEN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "formats/yaml.h"

#define GOLDEN_BF16_BOUND 2e-2 /* relative L2 error of a head in bfloat16 */

typedef struct Golden {
    const char *folder; /* of the family */
    char *const *only;  /* selected path prefixes; none: everything */
    int only_count;
    int passed, failed, skipped;
    char entry[256]; /* the current one */
    char worst_name[160], failure[1400];
    double worst_error, worst_bound, worst_ratio;
    int comparisons;
} Golden;

bool golden_wanted(const Golden *g, const char *path); /* whether an entry with or below this path is selected */
bool golden_begin(Golden *g, const char *format, ...) __attribute__((format(printf, 2, 3)));
void golden_end(Golden *g);
void golden_skip(Golden *g, const char *why); /* ends the entry as skipped */
void golden_fail(Golden *g, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* error must be at most bound (NaN fails). */
void golden_expect(Golden *g, const char *name, double error, double bound);
/* By the rule for forward values: max(8 × noise_max_abs, 4e-6 × max_abs_value), both from `record`. */
void golden_expect_values(Golden *g, const char *name, const float *found, const float *expected, int64_t count,
                          const DocNode *record);
double golden_relative_l2(const float *found, const float *expected, int64_t count);

/* A number in a manifest's mapping, or `otherwise` if the key is missing. */
double golden_number(const DocNode *node, const char *key, double otherwise);
const char *golden_string(const DocNode *node, const char *key);                  /* "" where missing */
int golden_shape(const DocNode *node, const char *key, int64_t *shape, int most); /* rank; 0 where missing */
char *golden_path(const Golden *g, const char *file, Err *e);                     /* owned by the caller */

/* Layout changes between the references' N,C,H,W and ours. */
void golden_to_nhwc(float *out, const float *in, int64_t n, int64_t c, int64_t h, int64_t w);
void golden_to_nchw(float *out, const float *in, int64_t n, int64_t c, int64_t h, int64_t w);

/* Runs every case of a manifest ("cases" of a JSON file with a "prefix"); a missing file has no cases. */
void golden_manifest(Golden *g, const char *file, const char *part,
                     void (*run)(Golden *g, const DocNode *entry, const char *prefix));

/* The parts of the Swin-UMamba family; each runs the selected entries. */
void golden_networks(Golden *g);     /* full, big */
void golden_gradients(Golden *g);    /* grad */
void golden_train(Golden *g);        /* train */
void golden_ops(Golden *g);          /* ops */
void golden_weight_files(Golden *g); /* files */

#endif
