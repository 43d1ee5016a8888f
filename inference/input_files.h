/* InputFiles: the image files of a prediction, before they are grouped into cases (part of inference/inputs.c). */
#ifndef INFERENCE_INPUT_FILES_H
#define INFERENCE_INPUT_FILES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/file.h"
#include "base/text.h"
#include "data/faults.h"
#include "plans/dataset_json.h"

enum { INPUT_WHOLE = -1 }; /* a file that holds all channels of its case */

typedef struct InputFile {
    char *path;             /* owned */
    const char *name;       /* within path; of an open file (path_named) behind it, in the same block */
    int name_length;        /* of the name without its ending */
    int stem_length;        /* of the name without its ending and _0001 */
    int number;             /* 1 for _0001; INPUT_WHOLE if the name has no number */
    int channel;            /* set by input_files_classify: INPUT_WHOLE, or number */
    int folder;             /* index of the folder it was found in; -1: the file itself was given */
    uint64_t device, inode; /* 0, 0: does not exist */
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
const char *input_names_end(
    InputNames *n); /* "a, b, c", or "a, b, c, d, e and 12 more"; to be called once, at the end */

/* Adds the image files of a folder, or a single file and the other channels beside it. index: of the path. Fails: as
 * inputs_list. */
int input_files_add(InputFiles *f, const char *path, int index, const DatasetInfo *info, FaultList *warnings, Err *e);

/* Adds those of the names in a folder that have the ending of the model's images; there may be none. Fails: ERR_NOMEM. */
int input_files_add_names(InputFiles *f, const char *folder, const FileList *names, int index, const char *ending,
                          Err *e);

/* Whether a file is only a part of an image with this ending, such as the .raw of a .mhd. */
bool input_file_is_half(const char *name, const char *ending);

/* Decides for each file whether its number is a channel. Sorts the files by stem and number. */
void input_files_classify(InputFiles *f, int channels);
void input_files_free(InputFiles *f);

/* Whether two are the same file on disk. */
bool input_files_same(const InputFile *a, const InputFile *b);

/* Length of the case's id at the start of file->name. */
int input_file_id_length(const InputFile *file);

#endif
