#include "tests/support/rule.h"

#include <math.h>
#include <string.h>

static const uint64_t FNV_START = 0xcbf29ce484222325u;

static uint64_t fnv1a64_on(uint64_t h, const void *data, size_t bytes)
{
    const unsigned char *at = data;
    for (size_t i = 0; i < bytes; i++) h = (h ^ at[i]) * 0x100000001b3u;
    return h;
}

uint64_t rule_fnv1a64(const void *data, int64_t bytes) { return fnv1a64_on(FNV_START, data, (size_t)bytes); }

uint64_t rule_key(const char *prefix, const char *name)
{
    return fnv1a64_on(fnv1a64_on(FNV_START, prefix, strlen(prefix)), name, strlen(name));
}

uint64_t rule_splitmix64(uint64_t v)
{
    uint64_t z = v + 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

double rule_unit(uint64_t key, int64_t i)
{
    const int64_t m = (int64_t)(rule_splitmix64(key + (uint64_t)i) >> 40);
    return (double)(m - (1 << 23)) / (1 << 23);
}

static double dt_bias(double u)
{
    const double low = log(1e-3), high = log(1e-1);
    const double dt = exp(low + (high - low) * (u * 0.5 + 0.5));
    return dt + log(-expm1(-dt));
}

/* All kinds but A_logs and dt_projs_bias are offset + scale * u. */
static void affine(const char *leaf, int rank, const int64_t *shape, double *offset, double *scale)
{
    *offset = 0.0;
    *scale = 0.1;
    if (!strcmp(leaf, "Ds") || !strcmp(leaf, "D")) {
        *offset = 1.0;
    } else if (!strcmp(leaf, "dt_projs_weight")) {
        *scale = 1.0 / sqrt((double)shape[rank - 1]);
    } else if (!strcmp(leaf, "x_proj_weight")) {
        *scale = sqrt(3.0 / (double)shape[rank - 1]);
    } else if (rank >= 2) {
        int64_t fan = 1;
        for (int i = 1; i < rank; i++) fan *= shape[i];
        *scale = sqrt(3.0 / (double)fan);
    } else if (!strcmp(leaf, "weight")) {
        *offset = 1.0;
    }
}

void rule_param(float *out, const char *prefix, const char *name, int rank, const int64_t *shape)
{
    const char *dot = strrchr(name, '.'), *leaf = dot ? dot + 1 : name;
    const uint64_t key = rule_key(prefix, name);
    int64_t count = 1;
    for (int i = 0; i < rank; i++) count *= shape[i];
    if (!strcmp(leaf, "A_logs") || !strcmp(leaf, "A_log")) {
        const int64_t columns = shape[rank - 1];
        for (int64_t i = 0; i < count; i++)
            out[i] = (float)(log((double)(i % columns) + 1.0) + 0.1 * rule_unit(key, i));
    } else if (!strcmp(leaf, "dt_projs_bias")) {
        for (int64_t i = 0; i < count; i++) out[i] = (float)dt_bias(rule_unit(key, i));
    } else {
        double offset, scale;
        affine(leaf, rank, shape, &offset, &scale);
        for (int64_t i = 0; i < count; i++) out[i] = (float)(offset + scale * rule_unit(key, i));
    }
}

void rule_tensor(float *out, const char *prefix, const char *name, int64_t count, double scale)
{
    const uint64_t key = rule_key(prefix, name);
    for (int64_t i = 0; i < count; i++) out[i] = (float)(rule_unit(key, i) * scale);
}

void rule_labels(uint8_t *out, const char *prefix, const char *name, int64_t count, int classes)
{
    const uint64_t key = rule_key(prefix, name);
    for (int64_t i = 0; i < count; i++)
        out[i] = (uint8_t)((rule_splitmix64(key + (uint64_t)i) >> 40) % (uint64_t)classes);
}

int64_t rule_samples(int64_t *out, const char *prefix, const char *name, int64_t n, int64_t k)
{
    if (n <= k) {
        for (int64_t i = 0; i < n; i++) out[i] = i;
        return n;
    }
    uint64_t key = fnv1a64_on(FNV_START, prefix, strlen(prefix));
    key = fnv1a64_on(key, "sample:", 7);
    key = fnv1a64_on(key, name, strlen(name));
    for (int64_t j = 0; j < k; j++) out[j] = (int64_t)(rule_splitmix64(key + (uint64_t)j) % (uint64_t)n);
    return k;
}
