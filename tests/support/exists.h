/* Whether a file exists, for tests; false if that cannot be determined. */
#ifndef TESTS_SUPPORT_EXISTS_H
#define TESTS_SUPPORT_EXISTS_H

#include <stdbool.h>
#include <unistd.h>

static inline bool exists(const char *path) { return access(path, F_OK) == 0; }

#endif
