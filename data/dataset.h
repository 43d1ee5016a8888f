/* A raw dataset folder in nnU-Net v2's format: its cases, and checks of them.
 *
 *   FOLDER/dataset.json, imagesTr/CASE_0000.nii.gz …, labelsTr/CASE.nii.gz
 * or the explicit `dataset:` map of dataset.json. All faults go to a FaultList: names when the dataset is opened,
 * headers by dataset_check_headers, contents by dataset_load_case. The last two may be called from several threads.
 * A dataset with an error must not be trained on. */
#ifndef DATA_DATASET_H
#define DATA_DATASET_H

#include "data/faults.h"
#include "data/image_io.h"
#include "plans/dataset_json.h"

typedef struct Case {
    char *id;
    char **images; /* paths, in the order of the channels; one file may hold several */
    int image_count;
    char *label;  /* path; NULL: none */
    bool has_gap; /* a channel's file is missing; reported as a fault */
} Case;

/* Owns its cases, sorted by id: case_list_free. */
typedef struct CaseList {
    Case *cases;
    int count;
} CaseList;

typedef struct Dataset {
    char *folder;
    DatasetInfo info;
    CaseList training; /* the cases that have all files; the others are reported as faults */
} Dataset;

/* Checks that file_ending is that of a known format: else no file would be recognised, and none written. json: the
 * file's name, for the message. Fails: ERR_UNSUPPORTED, ERR_NOMEM. */
int dataset_check_ending(const DatasetInfo *info, const char *json, Err *e);

/* Reads dataset.json and finds the training cases. Adds to faults: images without a label and labels without an
 * image, gaps in the channel numbers, names of a wrong form (one fault for each form), other files (a warning), a
 * wrong numTraining, lists of dataset.json that name other files (a warning). Fails, with nothing owned, where the
 * cases cannot be listed: ERR_IO, ERR_FORMAT, ERR_VALUE, ERR_NOMEM. */
int dataset_open(Dataset *d, const char *folder, FaultList *faults, Err *e);
void dataset_close(Dataset *d);

void case_list_free(CaseList *list);

/* Reads the headers of a case's files only. Adds to faults: unreadable files, a wrong number of channels, shapes,
 * spacings or directions that differ between the files. Warnings: axes in another order or direction (the file is
 * reoriented to the first image's grid), another origin (grid_bring). */
void dataset_check_headers(const DatasetInfo *info, const Case *c, FaultList *faults);

typedef struct CaseData {
    Image image;  /* all channels */
    Array labels; /* int16 (Z,Y,X); empty if the case has no label file */
} CaseData;

/* Reads all of a case. Adds the faults of dataset_check_headers, and: label voxels that are no whole number or that
 * info does not name, image voxels that are not finite; a constant channel (a warning). 0: data is owned by the
 * caller (case_data_free); negative: an error was added, nothing is owned. */
int dataset_load_case(CaseData *data, const DatasetInfo *info, const Case *c, FaultList *faults);
void case_data_free(CaseData *data);

#endif
