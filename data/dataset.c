#include "data/dataset.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/file.h"
#include "base/memory.h"

enum { CHANNEL_DIGITS = 5 }; /* "_0000" */

static void free_case(Case *c)
{
    for (int i = 0; i < c->image_count; i++) mem_free(c->images[i]);
    mem_free(c->images);
    mem_free(c->label);
    mem_free(c->id);
    *c = (Case){0};
}

void case_list_free(CaseList *list)
{
    for (int i = 0; i < list->count; i++) free_case(&list->cases[i]);
    mem_free(list->cases);
    *list = (CaseList){0};
}

static int by_id(const void *a, const void *b)
{
    return strcmp(((const Case *)a)->id, ((const Case *)b)->id);
}

static void sort_cases(CaseList *list)
{
    if (list->count) qsort(list->cases, (size_t)list->count, sizeof *list->cases, by_id);
}

static Case *find_case(const CaseList *list, const char *id)
{
    const Case key = {.id = (char *)id};
    return list->count ? bsearch(&key, list->cases, (size_t)list->count, sizeof key, by_id) : NULL;
}

/* Drops the cases without an id, which free_case has emptied. */
static void drop_empty(CaseList *list)
{
    int kept = 0;
    for (int i = 0; i < list->count; i++)
        if (list->cases[i].id) list->cases[kept++] = list->cases[i];
    list->count = kept;
}

/* How much of an image's name is the case, 0 if it is not CASE_NNNN + ending; *channel is NNNN. */
static size_t split_name(const char *name, const char *ending, int *channel)
{
    if (*name == '.' || !path_ends_with(name, ending)) return 0;
    const size_t length = strlen(name) - strlen(ending);
    if (length <= CHANNEL_DIGITS || name[length - CHANNEL_DIGITS] != '_') return 0;
    *channel = 0;
    for (size_t i = length - CHANNEL_DIGITS + 1; i < length; i++) {
        if (!isdigit((unsigned char)name[i])) return 0;
        *channel = 10 * *channel + (name[i] - '0');
    }
    return length - CHANNEL_DIGITS;
}

/* Tells of files that are no part of the dataset in one warning, however many they are. */
typedef struct Strangers {
    int count;
    const char *first;
} Strangers;

/* Files that belong to those of the dataset: the other one of a .hdr and .img pair, the voxels of an .mhd or
 * .nhdr, the spacing of a TIFF volume. */
static bool is_other_half(const char *name, const char *ending)
{
    static const char *const beside[][2] = {{".mhd", ".raw"},     {".mhd", ".zraw"},  {".nhdr", ".raw"},
                                            {".nhdr", ".raw.gz"}, {".tif", ".json"},  {".tiff", ".json"}};
    for (size_t i = 0; i < sizeof beside / sizeof *beside; i++)
        if (!strcasecmp(ending, beside[i][0]) && path_ends_with(name, beside[i][1])) return *name != '.';
    const char *own = image_ending(name);
    if (!own || *name == '.') return false;
    return (!strncmp(ending, ".hdr", 4) && !strncmp(own, ".img", 4)) ||
           (!strncmp(ending, ".img", 4) && !strncmp(own, ".hdr", 4));
}

static void add_stranger(Strangers *s, const char *name, const char *ending)
{
    if (!is_other_half(name, ending) && !s->count++) s->first = name;
}

static void report_strangers(const Strangers *s, const char *folder, const char *form, const char *ending,
                             FaultList *faults)
{
    if (s->count)
        fault_add(faults, FAULT_WARNING, "%s: %d file(s) ignored, the first is %s: expected names as %s%s",
                  folder, s->count, s->first, form, ending);
}

/* The case of that id, a new one if it is not the last: names come sorted, so a case's are together. */
static Case *take_case(CaseList *list, const char *name, size_t id_length, Err *e)
{
    Case *last = list->count ? &list->cases[list->count - 1] : NULL;
    if (last && strlen(last->id) == id_length && !strncmp(last->id, name, id_length)) return last;
    char *id = path_format(e, "%.*s", (int)id_length, name);
    if (!id) return NULL;
    list->cases[list->count] = (Case){.id = id};
    return &list->cases[list->count++];
}

static int add_image(CaseList *list, const char *folder, const char *name, size_t id_length, int channel,
                     FaultList *faults, Err *e)
{
    Case *c = take_case(list, name, id_length, e);
    if (!c) return ERR_NOMEM;
    if (channel != c->image_count)
        fault_add(faults, FAULT_ERROR,
                  "case %s: %s/%s: no file with channel number %04d: expected one for each "
                  "number from 0000 on",
                  c->id, folder, name, c->image_count);
    const size_t size = sizeof *c->images, count = (size_t)c->image_count;
    TRY(mem_grow((void **)&c->images, count * size, (count + 1) * size, e));
    c->images[count] = path_format(e, "%s/%s", folder, name);
    if (!c->images[count]) return ERR_NOMEM;
    c->image_count++;
    return 0;
}

int case_list_images(CaseList *list, const char *folder, const char *ending, FaultList *faults, Err *e)
{
    FileList files;
    Strangers strangers = {0};
    *list = (CaseList){0};
    TRY(file_list(&files, folder, e));
    int failed = 0;
    list->cases = mem_zalloc((size_t)files.count, sizeof *list->cases, e);
    if (!list->cases) failed = ERR_NOMEM;
    for (int i = 0; i < files.count && !failed; i++) {
        int channel;
        const size_t id_length = split_name(files.names[i], ending, &channel);
        if (id_length) failed = add_image(list, folder, files.names[i], id_length, channel, faults, e);
        else add_stranger(&strangers, files.names[i], ending);
    }
    report_strangers(&strangers, folder, "CASE_0000", ending, faults);
    if (failed) case_list_free(list);
    else sort_cases(list);
    file_list_free(&files);
    return failed;
}

/* Gives each case its label file; *orphans counts labels without an image. */
static int attach_labels(CaseList *list, const char *folder, const char *ending, int *orphans,
                         FaultList *faults, Err *e)
{
    FileList files;
    Strangers strangers = {0};
    TRY(file_list(&files, folder, e));
    int failed = 0;
    for (int i = 0; i < files.count && !failed; i++) {
        const char *name = files.names[i];
        if (*name == '.' || !path_ends_with(name, ending)) {
            add_stranger(&strangers, name, ending);
            continue;
        }
        char *id = path_format(e, "%.*s", (int)(strlen(name) - strlen(ending)), name);
        Case *c = id ? find_case(list, id) : NULL;
        if (c) c->label = path_format(e, "%s/%s", folder, name);
        if (!id || (c && !c->label)) failed = ERR_NOMEM;
        if (id && !c) {
            ++*orphans;
            fault_add(faults, FAULT_ERROR, "case %s: %s/%s has no image: expected imagesTr/%s_0000%s", id,
                      folder, name, id, ending);
        }
        mem_free(id);
    }
    report_strangers(&strangers, folder, "CASE", ending, faults);
    file_list_free(&files);
    return failed;
}

static int find_in_folders(Dataset *d, int *orphans, FaultList *faults, Err *e)
{
    const char *ending = d->info.file_ending;
    char *images = path_format(e, "%s/imagesTr", d->folder),
         *labels = path_format(e, "%s/labelsTr", d->folder);
    int failed = images && labels ? 0 : ERR_NOMEM;
    if (!failed) failed = case_list_images(&d->training, images, ending, faults, e);
    if (!failed) failed = attach_labels(&d->training, labels, ending, orphans, faults, e);
    for (int i = 0; i < d->training.count && !failed; i++) {
        Case *c = &d->training.cases[i];
        if (c->label) continue;
        fault_add(faults, FAULT_ERROR, "case %s: %s has no label: expected labelsTr/%s%s", c->id,
                  c->images[0], c->id, ending);
        free_case(c);
        ++*orphans;
    }
    mem_free(images);
    mem_free(labels);
    return failed;
}

/* A file of the `dataset:` map; adds a fault if it is not there. NULL for lack of memory. */
static char *listed_file(const Dataset *d, const char *id, const char *name, FaultList *faults, Err *e)
{
    char *path = *name == '/' ? mem_strdup(name, e) : path_format(e, "%s/%s", d->folder, name);
    if (path && !file_exists(path))
        fault_add(faults, FAULT_ERROR, "case %s: %s is not there: dataset.json names it", id, path);
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
        if (!c->images[c->image_count]) return ERR_NOMEM;
    }
    if (!files->label) {
        fault_add(faults, FAULT_ERROR, "case %s: dataset.json names no label for it", c->id);
        return 0;
    }
    c->label = listed_file(d, c->id, files->label, faults, e);
    return c->label ? 0 : ERR_NOMEM;
}

static int find_by_map(Dataset *d, int *orphans, FaultList *faults, Err *e)
{
    d->training.cases = mem_zalloc((size_t)d->info.file_count, sizeof *d->training.cases, e);
    if (!d->training.cases) return ERR_NOMEM;
    for (int i = 0; i < d->info.file_count; i++) {
        const int before = faults->errors;
        TRY(add_listed(d, &d->info.files[i], faults, e));
        if (faults->errors == before) continue;
        free_case(&d->training.cases[i]);
        ++*orphans;
    }
    return 0;
}

/* The ending must be that of a format we know: else every file would be a stranger. */
static int check_ending(const DatasetInfo *info, const char *json, Err *e)
{
    char known[IMAGE_ENDINGS_BYTES];
    char *name = path_format(e, "x%s", info->file_ending);
    if (!name) return ERR_NOMEM;
    const bool known_one = image_ending(name) != NULL;
    mem_free(name);
    if (known_one) return 0;
    image_known_endings(known);
    return err_set(e, ERR_UNSUPPORTED, "%s: file_ending is \"%s\", which no image format has: expected one of%s", json,
                   info->file_ending, known);
}

int dataset_open(Dataset *d, const char *folder, FaultList *faults, Err *e)
{
    int failed = ERR_NOMEM, orphans = 0;
    *d = (Dataset){.folder = mem_strdup(folder, e)};
    char *json = path_format(e, "%s/dataset.json", folder);
    if (!d->folder || !json) goto done;
    failed = dataset_info_read(&d->info, json, e);
    if (!failed) failed = check_ending(&d->info, json, e);
    if (failed) goto done;
    failed = (d->info.files ? find_by_map : find_in_folders)(d, &orphans, faults, e);
    if (failed) goto done;
    drop_empty(&d->training);
    sort_cases(&d->training);
    if (d->info.num_training != d->training.count + orphans)
        fault_add(faults, FAULT_ERROR,
                  "%s: numTraining is %lld: expected the number of training cases there, %d", json,
                  (long long)d->info.num_training, d->training.count + orphans);
    else if (!d->training.count && !orphans)
        fault_add(faults, FAULT_ERROR, "%s: no training case", folder);
done:
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
