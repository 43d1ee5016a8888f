/* What is told of the names of files in imagesTr and labelsTr. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/look_alike.h"
#include "data/dataset_folders.h"

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

int folders_tell_lonely(Folders *f, DatasetSearch *search, Err *e)
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

void folders_drop_broken(Folders *f, DatasetSearch *search)
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

void folders_tell_labels(const Folders *f)
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

void folders_tell_images(const Folders *f, DatasetSearch *search)
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

void folders_note_others(const Folders *f, DatasetSearch *search)
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
