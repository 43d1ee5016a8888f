#include "pretrain/image_list.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "data/image_io.h"

static const char TRAINING[] = "train/", VALIDATION[] = "val/";

/* "a/b/c.nii.gz" → "a__b__c"; owned by the caller. */
static char *id_of(const char *within, Err *e)
{
    Text t = {0};
    const size_t length = strlen(within) - strlen(image_ending(within));
    for (size_t i = 0; i < length; i++) text_add(&t, within[i] == '/' ? "__" : "%c", within[i]);
    char *id = text_check(&t, e) ? NULL : mem_strdup(t.data, e);
    text_free(&t);
    return id;
}

static int add_image(ImageList *list, const char *path, const char *within, Err *e)
{
    const size_t bytes = (size_t)list->count * sizeof *list->images;
    TRY(mem_grow((void **)&list->images, bytes, bytes + sizeof *list->images, e));
    ListedImage *image = &list->images[list->count++];
    *image = (ListedImage){mem_strdup(path, e), id_of(within, e), -1, false};
    return image->path && image->id ? 0 : ERR_NOMEM;
}

static int add_folder(ImageList *list, const char *folder, size_t root, Err *e);

/* Fails where the folder is one of those above it, which a link can make it. */
static int check_loop(const char *folder, size_t root, Err *e)
{
    const size_t length = strlen(folder);
    bool loops = false;
    for (size_t i = root - 1; i < length && !loops; i++) {
        if (folder[i] != '/') continue;
        char *above = path_format(e, "%.*s", (int)i, folder);
        const int code = file_is_same(above, folder, &loops, e);
        mem_free(above);
        if (code) return code;
    }
    return loops ? err_set(e, ERR_VALUE, "%s: a link to a folder that contains it: remove the link", folder) : 0;
}

/* A folder of these programs, such as that of an earlier pretraining, whose pictures are no images to train on. */
static int has_plan(const char *folder, bool *has, Err *e)
{
    char *path = path_format(e, "%s/plans.yaml", folder);
    const int code = path ? file_is_there(path, has, e) : ERR_NOMEM;
    mem_free(path);
    return code;
}

/* root: length of the path of the whole folder, with its slash. */
static int add_entry(ImageList *list, const char *path, size_t root, Err *e)
{
    bool passed_over;
    if (!file_is_folder(path)) return image_ending(path) ? add_image(list, path, path + root, e) : 0;
    TRY(check_loop(path, root, e));
    TRY(has_plan(path, &passed_over, e));
    return passed_over ? 0 : add_folder(list, path, root, e);
}

static int add_folder(ImageList *list, const char *folder, size_t root, Err *e)
{
    FileList names;
    TRY(file_list(&names, folder, e));
    int code = 0;
    for (int i = 0; i < names.count && !code; i++) {
        char *path = path_format(e, "%s/%s", folder, names.names[i]);
        code = path ? add_entry(list, path, root, e) : ERR_NOMEM;
        mem_free(path);
    }
    file_list_free(&names);
    return code;
}

static int by_id(const void *a, const void *b)
{
    return strcmp(((const ListedImage *)a)->id, ((const ListedImage *)b)->id);
}

static int sort(ImageList *list, const char *folder, Err *e)
{
    if (!list->count) {
        char known[IMAGE_ENDINGS_BYTES];
        image_known_endings(known, false);
        return err_set(e, ERR_VALUE, "%s: there is no image in it; the known endings are%s", folder, known);
    }
    qsort(list->images, (size_t)list->count, sizeof *list->images, by_id);
    for (int i = 1; i < list->count; i++)
        if (!strcmp(list->images[i - 1].id, list->images[i].id))
            return err_set(e, ERR_VALUE, "%s and %s have one name without their endings: rename or remove one",
                           list->images[i - 1].path, list->images[i].path);
    return 0;
}

/* ---- classes ---- */

static bool is_below(const char *within, const char *folder) { return !strncmp(within, folder, strlen(folder)); }

static int name_index(const NameList *names, const char *name)
{
    int i = 0;
    while (i < names->count && strcmp(names->names[i], name)) i++;
    return i < names->count ? i : -1;
}

/* The image's class is its folder's name: the first of its path, or the one below train/ and val/. */
static int take_class(ListedImage *image, const char *within, char **class_name, Err *e)
{
    image->is_validated = is_below(within, VALIDATION);
    const char *rest = within;
    if (image->is_validated) rest += strlen(VALIDATION);
    else if (is_below(within, TRAINING)) rest += strlen(TRAINING);
    const char *slash = strchr(rest, '/');
    if (!slash)
        return err_set(
            e, ERR_VALUE,
            "%s: expected it in the folder of its class: CLASS/IMAGE, or train/CLASS/IMAGE and val/CLASS/IMAGE",
            image->path);
    *class_name = path_format(e, "%.*s", (int)(slash - rest), rest);
    return *class_name ? 0 : ERR_NOMEM;
}

static int take_classes(ImageList *list, size_t root, Err *e)
{
    char **of_image = mem_zalloc((size_t)list->count, sizeof *of_image, e);
    int code = of_image ? 0 : ERR_NOMEM;
    for (int i = 0; i < list->count && !code; i++) {
        code = take_class(&list->images[i], list->images[i].path + root, &of_image[i], e);
        if (!code && name_index(&list->classes, of_image[i]) < 0) code = names_add(&list->classes, of_image[i], e);
    }
    if (!code) names_sort(&list->classes);
    for (int i = 0; i < list->count && !code; i++)
        list->images[i].class_index = name_index(&list->classes, of_image[i]);
    for (int i = 0; of_image && i < list->count; i++) mem_free(of_image[i]);
    mem_free(of_image);
    return code;
}

int image_list_read(ImageList *list, const char *folder, bool has_classes, Err *e)
{
    *list = (ImageList){0};
    const size_t root = strlen(folder) + 1;
    int code = add_folder(list, folder, root, e);
    if (!code) code = sort(list, folder, e);
    if (!code && has_classes) code = take_classes(list, root, e);
    if (!code && has_classes && list->classes.count < 2)
        code = err_set(e, ERR_VALUE, "%s: there is one class of images, %s: expected a folder for each of at least two",
                       folder, list->classes.names[0]);
    if (code) image_list_free(list);
    return code;
}

void image_list_free(ImageList *list)
{
    for (int i = 0; i < list->count; i++) {
        mem_free(list->images[i].path);
        mem_free(list->images[i].id);
    }
    mem_free(list->images);
    names_free(&list->classes);
    *list = (ImageList){0};
}
