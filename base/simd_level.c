#include "base/simd_level.h"

#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)
/* The levels of x86-64 by their features: Clang before 16 does not know "x86-64-v3". Every CPU with these features
 * has the level's others (f16c, lzcnt, movbe) too. */
static bool has_v3(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi") &&
           __builtin_cpu_supports("bmi2");
}

static bool has_v4(void)
{
    return has_v3() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl");
}

static SimdLevel cpu_level(void)
{
    if (has_v4()) return __builtin_cpu_supports("avx512bf16") ? SIMD_AVX512_BF16 : SIMD_AVX512;
    return has_v3() ? SIMD_AVX2 : SIMD_PORTABLE;
}

static const char *const names[] = {
    [SIMD_PORTABLE] = "portable", [SIMD_AVX2] = "avx2", [SIMD_AVX512] = "avx512", [SIMD_AVX512_BF16] = "avx512_bf16"};
#elif defined(__aarch64__)
static SimdLevel cpu_level(void) { return SIMD_NEON; }

static const char *const names[] = {[SIMD_PORTABLE] = "portable", [SIMD_NEON] = "neon"};
#else
static SimdLevel cpu_level(void) { return SIMD_PORTABLE; }

static const char *const names[] = {[SIMD_PORTABLE] = "portable"};
#endif

const char *simd_level_name(SimdLevel level) { return names[level]; }

/* The wanted name; NULL where none is set. */
static const char *wanted(void)
{
    const char *name = getenv(SIMD_LEVEL_VARIABLE);
    return name && *name ? name : NULL;
}

bool simd_level_limit(SimdLevel *limit)
{
    const char *name = wanted();
    for (int i = 0; name && i < (int)(sizeof names / sizeof *names); i++) {
        if (strcmp(name, names[i])) continue;
        *limit = (SimdLevel)i;
        return true;
    }
    return false;
}

int simd_level_check(Err *e)
{
    SimdLevel limit;
    if (!wanted() || simd_level_limit(&limit)) return 0;
    return err_set(e, ERR_VALUE, SIMD_LEVEL_VARIABLE "=%s: expected " SIMD_LEVEL_NAMES, wanted());
}

SimdLevel simd_level(void)
{
    SimdLevel limit;
    const SimdLevel cpu = cpu_level();
    return simd_level_limit(&limit) && limit < cpu ? limit : cpu;
}
