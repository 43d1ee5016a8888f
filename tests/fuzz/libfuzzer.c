/* The program of `make fuzz`: libFuzzer with the target that FUZZ names. The seeds are written into the first folder
 * of its command line, before libFuzzer reads it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerInitialize(int *count, char ***arguments);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t most);

static const FuzzTarget *target;

static void unknown(const char *name)
{
    fprintf(stderr, "FUZZ=%s: expected one of", name);
    for (int i = 0; fuzz_targets[i]; i++) fprintf(stderr, " %s", fuzz_targets[i]->name);
    fprintf(stderr, "\n");
    exit(2);
}

int LLVMFuzzerInitialize(int *count, char ***arguments)
{
    const char *name = getenv("FUZZ");
    Err e = {0};
    target = fuzz_target(name ? name : "");
    if (!target) unknown(name ? name : "");
    for (int i = 1; i < *count; i++) {
        const char *corpus = (*arguments)[i];
        if (*corpus == '-' || !file_is_folder(corpus)) continue;
        if (!target->seed(corpus, &e)) return 0;
        fprintf(stderr, "%s\n", e.text);
        exit(1);
    }
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    target->run(data, bytes);
    return 0;
}

/* One in eight changes is that of plain bytes. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed)
{
    const size_t changed =
        target->mutate && seed % 8 ? target->mutate(data, size, most, seed / 8, LLVMFuzzerMutate) : 0;
    return changed ? changed : LLVMFuzzerMutate(data, size, most);
}
