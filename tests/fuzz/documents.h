/* Documents: what the targets of YAML and JSON files share. */
#ifndef TESTS_FUZZ_DOCUMENTS_H
#define TESTS_FUZZ_DOCUMENTS_H

#include "tests/fuzz/fuzz.h"

/* A file in the folder of fuzz_folder, NAME.json if the content begins as JSON does, else NAME.yaml. */
const char *fuzz_document(const char *name, const uint8_t *data, size_t bytes);

#endif
