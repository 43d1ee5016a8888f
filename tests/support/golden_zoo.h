/* The parts of the zoo family: each runs the selected entries. */
#ifndef TESTS_SUPPORT_GOLDEN_ZOO_H
#define TESTS_SUPPORT_GOLDEN_ZOO_H

#include "tests/support/golden.h"

/* Whether the folder has a network's or the blocks' goldens. */
bool golden_is_zoo(const char *folder);

void golden_zoo(Golden *g);     /* all */
void golden_zoo_ops(Golden *g); /* ops */

#endif
