/* Cases by the names of the files in imagesTr and labelsTr. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/file.h"
#include "base/look_alike.h"
#include "base/memory.h"
#include "data/dataset_search.h"
#include "plans/name_list.h"

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
    Err none;
    char *path = path_format(&none, "%s/%s", folder, s->first);
    fault_add(faults, FAULT_WARNING, "%s: %d file(s) ignored, the first is %s%s: expected names as %s%s", folder,
              s->count, s->first, path && file_is_folder(path) ? ", a folder, which is not searched" : "", form,
              ending);
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

/* State while the two folders are compared. Lists of names are sorted and without ending. */
typedef struct Folders {
    Dataset *d;
    FaultList *faults;
    char *images, *labels; /* paths */
    FileList image_files, label_files;
    NameList label_stems;       /* all labels */
    NameList numbered;          /* labels whose names end in a channel number */
    NameList suffixed;          /* labels whose names have another suffix */
    NameList other_form;        /* labels whose names only look like a case's (base/look_alike.h) */
    NameList explained;         /* cases that the labels of these three lists belong to */
    NameList lonely;            /* other labels without an image */
    NameList orphans;           /* other cases without a label */
    NameList paired;            /* orphans that were reported together with a lonely label */
    NameList unnumbered;        /* images without a channel number */
    NameList misnumbered;       /* images whose channel number has not four digits, */
    NameList misnumbered_cases; /* and their cases */
    NameList other;             /* cases whose files have another ending */
    char *first_other[2];       /* an image and a label of these; NULL: none */
    bool images_lack_numbers;
    bool none_fits; /* no label has an image */
} Folders;

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

/* Whether a fault for all cases of a kind already reports this one's label. */
static bool is_explained(const Folders *f, const Case *c)
{
    return f->none_fits || names_have(&f->other, c->id) || names_have(&f->explained, c->id) ||
           names_have(&f->paired, c->id);
}

static int list_orphans(Folders *f, Err *e)
{
    for (int i = 0; i < f->d->training.count; i++) {
        const Case *c = &f->d->training.cases[i];
        if (!c->label && !c->has_gap && !is_explained(f, c)) TRY(names_add(&f->orphans, c->id, e));
    }
    return 0;
}

/* Reports labels without an image: each one, or all at once where no label has the name of an image. */
static int report_lonely(Folders *f, DatasetSearch *search, Err *e)
{
    const char *ending = f->d->info.file_ending;
    const Case *first = NULL;
    bool fits = f->explained.count + f->other.count + f->unnumbered.count + f->misnumbered.count > 0;
    for (int i = 0; i < f->d->training.count; i++) {
        const Case *c = &f->d->training.cases[i];
        fits = fits || c->label || c->has_gap;
        if (!first) first = c;
    }
    f->none_fits = !fits && first && f->lonely.count;
    if (f->none_fits) {
        fault_add(f->faults, FAULT_ERROR,
                  "%s: no label has the name of an image: the first image is %s, whose label is expected as "
                  "%s%s, and the first label is %s%s; give both the same name, except the channel number _0000",
                  f->labels, path_base(first->images[0]), first->id, ending, f->lonely.names[0], ending);
        return 0;
    }
    search->broken += f->lonely.count;
    TRY(list_orphans(f, e));
    const Unpaired unpaired = {&f->d->training, &f->lonely, &f->orphans, f->labels, f->d->info.file_ending};
    return dataset_tell_lonely(f->faults, &f->paired, &unpaired, e);
}

/* Removes cases without a label, or with a gap that was reported, from the list. */
static void drop_broken(Folders *f, DatasetSearch *search)
{
    for (int i = 0; i < f->d->training.count; i++) {
        Case *c = &f->d->training.cases[i];
        if (c->label && !c->has_gap) continue;
        if (c->has_gap) dataset_tell_gap(f->faults, c, f->d->info.file_ending);
        if (!c->has_gap && !is_explained(f, c))
            fault_add(f->faults, FAULT_ERROR, "case %s: %s has no label: expected labelsTr/%s%s", c->id, c->images[0],
                      c->id, f->d->info.file_ending);
        if (c->has_gap || !names_have(&f->other, c->id)) search->broken++;
        dataset_free_case(c);
    }
}

/* One fault for all files whose names have the same wrong form. The first file should be named: `length` bytes of
 * its name, then `behind`. */
static void report_names(const Folders *f, const char *folder, const NameList *stems, const char *one, const char *many,
                         size_t length, const char *behind)
{
    const char *ending = f->d->info.file_ending, *first = stems->names[0];
    fault_add(f->faults, FAULT_ERROR, "%s: %d %s: rename %s%s to %.*s%s%s%s", folder, stems->count,
              stems->count == 1 ? one : many, first, ending, (int)length, first, behind, ending,
              stems->count == 1 ? "" : ", and the others alike");
}

/* Length of the case's name at the beginning of a label's name. */
static size_t explained_length(const Folders *f, const char *stem)
{
    size_t longest = 0;
    for (int i = 0; i < f->explained.count; i++) {
        const size_t length = strlen(f->explained.names[i]);
        if (!strncmp(f->explained.names[i], stem, length) && length > longest) longest = length;
    }
    return longest;
}

static void report_forms(const Folders *f)
{
    Text told = {0};
    const char *first = f->other_form.names[0];
    look_alike_tell(&told, first, look_alike_find(first, f->explained.names, f->explained.count));
    fault_add(f->faults, FAULT_ERROR, "%s: %d label%s only nearly the name of an image: the case \"%s\" has no image%s",
              f->labels, f->other_form.count, f->other_form.count == 1 ? " has" : "s have", first,
              told.data ? told.data : "");
    text_free(&told);
}

static void report_labels(const Folders *f)
{
    if (f->other_form.count) report_forms(f);
    if (f->numbered.count)
        report_names(f, f->labels, &f->numbered, "label has a channel number; only images carry one",
                     "labels have a channel number; only images carry one", explained_length(f, f->numbered.names[0]),
                     "");
    if (f->suffixed.count)
        report_names(f, f->labels, &f->suffixed, "label has more than the case's name",
                     "labels have more than the case's name", explained_length(f, f->suffixed.names[0]), "");
}

static void report_images(const Folders *f, DatasetSearch *search)
{
    search->broken += f->unnumbered.count + f->misnumbered_cases.count;
    if (f->unnumbered.count)
        report_names(f, f->images, &f->unnumbered, "image has no channel number behind the case's name",
                     "images have no channel number behind the case's name", strlen(f->unnumbered.names[0]), "_0000");
    if (f->misnumbered.count) {
        const char *digits = strrchr(f->misnumbered.names[0], '_') + 1;
        char number[32];
        snprintf(number, sizeof number, "%04ld", strtol(digits, NULL, 10));
        report_names(f, f->images, &f->misnumbered, "image has a channel number that has not four digits",
                     "images have a channel number that has not four digits",
                     (size_t)(digits - f->misnumbered.names[0]), number);
    }
}

/* Warns of cases whose files have another ending. */
static void note_others(const Folders *f, DatasetSearch *search)
{
    for (int i = 0; i < f->other.count; i++) {
        const Case *c = dataset_find_case(&f->d->training, f->other.names[i]);
        if (!c || !c->label) search->ignored++;
    }
    if (!search->ignored) return;
    const char *image = f->first_other[0], *label = f->first_other[1], *own = image_ending(image ? image : label);
    text_add(&search->ignored_text,
             "%s: %s%s%s: %d case%s in files with another ending than dataset.json's file_ending, %s: such "
             "files are ignored; %s",
             f->d->folder, image ? image : "", image && label ? ", " : "", label ? label : "", search->ignored,
             search->ignored == 1 ? "" : "s", f->d->info.file_ending,
             own && !strcasecmp(own, f->d->info.file_ending) ? "capital letters count: rename them"
                                                             : "store all alike");
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
    note_others(f, search);
    TRY(report_lonely(f, search, e));
    drop_broken(f, search);
    report_labels(f);
    report_images(f, search);
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
