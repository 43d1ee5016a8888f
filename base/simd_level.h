/* What vector instructions a CPU has. */
#ifndef BASE_SIMD_LEVEL_H
#define BASE_SIMD_LEVEL_H

/* Each level includes those before it. SIMD_AVX512_BF16 also converts to bfloat16 and multiplies it. */
typedef enum SimdLevel { SIMD_PORTABLE, SIMD_AVX2, SIMD_AVX512, SIMD_AVX512_BF16 } SimdLevel;

SimdLevel simd_level(void); /* the highest level of this CPU */

#endif
