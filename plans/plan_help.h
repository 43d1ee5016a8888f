/* What the programs' --help tells of plans and networks: the defaults of the schema itself. */
#ifndef PLANS_PLAN_HELP_H
#define PLANS_PLAN_HELP_H

#include "base/text.h"

/* Program.expand (base/program.h): for "training.epochs" the default of that key of a plan, for "NETWORK" the networks'
 * names, for "networks" a table of them. */
bool plan_help(Text *t, const char *word);

#endif
