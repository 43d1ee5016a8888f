/* The sequences of the robotic instrument segmentation challenge of 2017, wherever its archives were unpacked. */
#ifndef CONVERT_ENDOVIS17_FOLDERS_H
#define CONVERT_ENDOVIS17_FOLDERS_H

#include "convert/conversion.h"

enum { ENDOVIS17_TRAINING = 8, ENDOVIS17_SEQUENCES = 10 };

/* The label of the instrument in a folder's name, as Left_Prograsp_Forceps_labels; 0: none is. */
int endovis17_value(const char *folder);

/* Adds an item for each frame, instrument_dataset_N_frameNNN, of group N. Adds to faults: a sequence that is there
 * twice, folders of masks that name no instrument, frames without labels, sequences that are missing (a warning).
 * Fails: ERR_VALUE where there is no sequence with masks; ERR_IO, ERR_NOMEM. */
int endovis17_find(Conversion *c, Err *e);

/* Whether all training sequences were found. */
bool endovis17_is_complete(const Conversion *c);

#endif
