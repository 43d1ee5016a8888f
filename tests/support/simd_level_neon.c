#define SIMD_LEVEL neon
#include "tests/support/simd_level.h"
#if defined(__aarch64__)
#define SIMD_USES_NEON
#include "tests/support/simd_level_body.h"
#endif
