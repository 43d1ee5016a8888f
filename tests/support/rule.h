/* The weights rule of the Swin-UMamba goldens (their RULE.md): fills any
 * parameter, input, label map or set of sample indices only from (prefix, name, shape), so that
 * full-width networks need no weight files. Pure functions; outputs are the caller's. */
#ifndef TESTS_SUPPORT_RULE_H
#define TESTS_SUPPORT_RULE_H

#include <stdint.h>

#define RULE_SHARED_PREFIX "swu1:"

enum { RULE_SAMPLES = 64 }; /* sample indices per parameter */

/* FNV-1a 64 of the two strings' bytes one after the other. */
uint64_t rule_key(const char *prefix, const char *name);
uint64_t rule_fnv1a64(const void *data, int64_t bytes);
uint64_t rule_splitmix64(uint64_t v);

/* u_i in [-1,1), exact in float32. */
double rule_unit(uint64_t key, int64_t i);

/* The parameter's values, row-major; shape has `rank` extents. */
void rule_param(float *out, const char *prefix, const char *name, int rank, const int64_t *shape);

/* Inputs (scale sqrt(3)) and cotangents (scale 1, or as a manifest says): float32(u * scale). */
void rule_tensor(float *out, const char *prefix, const char *name, int64_t count, double scale);

void rule_labels(uint8_t *out, const char *prefix, const char *name, int64_t count, int classes);

/* min(n, k) flat indices into an array of n entries; returns how many. */
int64_t rule_samples(int64_t *out, const char *prefix, const char *name, int64_t n, int64_t k);

#endif
