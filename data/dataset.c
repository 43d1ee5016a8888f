#include "data/dataset.h"

#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "data/dataset_search.h"

/* Removes the cases that free_case has emptied (id is NULL). */
static void drop_empty(CaseList *list)
{
    int kept = 0;
    for (int i = 0; i < list->count; i++)
        if (list->cases[i].id) list->cases[kept++] = list->cases[i];
    list->count = kept;
}

int dataset_check_ending(const DatasetInfo *info, const char *json, Err *e)
{
    char known[IMAGE_ENDINGS_BYTES];
    char *name = path_format(e, "x%s", info->file_ending);
    if (!name) return ERR_NOMEM;
    const bool known_one = image_ending(name) != NULL;
    mem_free(name);
    if (known_one) return 0;
    image_known_endings(known, false);
    return err_set(e, ERR_UNSUPPORTED, "%s: file_ending is \"%s\", which no image format has: expected one of%s", json,
                   info->file_ending, known);
}

/* Checks numTraining; it is wrong only if it is wrong with and without the broken cases and the ignored files. */
static void check_num_training(const Dataset *d, const DatasetSearch *search, const char *json, FaultList *faults)
{
    const int64_t low = d->training.count, high = low + search->broken + search->ignored, found = d->info.num_training;
    if (search->ignored)
        fault_add(faults, found > low + search->broken ? FAULT_ERROR : FAULT_WARNING, "%s", search->ignored_text.data);
    if (found < low || found > high)
        fault_add(faults, FAULT_ERROR, "%s: numTraining is %lld: expected the number of training cases there, %lld",
                  json, (long long)found, (long long)(found < low ? low : high));
    else if (!high) fault_add(faults, FAULT_ERROR, "%s: no training case", d->folder);
}

static int remark(const DatasetInfo *info, FaultList *faults, Err *e)
{
    Text remarks = {0};
    int length;
    dataset_info_remarks(&remarks, info);
    const int code = text_check(&remarks, e);
    for (const char *line = code ? NULL : remarks.data, *next; line && *line; line = next) {
        next = text_next_line(line, &length);
        fault_add(faults, FAULT_WARNING, "%.*s", length, line);
    }
    text_free(&remarks);
    return code;
}

int dataset_open(Dataset *d, const char *folder, FaultList *faults, Err *e)
{
    int failed = ERR_NOMEM;
    DatasetSearch search = {0};
    *d = (Dataset){.folder = mem_strdup(folder, e)};
    char *json = path_format(e, "%s/dataset.json", folder);
    if (!d->folder || !json) goto done;
    failed = dataset_expect_folder(folder, e);
    if (!failed) failed = dataset_info_read(&d->info, json, e);
    if (!failed) failed = dataset_check_ending(&d->info, json, e);
    if (!failed) failed = remark(&d->info, faults, e);
    if (failed) goto done;
    failed = (d->info.files ? dataset_find_by_map : dataset_find_in_folders)(d, &search, faults, e);
    if (!failed) failed = text_check(&search.ignored_text, e);
    if (failed) goto done;
    drop_empty(&d->training);
    dataset_sort_cases(&d->training);
    check_num_training(d, &search, json, faults);
    failed = dataset_compare_lists(d, faults, e);
done:
    text_free(&search.ignored_text);
    mem_free(json);
    if (failed) dataset_close(d);
    return failed;
}

void dataset_close(Dataset *d)
{
    case_list_free(&d->training);
    dataset_info_free(&d->info);
    mem_free(d->folder);
    *d = (Dataset){0};
}
