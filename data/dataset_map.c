/* Cases by the map `dataset` of dataset.json, and warnings about its unused lists. */
#include <string.h>

#include "base/file.h"
#include "base/look_alike.h"
#include "base/memory.h"
#include "base/path_expand.h"
#include "data/dataset_search.h"
#include "plans/name_list.h"

/* Adds a fault: a file of the map does not exist. */
static int add_absent(const char *id, const char *path, FaultList *faults, Err *e)
{
    FileList beside = {0};
    Text told = {0};
    const int length = (int)(path_base(path) - path);
    char *folder = path_format(e, "%.*s.", length, path);
    Err none = {0};
    if (folder && !file_list(&beside, folder, &none))
        look_alike_tell(&told, path_base(path), look_alike_find(path_base(path), beside.names, beside.count));
    fault_add(faults, FAULT_ERROR, "case %s: %s does not exist: dataset.json names it%s", id, path,
              told.data ? told.data : "");
    text_free(&told);
    file_list_free(&beside);
    mem_free(folder);
    return folder ? 0 : ERR_NOMEM;
}

/* The path of a file of the map; adds a fault if the file does not exist. NULL with e filled for a variable that is
 * not set, or for lack of memory. */
static char *listed_file(const Dataset *d, const char *id, const char *name, FaultList *faults, Err *e)
{
    char *expanded = path_expand(name, e);
    if (!expanded) return NULL;
    char *path = *expanded == '/' ? mem_strdup(expanded, e) : path_format(e, "%s/%s", d->folder, expanded);
    mem_free(expanded);
    bool there;
    Err unknown = {0};
    if (path && file_is_there(path, &there, &unknown)) fault_add_failure(faults, id, &unknown);
    else if (path && !there && add_absent(id, path, faults, e)) {
        mem_free(path);
        path = NULL;
    }
    return path;
}

static int add_listed(Dataset *d, const DatasetFiles *files, FaultList *faults, Err *e)
{
    Case *c = &d->training.cases[d->training.count++];
    c->id = mem_strdup(files->id, e);
    c->images = mem_zalloc((size_t)files->image_count, sizeof *c->images, e);
    if (!c->id || !c->images) return ERR_NOMEM;
    for (; c->image_count < files->image_count; c->image_count++) {
        c->images[c->image_count] = listed_file(d, c->id, files->images[c->image_count], faults, e);
        if (!c->images[c->image_count]) return e->code;
    }
    if (!files->label) {
        fault_add(faults, FAULT_ERROR, "case %s: dataset.json names no label for it", c->id);
        return 0;
    }
    c->label = listed_file(d, c->id, files->label, faults, e);
    return c->label ? 0 : (int)e->code;
}

/* ---- files that the map does not name ---- */

static int add_absolute(NameList *taken, const Dataset *d, Err *e)
{
    for (int i = 0; i < d->training.count; i++)
        for (int k = 0; k < d->training.cases[i].image_count; k++) {
            char *path = path_absolute(d->training.cases[i].images[k], NULL); /* NULL: missing, which is reported */
            const int code = path ? names_add(taken, path, e) : 0;
            mem_free(path);
            TRY(code);
        }
    names_sort(taken);
    return 0;
}

static int count_unnamed(int *unnamed, char **first, const NameList *taken, const char *folder, const char *ending,
                         Err *e)
{
    FileList files;
    TRY(file_list(&files, folder, e));
    int code = 0;
    for (int i = 0; i < files.count && !code; i++) {
        if (!path_ends_with(files.names[i], ending)) continue;
        char *path = path_format(e, "%s/%s", folder, files.names[i]), *whole = path ? path_absolute(path, NULL) : NULL;
        code = path ? 0 : ERR_NOMEM;
        if (whole && !names_have(taken, whole) && !(*unnamed)++) {
            *first = path;
            path = NULL;
        }
        mem_free(whole);
        mem_free(path);
    }
    file_list_free(&files);
    return code;
}

static int warn_of_unnamed(const Dataset *d, FaultList *faults, Err *e)
{
    NameList taken = {0};
    bool there = false;
    int unnamed = 0;
    char *first = NULL, *folder = path_format(e, "%s/imagesTr", d->folder);
    int code = folder ? add_absolute(&taken, d, e) : ERR_NOMEM;
    if (!code) code = file_is_there(folder, &there, e);
    if (!code && there) code = count_unnamed(&unnamed, &first, &taken, folder, d->info.file_ending, e);
    if (!code && unnamed)
        fault_add(faults, FAULT_WARNING,
                  "%s: %d image file%s not in the map \"dataset\" of dataset.json, and %s not used, the first "
                  "is %s",
                  folder, unnamed, unnamed == 1 ? " is" : "s are", unnamed == 1 ? "is" : "are", path_base(first));
    names_free(&taken);
    mem_free(first);
    mem_free(folder);
    return code;
}

int dataset_find_by_map(Dataset *d, DatasetSearch *search, FaultList *faults, Err *e)
{
    d->training.cases = mem_zalloc((size_t)d->info.file_count, sizeof *d->training.cases, e);
    if (!d->training.cases) return ERR_NOMEM;
    for (int i = 0; i < d->info.file_count; i++) {
        const int before = faults->errors;
        if (add_listed(d, &d->info.files[i], faults, e))
            return err_context(e, "%s/dataset.json: dataset: case %s", d->folder, d->info.files[i].id);
        if (faults->errors == before) continue;
        dataset_free_case(&d->training.cases[i]);
        search->broken++;
    }
    return search->broken ? 0 : warn_of_unnamed(d, faults, e);
}

/* ---- the lists of the Medical Segmentation Decathlon ---- */

/* The case of a file's name: without folders, ending and channel number. */
static char *case_of_path(const char *path, const char *ending, Err *e)
{
    const char *name = path_base(path);
    const size_t length = strlen(name) - (path_ends_with(name, ending) ? strlen(ending) : 0);
    return path_format(e, "%.*s", (int)length, name);
}

static const char *without_dot(const char *path) { return strncmp(path, "./", 2) ? path : path + 2; }

/* The list is not used: a name in another Unicode form needs no warning. */
static const Case *find_listed(const Dataset *d, const char *id)
{
    const Case *c = dataset_find_case(&d->training, id);
    for (int i = 0; i < d->training.count && !c; i++)
        if (differ_in_form(d->training.cases[i].id, id)) c = &d->training.cases[i];
    return c;
}

/* Whether the label file of the dataset's case is the listed one. */
static bool takes_listed(const Dataset *d, const DatasetListed *listed, Err *e)
{
    const char *path = listed->label ? listed->label : listed->image;
    char *id = case_of_path(path, d->info.file_ending, e);
    const Case *c = id ? find_listed(d, id) : NULL;
    bool taken = c != NULL;
    if (c && listed->label) {
        const size_t folder = strlen(d->folder);
        const char *own = c->label;
        if (!strncmp(own, d->folder, folder)) own += folder + strspn(own + folder, "/");
        taken = !strcmp(own, without_dot(listed->label)) || differ_in_form(own, without_dot(listed->label));
    }
    mem_free(id);
    return taken;
}

int dataset_compare_lists(const Dataset *d, FaultList *faults, Err *e)
{
    const DatasetListed *first = NULL;
    int other = 0, trained = 0;
    Err lacking = {0};
    for (int i = 0; i < d->info.training_count; i++)
        if (!takes_listed(d, &d->info.training[i], &lacking) && !other++) first = &d->info.training[i];
    if (first)
        fault_add(faults, FAULT_WARNING,
                  "%s/dataset.json: the list \"training\" is not used and names other files than those "
                  "used, %d of them, the first is %s: the files in imagesTr and labelsTr are used; name other files "
                  "in the map \"dataset\"",
                  d->folder, other, first->label ? first->label : first->image);
    else if (d->info.training_count && d->info.training_count < d->training.count)
        fault_add(faults, FAULT_WARNING,
                  "%s/dataset.json: the list \"training\" is not used and names %d cases; all %d that are "
                  "in the folders are used",
                  d->folder, d->info.training_count, d->training.count);
    first = NULL;
    for (int i = 0; i < d->info.test_count; i++)
        if (takes_listed(d, &d->info.test[i], &lacking) && !trained++) first = &d->info.test[i];
    if (first)
        fault_add(faults, FAULT_WARNING,
                  "%s/dataset.json: the list \"test\" is not used, and %d of its cases are training cases, "
                  "the first is %s",
                  d->folder, trained, first->image);
    return lacking.code ? err_set(e, lacking.code, "%s", lacking.text) : 0;
}
