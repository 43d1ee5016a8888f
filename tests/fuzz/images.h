/* Images: what the targets of all image formats share. */
#ifndef TESTS_FUZZ_IMAGES_H
#define TESTS_FUZZ_IMAGES_H

#include "base/array.h"
#include "tests/fuzz/fuzz.h"

/* Reads an image for both uses, with its header alone before, and does with it what the programs do: labels, axes,
 * writing, preprocessing. bytes: the file's size, by which a header may claim no more than compression can reach. */
bool fuzz_image(const char *path, size_t bytes);

/* As FuzzTarget.run, by a file of that name in memory. */
bool fuzz_image_named(const char *name, const uint8_t *data, size_t bytes);

/* Writes an image of small numbers. shape: its first number is 0 for an image without an axis of channels. placed: a
 * volume with an orientation. fuzz_seed_image: to FOLDER/NAME; the name is a literal. */
int fuzz_write_image(const char *path, DType dtype, const int shape_czyx[4], bool placed, Err *e);
int fuzz_seed_image(const char *folder, const char *name, DType dtype, const int shape_czyx[4], bool placed, Err *e);

#endif
