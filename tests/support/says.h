/* A check for tests: an error's text must contain a part. Include after cmocka.h. */
#ifndef TESTS_SUPPORT_SAYS_H
#define TESTS_SUPPORT_SAYS_H

#include <string.h>

#include "base/error.h"

static inline void assert_says(const Err *e, const char *part)
{
    if (!strstr(e->text, part)) fail_msg("expected \"%s\" in: %s", part, e->text);
}

#endif
