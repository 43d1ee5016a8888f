/* Contact sheets: every training case as a small picture with its labels' contours, so that a person sees
 * what no check can tell. Of each case, the slice with the most foreground; pixels are square in
 * millimetres. */
#ifndef PLANNER_CONTACT_SHEET_H
#define PLANNER_CONTACT_SHEET_H

#include "base/progress.h"
#include "data/dataset.h"
#include "plans/made_from.h"

enum { CONTACT_TILE = 192, CONTACT_COLUMNS = 6, CONTACT_ROWS = 4 }; /* pixels; cases */

/* Draws one case into a tile of CONTACT_TILE x CONTACT_TILE RGB pixels whose rows are `stride` bytes apart;
 * the tile is black before. Gray from the 1st to the 99th percentile of the slice; pictures in colour as
 * they are. Fails: ERR_NOMEM. */
int contact_tile(uint8_t *tile, int64_t stride, const CaseData *data, Err *e);

/* Writes FOLDER/sheet_001.png …, FOLDER/index.yaml, which says where each case is, and FOLDER/made_from.yaml. Sheets of an
 * earlier dataset with more cases are removed. Memory: one sheet and `threads` cases. Fails: ERR_IO, ERR_NOMEM. */
int contact_sheets(const Dataset *d, const MadeFrom *made_from, const char *folder, int threads, Progress *progress, Err *e);

/* Whether sheets stand there that were drawn of something else, or nobody knows of what. Fails: ERR_IO, ERR_NOMEM. */
int contact_sheets_stale(bool *stale, const MadeFrom *made_from, const char *folder, Err *e);

#endif
