#include "planner/case_register.h"

#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "data/image_files.h"
#include "data/image_io.h"

/* Adds the names of `from` that are not in the dataset. */
static int add_removed(DatasetCases *cases, const NameList *from, Err *e)
{
    for (int i = 0; i < from->count; i++)
        if (!names_have(&cases->present, from->names[i])) TRY(names_add(&cases->removed, from->names[i], e));
    return 0;
}

static int add_all(DatasetCases *cases, const Dataset *d, const char *preprocessed, Err *e)
{
    for (int i = 0; i < d->training.count; i++) TRY(names_add(&cases->present, d->training.cases[i].id, e));
    names_sort(&cases->present);
    char *path = path_format(e, "%s/cases.yaml", preprocessed);
    bool is_there;
    const int failed = file_is_there(path, &is_there, e);
    mem_free(path);
    if (failed || !is_there) return failed;
    DatasetCases before;
    TRY(dataset_cases_read(&before, preprocessed, e));
    int code = add_removed(cases, &before.present, e);
    if (!code) code = add_removed(cases, &before.removed, e);
    dataset_cases_free(&before);
    names_sort(&cases->removed);
    return code;
}

/* The path as it was given, without resolving links: the dataset's name is that of the folder given. */
static int add_folder(DatasetCases *cases, const char *folder, Err *e)
{
    char *here = *folder == '/' ? NULL : path_absolute(".", e);
    if (*folder != '/' && !here) return ERR_IO;
    cases->dataset = here ? path_format(e, "%s/%s", here, folder) : mem_strdup(folder, e);
    mem_free(here);
    return cases->dataset ? 0 : ERR_NOMEM;
}

int case_register_make(DatasetCases *cases, const Dataset *d, const char *preprocessed, Err *e)
{
    *cases = (DatasetCases){0};
    int code = add_folder(cases, d->folder, e);
    if (!code) code = add_all(cases, d, preprocessed, e);
    if (code) dataset_cases_free(cases);
    return code;
}

static bool has_case(const Dataset *d, const char *id, size_t length)
{
    for (int i = 0; i < d->training.count; i++)
        if (strlen(d->training.cases[i].id) == length && !strncmp(d->training.cases[i].id, id, length)) return true;
    return false;
}

void case_register_check(FaultList *faults, const Dataset *d)
{
    static const char *const endings[][2] = {{"_seg", "labels"}, {"_locations", "table of voxels"}};
    for (int i = 0; i < d->training.count; i++)
        for (int k = 0; k < 2; k++) {
            const char *id = d->training.cases[i].id;
            const size_t length = path_ends_with(id, endings[k][0]) ? strlen(id) - strlen(endings[k][0]) : 0;
            if (length && has_case(d, id, length))
                fault_add(faults, FAULT_ERROR,
                          "case %s: its preprocessed image would be %s.npy, the name of the %s of the case "
                          "%.*s: rename one of them",
                          id, id, endings[k][1], (int)length, id);
        }
}

/* Length of the case's id within a file name in 2d/; 0 if the file does not belong to a preprocessed case. */
static size_t preprocessed_case(const char *name)
{
    static const char *const endings[] = {"_seg.npy", "_locations.npy", ".npy", ".yaml"};
    for (int i = 0; i < 4; i++)
        if (*name != '.' && path_ends_with(name, endings[i])) return strlen(name) - strlen(endings[i]);
    return 0;
}

static size_t reference_case(const char *name)
{
    const char *ending = *name == '.' ? NULL : image_ending(name);
    return ending ? (size_t)(ending - name) : 0;
}

typedef size_t CaseOfFile(const char *name);

/* A case's id may itself end in _seg or _locations: then the whole name without .npy or .yaml is the id. */
static bool belongs(const DatasetCases *cases, const char *name, size_t length, Err *e)
{
    char *id = path_format(e, "%.*s", (int)length, name), *longer = NULL;
    bool is_present = id && names_have(&cases->present, id);
    if (id && !is_present && path_ends_with(name, ".npy")) {
        longer = path_format(e, "%.*s", (int)(strlen(name) - strlen(".npy")), name);
        is_present = longer && names_have(&cases->present, longer);
    }
    mem_free(longer);
    mem_free(id);
    return is_present;
}

/* Removes a file and, for an image, the other files that belong to it. */
static int remove_parts(const char *path, Err *e)
{
    FileList parts;
    TRY(image_written_files(&parts, path, e));
    int code = 0;
    for (int i = 0; i < parts.count && !code; i++) code = file_remove(parts.names[i], e);
    file_list_free(&parts);
    return code;
}

static int remove_one(NameList *gone, const char *folder, const char *name, size_t length, Err *e)
{
    char *path = path_format(e, "%s/%s", folder, name), *id = path_format(e, "%.*s", (int)length, name);
    int code = path && id ? remove_parts(path, e) : ERR_NOMEM;
    names_sort(gone);
    if (!code && !names_have(gone, id)) code = names_add(gone, id, e);
    mem_free(path);
    mem_free(id);
    return code;
}

static int clean_folder(NameList *gone, const DatasetCases *cases, const char *preprocessed, const char *name,
                        CaseOfFile *case_of, Err *e)
{
    FileList files = {0};
    char *folder = path_format(e, "%s/%s", preprocessed, name);
    bool there;
    int code = file_is_there(folder, &there, e);
    if (there) code = file_list(&files, folder, e);
    for (int i = 0; i < files.count && !code; i++) {
        const size_t length = case_of(files.names[i]);
        Err failed = {0};
        const bool stays = !length || belongs(cases, files.names[i], length, &failed);
        if (failed.code) *e = failed, code = failed.code;
        else if (!stays) code = remove_one(gone, folder, files.names[i], length, e);
    }
    file_list_free(&files);
    mem_free(folder);
    return code;
}

int case_register_clean(NameList *gone, const DatasetCases *cases, const char *preprocessed, Err *e)
{
    *gone = (NameList){0};
    TRY(clean_folder(gone, cases, preprocessed, "2d", preprocessed_case, e));
    return clean_folder(gone, cases, preprocessed, "gt_segmentations", reference_case, e);
}
