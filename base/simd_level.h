/* What vector instructions the programs use: those of the CPU, or fewer.
 *
 * The environment variable SWIN_UMAMBA_SIMD limits them, to one of SIMD_LEVEL_NAMES. So the code for older CPUs can be
 * measured and tested on a newer one. On x86-64 oneDNN is limited alike (network/ops/onednn_primitive.c). */
#ifndef BASE_SIMD_LEVEL_H
#define BASE_SIMD_LEVEL_H

#include <stdbool.h>

#include "base/error.h"

#define SIMD_LEVEL_VARIABLE "SWIN_UMAMBA_SIMD"

/* Each level of an architecture includes those before it. SIMD_AVX512_BF16 also converts to bfloat16 and multiplies
 * it. */
typedef enum SimdLevel {
    SIMD_PORTABLE,
#if defined(__aarch64__)
    SIMD_NEON, /* every such CPU has it */
#endif
    SIMD_AVX2, /* this one and the next are of x86-64 */
    SIMD_AVX512,
    SIMD_AVX512_BF16,
    SIMD_LEVELS
} SimdLevel;

/* The levels of this architecture, for messages. */
#if defined(__x86_64__)
#define SIMD_LEVEL_NAMES "portable, avx2, avx512 or avx512_bf16"
#elif defined(__aarch64__)
#define SIMD_LEVEL_NAMES "portable or neon"
#else
#define SIMD_LEVEL_NAMES "portable"
#endif

SimdLevel simd_level(void); /* the highest level of this CPU within the limit */
const char *simd_level_name(SimdLevel level);

/* Whether a limit is set, and which; an unknown name limits nothing. */
bool simd_level_limit(SimdLevel *limit);

/* Fails: ERR_VALUE where the variable has an unknown name. */
int simd_level_check(Err *e);

#endif
