/* What vector instructions the programs use: those of the CPU, or fewer.
 *
 * The environment variable SWIN_UMAMBA_SIMD limits them: portable, avx2, avx512 or avx512_bf16. So the code for older
 * CPUs can be measured and tested on a newer one. oneDNN is limited alike (network/ops/onednn.c). */
#ifndef BASE_SIMD_LEVEL_H
#define BASE_SIMD_LEVEL_H

#include <stdbool.h>

#include "base/error.h"

#define SIMD_LEVEL_VARIABLE "SWIN_UMAMBA_SIMD"

/* Each level includes those before it. SIMD_AVX512_BF16 also converts to bfloat16 and multiplies it. */
typedef enum SimdLevel { SIMD_PORTABLE, SIMD_AVX2, SIMD_AVX512, SIMD_AVX512_BF16, SIMD_LEVELS } SimdLevel;

SimdLevel simd_level(void); /* the highest level of this CPU within the limit */
const char *simd_level_name(SimdLevel level);

/* Whether a limit is set, and which; an unknown name limits nothing. */
bool simd_level_limit(SimdLevel *limit);

/* Fails: ERR_VALUE where the variable has an unknown name. */
int simd_level_check(Err *e);

#endif
