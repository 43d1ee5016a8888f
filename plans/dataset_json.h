/* DatasetInfo: what a raw dataset's dataset.json says (nnU-Net v2's format).
 *
 * dataset_info_read fills it; its strings and lists belong to it until dataset_info_free. One built by
 * hand (of literals and the caller's arrays) can be written, and needs no free. */
#ifndef PLANS_DATASET_JSON_H
#define PLANS_DATASET_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/text.h"

/* An entry of `labels`: a value, or a region, the union of several values. */
typedef struct DatasetLabel {
    const char *name;
    const int *values;
    int value_count;      /* 1 for a plain label */
    bool is_list;         /* written as a list, also where it has one value: nnU-Net's key of it is (3,), not 3 */
} DatasetLabel;

/* An entry of `dataset`: a case whose files are named one by one, relative to the dataset's folder. */
typedef struct DatasetFiles {
    const char *id;
    const char *const *images;   /* one per channel, or one file that holds all channels */
    int image_count;
    const char *label;           /* NULL where the case has none */
} DatasetFiles;

/* An entry of `training` or `test`, the lists of the Medical Segmentation Decathlon. Nobody uses them. */
typedef struct DatasetListed {
    const char *image, *label;   /* one of them may be NULL */
} DatasetListed;

typedef struct DatasetInfo {
    const char *name, *description;        /* NULL where absent */
    const char *file_ending;               /* ".nii.gz" */
    const char *reader;                    /* overwrite_image_reader_writer; NULL: by file_ending */
    int64_t num_training;                  /* numTraining: used by the planner as it stands */
    int channel_count;
    const char *const *channel_names;      /* in the order of their index */
    int label_count;
    const DatasetLabel *labels;            /* in the file's order; background included, ignore not */
    int max_value;                         /* largest value of labels */
    int ignore_value;                      /* of the label `ignore`; -1 where there is none */
    bool has_regions;                      /* some label has several values */
    const int *regions_class_order;        /* value written for each foreground region, in order */
    int regions_class_count;
    const DatasetFiles *files;             /* NULL where the folders imagesTr, labelsTr decide */
    int file_count;
    const DatasetListed *training, *test;
    int training_count, test_count;
    struct Doc *doc;                       /* owned: all of the above lies in it; NULL if built by hand */
} DatasetInfo;

/* Reads and checks: channels numbered from 0 without a gap, background 0 there, label values
 * consecutive, `ignore` the highest, every region with its entry in regions_class_order …
 * Fails: ERR_IO; ERR_FORMAT or ERR_VALUE with "file:line:column: what". */
int dataset_info_read(DatasetInfo *info, const char *path, Err *e);
int dataset_info_write(const DatasetInfo *info, const char *path, Err *e);
void dataset_info_free(DatasetInfo *info);

/* Adds a line for each thing in the file that its author may think is used and is not: regions_class_order without
 * regions, "Ignore", modality beside channel_names. */
void dataset_info_remarks(Text *remarks, const DatasetInfo *info);

/* Entries of `labels`, ignore and regions included: what nnU-Net's planner counts as classes. */
int dataset_label_entries(const DatasetInfo *info);

/* Channels of the network's output: labels with background, or regions without it. */
int dataset_head_count(const DatasetInfo *info);

/* Whether a voxel of a label image may have this value (the ignore value included). */
bool dataset_knows_value(const DatasetInfo *info, int64_t value);

/* The index in `labels` of the k-th entry that is not background (k from 0), or -1. */
int dataset_foreground(const DatasetInfo *info, int k);

#endif
