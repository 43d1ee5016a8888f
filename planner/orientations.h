/* Orientations: the anatomical directions of the image axes ("RAS") of a dataset, from its fingerprint. */
#ifndef PLANNER_ORIENTATIONS_H
#define PLANNER_ORIENTATIONS_H

#include "base/text.h"
#include "data/dataset.h"
#include "plans/fingerprint.h"
#include "plans/plan.h"
#include "plans/readers.h"

/* The plan's `orientations`: every code once, the most frequent first, "RAS, LPS"; "" if the fingerprint has none. */
void orientations_of_plan(char text[PLAN_ORIENTATIONS_BYTES], const Fingerprint *f);

/* If the network gets several orientations from this reader: adds each code with its number of cases and the first ids,
 * and advice. Otherwise adds nothing. */
void orientations_add_mixed(Text *text, const Fingerprint *f, const Dataset *d, ReaderAxes reader);

#endif
