/* DatasetInfo: the content of a raw dataset's dataset.json (nnU-Net v2's format).
 *
 * dataset_info_read fills it; it owns its strings and lists until dataset_info_free. One that is built from
 * literals and the caller's arrays can be written, and is not freed. */
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
    int value_count; /* 1 for a plain label */
    bool is_list;    /* written as a list, also where it has one value: nnU-Net's key of it is (3,), not 3 */
} DatasetLabel;

/* An entry of `dataset`: a case with the paths of its files, relative to the dataset's folder. */
typedef struct DatasetFiles {
    const char *id;
    const char *const *images; /* one per channel, or one file that holds all channels */
    int image_count;
    const char *label; /* NULL: the case has no label */
} DatasetFiles;

/* An entry of `training` or `test`, the lists of the Medical Segmentation Decathlon; only compared with the files
 * that exist. */
typedef struct DatasetListed {
    const char *image, *label; /* one of them may be NULL */
} DatasetListed;

typedef struct DatasetInfo {
    const char *name, *description;   /* NULL where absent */
    const char *file_ending;          /* ".nii.gz" */
    const char *reader;               /* overwrite_image_reader_writer; NULL: by file_ending */
    int64_t num_training;             /* numTraining; the planner uses it without a check */
    int channel_count;                /* at most PLAN_MAX_CHANNELS */
    const char *const *channel_names; /* in the order of their index */
    int label_count;
    const DatasetLabel *labels;     /* in the file's order; background included, ignore not */
    int max_value;                  /* largest value of labels */
    int ignore_value;               /* of the label `ignore`; -1 where there is none */
    bool has_regions;               /* some label has several values */
    const int *regions_class_order; /* value written for each foreground region, in order */
    int regions_class_count;
    const DatasetFiles *files; /* NULL: the cases are those of imagesTr and labelsTr */
    int file_count;
    const DatasetListed *training, *test;
    int training_count, test_count;
    struct Doc *doc; /* owned: the memory of all of the above; NULL if built by the caller */
} DatasetInfo;

/* Reads and checks: channels numbered from 0 without a gap, background 0, label values consecutive, `ignore` the
 * highest, every region with its entry in regions_class_order … Fails: ERR_IO; ERR_FORMAT or ERR_VALUE with
 * "file:line:column: what". */
int dataset_info_read(DatasetInfo *info, const char *path, Err *e);
int dataset_info_write(const DatasetInfo *info, const char *path, Err *e);
void dataset_info_free(DatasetInfo *info);

/* Adds a warning, one line each, for settings in the file that have no effect: regions_class_order without regions,
 * a label "Ignore", modality beside channel_names. */
void dataset_info_remarks(Text *remarks, const DatasetInfo *info);

/* Entries of `labels`, ignore and regions included: what nnU-Net's planner counts as classes. */
int dataset_label_entries(const DatasetInfo *info);

/* Channels of the network's output: labels with background, or regions without it. */
int dataset_head_count(const DatasetInfo *info);

/* Whether a voxel of a label image may have this value (the ignore value included). */
bool dataset_knows_value(const DatasetInfo *info, int64_t value);

/* The largest value of a voxel, the ignore value included. */
int dataset_last_value(const DatasetInfo *info);

/* The name of the voxels of a value above 0: of its label or "ignore"; with regions of the one that is written with this
 * value, else of the smallest one that contains it. NULL: it has none, or an empty one. Borrowed from info. */
const char *dataset_value_name(const DatasetInfo *info, int value);

/* The index in `labels` of the k-th entry that is not background (k from 0), or -1. */
int dataset_foreground(const DatasetInfo *info, int k);

#endif
