/* InputFiles: the image files of a prediction before they are put together to cases (part of inference/inputs.c). */
#ifndef INFERENCE_INPUT_FILES_H
#define INFERENCE_INPUT_FILES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/text.h"
#include "data/faults.h"
#include "plans/dataset_json.h"

enum { INPUT_WHOLE = -1 };     /* a file that holds all channels of its case */

typedef struct InputFile {
    char *path;                /* owned */
    const char *name;          /* within path */
    int name_length;           /* of the name without its ending */
    int stem_length;           /* of it without _0001 as well */
    int number;                /* 1, or INPUT_WHOLE where the name has none */
    int channel;               /* decided by input_files_classify: INPUT_WHOLE, or number */
    int folder;                /* the index of the folder that it was found in; -1: it was given itself */
    uint64_t device, inode;    /* 0, 0: not there */
} InputFile;

typedef struct InputFiles {
    InputFile *files;
    int count;
} InputFiles;

/* Names for a message: `InputNames n = {0}`; text_free(&n.text). */
typedef struct InputNames {
    Text text;
    int count;
} InputNames;

void input_names_add(InputNames *n, const char *name);
const char *input_names_end(InputNames *n);    /* "a, b, c", of many "a, b, c, d, e and 12 more"; once, at the end */

/* Adds the image files of a path, and of a single file the other channels beside it. index: of the path. Fails: as
 * inputs_list. */
int input_files_add(InputFiles *f, const char *path, int index, const DatasetInfo *info, FaultList *warnings, Err *e);

/* Decides of each file whether its number is a channel. Sorts them by stem and number. */
void input_files_classify(InputFiles *f, int channels);
void input_files_free(InputFiles *f);

/* Whether two are the same file on disk. */
bool input_files_same(const InputFile *a, const InputFile *b);

/* Length of what names the case in file->name. */
int input_file_id_length(const InputFile *file);

#endif
