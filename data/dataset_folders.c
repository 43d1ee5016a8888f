/* Cases by the names of the files in imagesTr and labelsTr. */
#include "data/dataset_folders.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/look_alike.h"
#include "base/memory.h"

/* Reports all files that are no part of the dataset in one warning. */
typedef struct OtherFiles {
    int count;
    const char *first;
} OtherFiles;

/* Files that belong to files of the dataset: the other half of a .hdr and .img pair, the voxels of an .mhd or
 * .nhdr, the spacing of a TIFF volume. */
static bool is_other_half(const char *name, const char *ending)
{
    static const char *const beside[][2] = {{".mhd", ".raw"},     {".mhd", ".zraw"}, {".nhdr", ".raw"},
                                            {".nhdr", ".raw.gz"}, {".tif", ".json"}, {".tiff", ".json"}};
    for (size_t i = 0; i < sizeof beside / sizeof *beside; i++)
        if (!strcasecmp(ending, beside[i][0]) && path_ends_with(name, beside[i][1])) return *name != '.';
    const char *own = image_ending(name);
    if (!own || *name == '.') return false;
    return (!strncmp(ending, ".hdr", 4) && !strncmp(own, ".img", 4)) ||
           (!strncmp(ending, ".img", 4) && !strncmp(own, ".hdr", 4));
}

static void add_other(OtherFiles *s, const char *name, const char *ending)
{
    if (!is_other_half(name, ending) && !s->count++) s->first = name;
}

static void report_others(const OtherFiles *s, const char *folder, const char *form, const char *ending,
                          FaultList *faults)
{
    if (!s->count) return;
    bool is_folder;
    char *path = path_format(NULL, "%s/%s", folder, s->first);
    file_is_folder(path, &is_folder, NULL); /* only for the message */
    fault_add(faults, FAULT_WARNING, "%s: %d file(s) ignored, the first is %s%s: expected names as %s%s", folder,
              s->count, s->first, is_folder ? ", a folder, which is not searched" : "", form, ending);
    mem_free(path);
}

/* The case of that id: the last one of the list, or a new one. Names are sorted, so those of a case follow each
 * other. */
static Case *take_case(CaseList *list, const char *name, size_t id_length, Err *e)
{
    Case *last = list->count ? &list->cases[list->count - 1] : NULL;
    if (last && strlen(last->id) == id_length && !strncmp(last->id, name, id_length)) return last;
    char *id = path_format(e, "%.*s", (int)id_length, name);
    if (!id) return NULL;
    list->cases[list->count] = (Case){.id = id};
    return &list->cases[list->count++];
}

static int add_image(CaseList *list, const char *folder, const char *name, size_t id_length, int channel, Err *e)
{
    Case *c = take_case(list, name, id_length, e);
    if (!c) return ERR_NOMEM;
    c->has_gap = c->has_gap || channel != c->image_count;
    TRY(mem_grow_list(&c->images, c->image_count, sizeof *c->images, e));
    c->images[c->image_count] = path_format(e, "%s/%s", folder, name);
    if (!c->images[c->image_count]) return ERR_NOMEM;
    c->image_count++;
    return 0;
}

static char *stem_of(const char *name, const char *ending, Err *e)
{
    return path_format(e, "%.*s", (int)(strlen(name) - strlen(ending)), name);
}

/* The case's name in an image's name; the whole stem if there is no channel number. */
static char *id_of(const char *name, const char *ending, int *channel, Err *e)
{
    const size_t length = dataset_split_name(name, ending, channel);
    return length ? path_format(e, "%.*s", (int)length, name) : stem_of(name, ending, e);
}

static int list_labels(Folders *f, Err *e)
{
    const char *ending = f->d->info.file_ending;
    for (int i = 0; i < f->label_files.count; i++) {
        const char *name = f->label_files.names[i];
        if (*name == '.' || !path_ends_with(name, ending)) continue;
        char *stem = stem_of(name, ending, e);
        const int code = stem ? names_add(&f->label_stems, stem, e) : ERR_NOMEM;
        mem_free(stem);
        TRY(code);
    }
    names_sort(&f->label_stems);
    return 0;
}

/* Finds images and labels of the same name: one of each pair is named wrongly. */
static int has_label_of_its_name(bool *has, int *channel, const Folders *f, const char *name, Err *e)
{
    const char *ending = f->d->info.file_ending;
    *channel = -1;
    char *stem = stem_of(name, ending, e), *id = id_of(name, ending, channel, e);
    const int code = stem && id ? 0 : ERR_NOMEM;
    *has = !code && names_have(&f->label_stems, stem) && (!strcmp(stem, id) || !names_have(&f->label_stems, id));
    mem_free(id);
    mem_free(stem);
    return code;
}

/* Where numbers exceed the dataset's channels, they are part of the cases' names, and the images lack channel
 * numbers. */
static int look_at_numbers(Folders *f, Err *e)
{
    for (int i = 0; i < f->image_files.count; i++) {
        bool has;
        int channel;
        if (*f->image_files.names[i] == '.' || !path_ends_with(f->image_files.names[i], f->d->info.file_ending))
            continue;
        TRY(has_label_of_its_name(&has, &channel, f, f->image_files.names[i], e));
        f->images_lack_numbers = f->images_lack_numbers || (has && channel >= f->d->info.channel_count);
    }
    return 0;
}

/* Whether it is a file of another image format: *is_one. */
static int take_other(Folders *f, bool *is_one, const char *name, bool is_label, Err *e)
{
    int channel;
    const char *ending = *name == '.' ? NULL : image_ending(name);
    *is_one = ending && !path_ends_with(name, f->d->info.file_ending) && !is_other_half(name, f->d->info.file_ending);
    if (!*is_one) return 0;
    char **first = &f->first_other[is_label];
    char *id = is_label ? stem_of(name, ending, e) : id_of(name, ending, &channel, e);
    int code = id ? 0 : ERR_NOMEM;
    if (!code && !names_have(&f->other, id)) {
        code = names_add(&f->other, id, e);
        names_sort(&f->other);
    }
    if (!code && !*first) *first = path_format(e, "%s/%s", is_label ? "labelsTr" : "imagesTr", name);
    mem_free(id);
    return code || *first ? code : ERR_NOMEM;
}

/* Whether it is an image of a labelled case whose channel number has not four digits: *is_one. */
static int take_misnumbered(Folders *f, bool *is_one, const char *name, Err *e)
{
    char *stem = stem_of(name, f->d->info.file_ending, e), *id = NULL;
    if (!stem) return ERR_NOMEM;
    size_t length = strlen(stem);
    while (length && isdigit((unsigned char)stem[length - 1])) length--;
    *is_one = false;
    int code = 0;
    if (length > 1 && stem[length] && stem[length - 1] == '_') {
        id = path_format(e, "%.*s", (int)length - 1, stem);
        code = id ? 0 : ERR_NOMEM;
        *is_one = id && names_have(&f->label_stems, id);
    }
    if (*is_one) code = names_add(&f->misnumbered, stem, e);
    if (!code && *is_one && !names_have(&f->misnumbered_cases, id)) code = names_add(&f->misnumbered_cases, id, e);
    names_sort(&f->misnumbered_cases);
    mem_free(id);
    mem_free(stem);
    return code;
}

static int take_image(Folders *f, OtherFiles *others, const char *name, Err *e)
{
    const char *ending = f->d->info.file_ending;
    bool other, has;
    int channel;
    TRY(take_other(f, &other, name, false, e));
    if (other) return 0;
    if (*name == '.' || !path_ends_with(name, ending)) return add_other(others, name, ending), 0;
    TRY(has_label_of_its_name(&has, &channel, f, name, e));
    if (has && (channel < 0 || f->images_lack_numbers)) {
        char *stem = stem_of(name, ending, e);
        const int code = stem ? names_add(&f->unnumbered, stem, e) : ERR_NOMEM;
        mem_free(stem);
        return code;
    }
    const size_t length = dataset_split_name(name, ending, &channel);
    if (!length) {
        TRY(take_misnumbered(f, &other, name, e));
        return other ? 0 : (add_other(others, name, ending), 0);
    }
    return add_image(&f->d->training, f->images, name, length, channel, e);
}

static int take_images(Folders *f, Err *e)
{
    OtherFiles others = {0};
    f->d->training.cases = mem_zalloc((size_t)f->image_files.count, sizeof *f->d->training.cases, e);
    if (!f->d->training.cases) return ERR_NOMEM;
    for (int i = 0; i < f->image_files.count; i++) TRY(take_image(f, &others, f->image_files.names[i], e));
    report_others(&others, f->images, "CASE_0000", f->d->info.file_ending, f->faults);
    names_sort(&f->unnumbered);
    names_sort(&f->misnumbered);
    dataset_sort_cases(&f->d->training);
    return 0;
}

/* The case of a label that has a channel number or another suffix (as _seg) behind the case's name. */
static Case *case_of_longer(const Folders *f, const char *stem, Err *e)
{
    Case *c = NULL;
    for (size_t length = strlen(stem); length-- > 1 && !c && !e->code;) {
        if (!strchr("_-. ", stem[length])) continue;
        char *id = path_format(e, "%.*s", (int)length, stem);
        if (id && !names_have(&f->label_stems, id)) c = dataset_find_case(&f->d->training, id);
        mem_free(id);
    }
    return c;
}

/* The case of a label whose name only looks the same. */
static const Case *case_of_other_form(const Folders *f, const char *stem)
{
    for (int i = 0; i < f->d->training.count; i++) {
        const char *id = f->d->training.cases[i].id;
        if (looks_alike(id, stem) && !names_have(&f->label_stems, id)) return &f->d->training.cases[i];
    }
    return NULL;
}

static int add_explained(Folders *f, const Case *c, NameList *list, const char *stem, Err *e)
{
    TRY(names_add(list, stem, e));
    if (!names_have(&f->explained, c->id)) TRY(names_add(&f->explained, c->id, e));
    names_sort(&f->explained);
    return 0;
}

static int add_longer(Folders *f, const Case *c, const char *name, const char *stem, Err *e)
{
    int channel;
    const bool is_number = dataset_split_name(name, f->d->info.file_ending, &channel) == strlen(c->id);
    return add_explained(f, c, is_number ? &f->numbered : &f->suffixed, stem, e);
}

static int take_label(Folders *f, const char *name, const char *stem, Err *e)
{
    Case *c = dataset_find_case(&f->d->training, stem);
    if (c) {
        c->label = path_format(e, "%s/%s", f->labels, name);
        return c->label ? 0 : ERR_NOMEM;
    }
    if (names_have(&f->unnumbered, stem) || names_have(&f->misnumbered_cases, stem)) return 0;
    if (names_have(&f->other, stem)) return 0; /* its image has another ending */
    Err lacking = {0};
    c = case_of_longer(f, stem, &lacking);
    if (lacking.code) return *e = lacking, (int)lacking.code;
    if (c && c->has_gap && !c->label) { /* reported with its gap */
        c->label = path_format(e, "%s/%s", f->labels, name);
        return c->label ? 0 : ERR_NOMEM;
    }
    if (c) return add_longer(f, c, name, stem, e);
    const Case *alike = case_of_other_form(f, stem);
    if (alike) return add_explained(f, alike, &f->other_form, stem, e);
    return names_add(&f->lonely, stem, e);
}

static int take_labels(Folders *f, Err *e)
{
    OtherFiles others = {0};
    const char *ending = f->d->info.file_ending;
    for (int i = 0; i < f->label_files.count; i++) {
        bool other;
        TRY(take_other(f, &other, f->label_files.names[i], true, e));
    }
    for (int i = 0; i < f->label_files.count; i++) {
        const char *name = f->label_files.names[i];
        const bool is_image = *name != '.' && image_ending(name);
        if (*name == '.' || !path_ends_with(name, ending)) {
            if (!is_image || is_other_half(name, ending)) add_other(&others, name, ending);
            continue;
        }
        char *stem = stem_of(name, ending, e);
        const int code = stem ? take_label(f, name, stem, e) : ERR_NOMEM;
        mem_free(stem);
        TRY(code);
    }
    names_sort(&f->numbered);
    names_sort(&f->suffixed);
    report_others(&others, f->labels, "CASE", ending, f->faults);
    return 0;
}

static int expect_folder(const char *path, const char *dataset, Err *e)
{
    bool there;
    FileList files;
    TRY(file_is_there(path, &there, e));
    if (there) return 0;
    TRY(file_list(&files, dataset, e));
    Text found = {0};
    for (int i = 0; i < files.count; i++) text_add(&found, "%s%s", i ? ", " : "", files.names[i]);
    const int code =
        err_set(e, ERR_IO,
                "%s: missing: the images are expected in imagesTr and the labels in labelsTr, or the files "
                "of each case in the map \"dataset\" of dataset.json; there are %s",
                path, found.data ? found.data : "");
    text_free(&found);
    file_list_free(&files);
    return code;
}

static int search_folders(Folders *f, DatasetSearch *search, Err *e)
{
    TRY(expect_folder(f->images, f->d->folder, e));
    TRY(expect_folder(f->labels, f->d->folder, e));
    TRY(file_list(&f->image_files, f->images, e));
    TRY(file_list(&f->label_files, f->labels, e));
    TRY(list_labels(f, e));
    TRY(look_at_numbers(f, e));
    TRY(take_images(f, e));
    TRY(take_labels(f, e));
    folders_note_others(f, search);
    TRY(folders_tell_lonely(f, search, e));
    folders_drop_broken(f, search);
    folders_tell_labels(f);
    folders_tell_images(f, search);
    return 0;
}

int dataset_find_in_folders(Dataset *d, DatasetSearch *search, FaultList *faults, Err *e)
{
    Folders f = {.d = d, .faults = faults};
    f.images = path_format(e, "%s/imagesTr", d->folder);
    f.labels = path_format(e, "%s/labelsTr", d->folder);
    const int code = f.images && f.labels ? search_folders(&f, search, e) : ERR_NOMEM;
    file_list_free(&f.image_files);
    file_list_free(&f.label_files);
    names_free(&f.label_stems);
    names_free(&f.numbered);
    names_free(&f.suffixed);
    names_free(&f.other_form);
    names_free(&f.lonely);
    names_free(&f.orphans);
    names_free(&f.paired);
    names_free(&f.explained);
    names_free(&f.unnumbered);
    names_free(&f.misnumbered);
    names_free(&f.misnumbered_cases);
    names_free(&f.other);
    for (int i = 0; i < 2; i++) mem_free(f.first_other[i]);
    mem_free(f.images);
    mem_free(f.labels);
    return code;
}
