/* Cases by the names of the files in imagesTr and labelsTr: what was found there, and what is told of it. Internal to
 * dataset_folders.c and dataset_folders_tell.c. */
#ifndef DATA_DATASET_FOLDERS_H
#define DATA_DATASET_FOLDERS_H

#include "base/file.h"
#include "data/dataset_search.h"
#include "plans/name_list.h"

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

/* Reports labels without an image: each one, or all at once where no label has the name of an image. */
int folders_tell_lonely(Folders *f, DatasetSearch *search, Err *e);
/* Reports cases without a label, or with a gap, and removes them from the list. */
void folders_drop_broken(Folders *f, DatasetSearch *search);
/* Report names of a wrong form, in one fault for all of a form. */
void folders_tell_labels(const Folders *f);
void folders_tell_images(const Folders *f, DatasetSearch *search);
/* Warns of cases whose files have another ending. */
void folders_note_others(const Folders *f, DatasetSearch *search);

#endif
