#include "base/simd_level.h"

#include <stdbool.h>

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
           __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}

SimdLevel simd_level(void)
{
    if (has_v4()) return __builtin_cpu_supports("avx512bf16") ? SIMD_AVX512_BF16 : SIMD_AVX512;
    return has_v3() ? SIMD_AVX2 : SIMD_PORTABLE;
}
#else
SimdLevel simd_level(void) { return SIMD_PORTABLE; }
#endif
