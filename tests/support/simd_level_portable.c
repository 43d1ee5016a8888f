#define SIMD_LEVEL portable
#include "tests/support/simd_level_body.h"
