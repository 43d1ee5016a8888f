/* Fuzz targets: each reads one input as a program reads a file of that format, and does with the result what
 * programs do.
 *
 * `make fuzz FUZZ=name` searches with libFuzzer (libfuzzer.c); tests/test_fuzz.c replays the corpora in `make
 * check`. An input is a file's content, so that any file can be tried and any finding opened. A new target is one
 * FuzzTarget and one line in FUZZ_TARGETS. docs/security.md says what each one reaches. */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* Changes `size` bytes, for which there is room for `most`; returns the new size. */
typedef size_t FuzzBytes(uint8_t *data, size_t size, size_t most);

typedef struct FuzzTarget {
    const char *name;
    /* true: the input was accepted. Aborts where a result contradicts another one. */
    bool (*run)(const uint8_t *data, size_t bytes);
    /* Writes valid inputs into a folder. */
    int (*seed)(const char *folder, Err *e);
    /* As FuzzBytes, by calling `change` for a part of the input, and correcting what depends on it: checksums,
     * lengths. Returns 0 where the input has no such parts. NULL: the format has none. choice: which part. */
    size_t (*mutate)(uint8_t *data, size_t size, size_t most, unsigned choice, FuzzBytes *change);
} FuzzTarget;

#ifdef FUZZ_DICOM /* built with DCMTK */
#define FUZZ_TARGETS_DICOM(TARGET) TARGET(dicom)
#else
#define FUZZ_TARGETS_DICOM(TARGET)
#endif

#define FUZZ_TARGETS(TARGET)   \
    TARGET(nifti)              \
    TARGET(nifti_pair)         \
    TARGET(metaimage)          \
    TARGET(nrrd)               \
    TARGET(png)                \
    TARGET(tiff)               \
    TARGET(jpeg)               \
    TARGET(bmp)                \
    TARGET(npy)                \
    TARGET(safetensors)        \
    TARGET(pth)                \
    TARGET(zip)                \
    FUZZ_TARGETS_DICOM(TARGET) \
    TARGET(yaml)               \
    TARGET(dataset_json)       \
    TARGET(plan)               \
    TARGET(splits)             \
    TARGET(records)

#define FUZZ_DECLARE(target) extern const FuzzTarget fuzz_target_##target;
FUZZ_TARGETS(FUZZ_DECLARE)
#undef FUZZ_DECLARE

/* All targets, NULL at the end. */
extern const FuzzTarget *const fuzz_targets[];
const FuzzTarget *fuzz_target(const char *name); /* NULL: there is none of that name */

/* ---- for targets ---- */

/* A file in memory with that content; its format is known by the ending of `name`. The path is valid until the next
 * call for that name, which is a literal. */
const char *fuzz_file(const char *name, const void *data, size_t bytes);

/* A folder in memory, where there is one, for readers of several files. Removed when the process ends.
 * fuzz_in_folder: a file of it, with that content; valid until the fourth call after it. */
const char *fuzz_folder(void);
const char *fuzz_in_folder(const char *name, const void *data, size_t bytes);

/* Returns whether code is 0; aborts if a failure has no message, or another code than it returned. */
bool fuzz_done(int code, const Err *e);

/* Aborts, with the condition and the place. */
#define FUZZ_EXPECT(condition) fuzz_expect(condition, #condition, __FILE__, __LINE__)
void fuzz_expect(bool condition, const char *what, const char *file, int line);

/* Reads all bytes, so that a sanitizer sees what is not accessible. */
void fuzz_touch(const void *data, size_t bytes);

/* The path of a seed, "FOLDER/NAME"; valid until the fourth call after it. */
const char *fuzz_seed_path(const char *folder, const char *name);
int fuzz_seed_text(const char *folder, const char *name, const char *text, Err *e);

#endif
