/* Contact sheets: every training case as a small picture with its labels' contours, for a visual check of the dataset.
 * Shown of each case is the slice that shows most of its labels (pictures/section.h), at its true proportions in
 * millimetres, with the case's name below. At the bottom are the labels' names. */
#ifndef PLANNER_CONTACT_SHEET_H
#define PLANNER_CONTACT_SHEET_H

#include "base/progress.h"
#include "data/dataset.h"
#include "pictures/canvas.h"
#include "plans/made_from.h"

enum { CONTACT_TILE = 192, CONTACT_COLUMNS = 6, CONTACT_ROWS = 4 }; /* pixels; cases */

/* Draws one case into a sheet, in CONTACT_TILE x CONTACT_TILE pixels from (x,y) on. Fails: ERR_NOMEM. */
int contact_tile(Canvas *sheet, int x, int y, const CaseData *data, Err *e);

/* Writes FOLDER/sheet_001.png …, FOLDER/index.yaml with the position of each case, and FOLDER/made_from.yaml. Sheets
 * beyond the last one, from a run with more cases, are removed. Memory: one sheet and `threads` cases. Fails: ERR_IO,
 * ERR_NOMEM; ERR_VALUE with the fault of a case, which was none when it was read before. */
int contact_sheets(const Dataset *d, const MadeFrom *made_from, const char *folder, int threads, Progress *progress,
                   Err *e);

/* *stale: there are sheets, and they were drawn from other files than made_from, or without a record. Fails: ERR_IO,
 * ERR_NOMEM. */
int contact_sheets_stale(bool *stale, const MadeFrom *made_from, const char *folder, Err *e);

#endif
