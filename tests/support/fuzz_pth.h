/* The fuzz target of the PyTorch reader: one input is read completely, and every value is accessed.
 *
 * test_pth.c replays the corpus through it. To search with libFuzzer, from the project's folder:
 *   clang -std=c11 -D_GNU_SOURCE -I. -g -fsanitize=fuzzer,address,undefined \
 *       -Dfuzz_pth=LLVMFuzzerTestOneInput tests/support/fuzz_pth.c network/p[it]*.c weights/zip.c \
 *       weights/weights.c base/[aefmt]*.c -lz -lm -lpthread && ./a.out tests/golden/pth */
#ifndef TESTS_SUPPORT_FUZZ_PTH_H
#define TESTS_SUPPORT_FUZZ_PTH_H

#include <stddef.h>
#include <stdint.h>

/* Always 0. Aborts if an error has no message, or one of several lines. */
int fuzz_pth(const uint8_t *data, size_t bytes);

#endif
