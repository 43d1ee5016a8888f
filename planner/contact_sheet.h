/* Contact sheets: every training case as a small picture with its labels' contours, for a visual check of the dataset.
 * Shown of each case is the slice with the most foreground, at its true proportions in millimetres. */
#ifndef PLANNER_CONTACT_SHEET_H
#define PLANNER_CONTACT_SHEET_H

#include "base/progress.h"
#include "data/dataset.h"
#include "plans/made_from.h"

enum { CONTACT_TILE = 192, CONTACT_COLUMNS = 6, CONTACT_ROWS = 4 }; /* pixels; cases */

/* Draws one case into a tile of CONTACT_TILE x CONTACT_TILE RGB pixels whose rows are `stride` bytes apart; the tile must
 * be black before. Gray values are scaled from the 1st to the 99th percentile of the slice; colours are not changed.
 * Fails: ERR_NOMEM. */
int contact_tile(uint8_t *tile, int64_t stride, const CaseData *data, Err *e);

/* Writes FOLDER/sheet_001.png …, FOLDER/index.yaml with the position of each case, and FOLDER/made_from.yaml. Sheets
 * beyond the last one, from a run with more cases, are removed. Memory: one sheet and `threads` cases. Fails: ERR_IO,
 * ERR_NOMEM. */
int contact_sheets(const Dataset *d, const MadeFrom *made_from, const char *folder, int threads, Progress *progress,
                   Err *e);

/* *stale: there are sheets, and they were drawn from other files than made_from, or without a record. Fails: ERR_IO,
 * ERR_NOMEM. */
int contact_sheets_stale(bool *stale, const MadeFrom *made_from, const char *folder, Err *e);

#endif
