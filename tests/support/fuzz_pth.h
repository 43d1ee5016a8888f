/* A PyTorch file in memory: one input is read completely, and every value is accessed. test_weights.c damages files
 * in every way for it; the fuzz target pth (tests/fuzz) begins with it. */
#ifndef TESTS_SUPPORT_FUZZ_PTH_H
#define TESTS_SUPPORT_FUZZ_PTH_H

#include <stddef.h>
#include <stdint.h>

/* Always 0. Aborts if an error has no message, or one of several lines. */
int fuzz_pth(const uint8_t *data, size_t bytes);

#endif
