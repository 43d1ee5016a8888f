/* The files that plan_and_preprocess writes to PREPROCESSED besides the cases (docs/design.md, section 2). */
#ifndef PLANNER_OUTPUTS_H
#define PLANNER_OUTPUTS_H

#include "data/dataset.h"
#include "plans/fingerprint.h"
#include "plans/made_from.h"
#include "plans/name_list.h"

/* Fails with ERR_VALUE for the folder of another dataset (by the dataset_name in its plans.yaml). */
int output_refuse_other(const char *dataset, const char *folder, Err *e);

/* Fails with ERR_VALUE for the dataset's own folder, its imagesTr or labelsTr: outputs must not be mixed with raw files. */
int output_refuse_raw(const char *dataset, const char *folder, Err *e);

/* Copies the dataset's file to FOLDER/dataset.json, byte for byte. Fails: ERR_IO, ERR_NOMEM. */
int output_dataset_json(const Dataset *d, const char *folder, Err *e);

/* Writes FOLDER/dataset_fingerprint.yaml, fingerprint_made_from.yaml (the hashes of its inputs) and
 * fingerprint_warnings.yaml (the warnings about the cases, which a run that reuses the fingerprint prints again). Fails:
 * ERR_IO, ERR_NOMEM; as made_from_check. */
int output_fingerprint(const Fingerprint *f, const NameList *warnings, const MadeFrom *made_from, const char *folder,
                       Err *e);

/* Reads fingerprint and warnings if they exist and were made from the same inputs; otherwise *found is false and f needs
 * no free. warnings: empty on entry; freed by the caller. */
int output_fingerprint_reuse(Fingerprint *f, NameList *warnings, bool *found, const MadeFrom *made_from,
                             const char *folder, Err *e);

/* Copies the label files to FOLDER/gt_segmentations (nnU-Net's folder), so that a training can score its validation
 * cases at their original spacing without the raw dataset. Equal files are not written again; labels stored with other
 * axes than the image are reoriented to its grid. Fails: ERR_IO, ERR_NOMEM. */
int output_references(const Dataset *d, const char *folder, Err *e);

#endif
