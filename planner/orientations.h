/* Orientations: where the axes of a dataset's images run to, as its fingerprint says. */
#ifndef PLANNER_ORIENTATIONS_H
#define PLANNER_ORIENTATIONS_H

#include "base/text.h"
#include "data/dataset.h"
#include "plans/fingerprint.h"
#include "plans/plan.h"
#include "plans/readers.h"

/* The plan's orientations: every code once, the most frequent first, "RAS, LPS"; "" where the fingerprint does not
 * say it. */
void orientations_of_plan(char text[PLAN_ORIENTATIONS_BYTES], const Fingerprint *f);

/* Where the network sees several by that reader: each code with its number of cases and the first names, and what
 * helps; else nothing. */
void orientations_add_mixed(Text *text, const Fingerprint *f, const Dataset *d, ReaderAxes reader);

#endif
