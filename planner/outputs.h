/* What plan_and_preprocess leaves in PREPROCESSED beside the cases (docs/design.md, section 2). */
#ifndef PLANNER_OUTPUTS_H
#define PLANNER_OUTPUTS_H

#include "data/dataset.h"
#include "plans/fingerprint.h"
#include "plans/made_from.h"
#include "plans/name_list.h"

/* A folder of another dataset's (by the dataset_name of its plans.yaml) is refused: ERR_VALUE. */
int output_refuse_other(const char *dataset, const char *folder, Err *e);

/* A folder of raw files is none to write into: the dataset's own, its imagesTr and labelsTr are refused: ERR_VALUE. */
int output_refuse_raw(const char *dataset, const char *folder, Err *e);

/* FOLDER/dataset.json: the dataset's own file, byte for byte. Fails: ERR_IO, ERR_NOMEM. */
int output_dataset_json(const Dataset *d, const char *folder, Err *e);

/* FOLDER/dataset_fingerprint.yaml, and beside it what it was made from (fingerprint_made_from.yaml) and what was said of the
 * cases then (fingerprint_warnings.yaml): a run that takes it as it stands says it again. Fails: ERR_IO, ERR_NOMEM; as
 * made_from_check. */
int output_fingerprint(const Fingerprint *f, const NameList *warnings, const MadeFrom *made_from, const char *folder, Err *e);

/* Reads both back if they stand there and were made from the very same; else *found is false and nothing of f is owned.
 * warnings: empty; the caller frees them. */
int output_fingerprint_reuse(Fingerprint *f, NameList *warnings, bool *found, const MadeFrom *made_from, const char *folder,
                             Err *e);

/* FOLDER/gt_segmentations: the label files byte for byte (what is equal already is not written again; turned onto
 * the image's grid where they are stored with other axes), so that a training can score its validation
 * cases as they are without the raw dataset (nnU-Net's folder). Fails: ERR_IO, ERR_NOMEM. */
int output_references(const Dataset *d, const char *folder, Err *e);

#endif
