/* The images of a folder, and their classes. */
#ifndef PRETRAIN_IMAGE_LIST_H
#define PRETRAIN_IMAGE_LIST_H

#include <stdbool.h>

#include "plans/name_list.h"

typedef struct ListedImage {
    char *path, *id;   /* id: the path within the folder without its ending, "/" as "__" */
    int class_index;   /* -1: it has none */
    bool is_validated; /* it is in val/ */
} ListedImage;

typedef struct ImageList {
    ListedImage *images; /* sorted by id */
    int count;
    NameList classes; /* sorted; the classes of the images */
} ImageList;

/* All files below the folder whose ending is that of a known format; links are followed, and folders
 * with a plans.yaml, which are results, passed over. With classes in ImageNet's layout:
 * FOLDER/CLASS/…, or FOLDER/train/CLASS/… and FOLDER/val/CLASS/…. list: new; image_list_free. Fails: ERR_IO, ERR_NOMEM; ERR_VALUE where
 * there is no image, fewer than two classes, two files of one id, or a link to a folder above it. */
int image_list_read(ImageList *list, const char *folder, bool has_classes, Err *e);
void image_list_free(ImageList *list);

#endif
