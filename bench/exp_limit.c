#include "bench/exp_limit.h"

#include "network/ops/simd.h"

ExpLimit SIMD_NAME(exp_limit);

void SIMD_NAME(exp_limit)(float *values, int64_t count)
{
    for (int64_t i = 0; i < count; i += SIMD_LANES) v_store(values + i, v_exp(v_load(values + i) - 1.0f));
}

#ifdef SIMD_BASE
ExpLimit SIMD_ALL(exp_limit);

ExpLimit *exp_limit_of(SimdLevel level)
{
#if defined(__x86_64__)
    if (level >= SIMD_AVX512) return exp_limit_avx512;
    if (level == SIMD_AVX2) return exp_limit_avx2;
#elif defined(__aarch64__)
    if (level == SIMD_NEON) return exp_limit_neon;
#endif
    (void)level;
    return exp_limit_portable;
}
#endif
