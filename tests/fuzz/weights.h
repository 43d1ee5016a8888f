/* Weights: what the targets of safetensors and PyTorch's files share. */
#ifndef TESTS_FUZZ_WEIGHTS_H
#define TESTS_FUZZ_WEIGHTS_H

#include "tests/fuzz/fuzz.h"
#include "weights/weights.h"

/* Imports the weights of a file into a network, as --pretrained and as predict, and writes them in both formats:
 * they are read back as they are. */
void fuzz_weights(const WeightsFile *w);

/* Fills w with the small parameters of that network; the caller closes it. */
int fuzz_weights_of_network(WeightsFile *w, Err *e);

#endif
