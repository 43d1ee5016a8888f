#define SIMD_LEVEL avx2
#include "tests/support/simd_level.h"
#if defined(__x86_64__)
#pragma GCC target("arch=x86-64-v3")
#include "tests/support/simd_level_body.h"
#endif
