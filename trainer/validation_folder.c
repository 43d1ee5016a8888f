#include "trainer/validation_folder.h"

#include <stdbool.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "data/image_io.h"
#include "evaluation/outputs.h"
#include "inference/prediction_record.h"
#include "inference/prediction_record_file.h"

static int remove_file(const char *folder, const char *name, Err *e)
{
    char *path = path_format(e, "%s/%s", folder, name);
    const int code = path ? file_remove(path, e) : ERR_NOMEM;
    mem_free(path);
    return code;
}

/* *known: predict.yaml with the list of predicted cases exists and is not damaged. */
static int read_record(RecordContent *record, bool *known, const char *folder, Err *e)
{
    Err damaged = {0};
    char *path = path_format(e, "%s/" PREDICTION_RECORD_NAME, folder);
    int code = path ? file_is_there(path, known, e) : ERR_NOMEM;
    if (!code && *known) {
        code = record_content_read(record, path, &damaged);
        *known = !code;
        code = code == ERR_FORMAT || !code ? 0 : err_set(e, code, "%s", damaged.text);
    }
    mem_free(path);
    return code;
}

/* Whether a file belongs to the case: "CASE.nii.gz", "CASE.npy" … */
static bool is_of(const char *name, const char *id)
{
    const size_t length = strlen(id);
    return !strncmp(name, id, length) && name[length] == '.';
}

/* Whether a file may have been written by train, by its ending; used without a record. */
static bool may_be_prediction(const char *name)
{
    return image_ending(name) || path_ends_with(name, ".npy") || path_ends_with(name, ".yaml") ||
           path_ends_with(name, ".zraw");
}

static bool is_recorded(const char *name, const RecordContent *record)
{
    for (int i = 0; i < record->count; i++)
        if (is_of(name, record->cases[i].id)) return true;
    return false;
}

/* Removes the record last, because it lists the files that train wrote. */
static int remove_predictions(const char *folder, const RecordContent *record, bool known, Err *e)
{
    FileList files;
    TRY(file_list(&files, folder, e));
    int code = 0;
    for (int i = 0; i < files.count && !code; i++) {
        const char *name = files.names[i];
        if (known ? is_recorded(name, record) : may_be_prediction(name)) code = remove_file(folder, name, e);
    }
    file_list_free(&files);
    return code ? code : remove_file(folder, PREDICTION_RECORD_NAME, e);
}

/* Removes the summary first, so that no other program reads outdated scores. */
int validation_folder_clear(const char *folder, Err *e)
{
    RecordContent record = {0};
    bool there, known;
    TRY(file_is_there(folder, &there, e));
    if (!there) return 0;
    TRY(outputs_remove(folder, e));
    int code = read_record(&record, &known, folder, e);
    if (!code) code = remove_predictions(folder, &record, known, e);
    record_content_free(&record);
    return code;
}
