#define SIMD_LEVEL avx512
#include "tests/support/simd_level.h"
#if defined(__x86_64__)
#pragma GCC target("arch=x86-64-v4")
#include "tests/support/simd_level_body.h"
#endif
