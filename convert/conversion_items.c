/* What sources add to a conversion: items, pairs of files, folds, paths. */
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "convert/conversion.h"
#include "data/image_io.h"

int conversion_add(Conversion *c, const char *part, int group, const char *id, char *image, char *label, Err *e)
{
    ConversionItem item = {.part = part, .group = group, .image = image, .label = label, .id = mem_strdup(id, e)};
    if (item.id && !mem_grow_list(&c->items, c->count, sizeof *c->items, e)) {
        c->items[c->count++] = item;
        return 0;
    }
    mem_free(item.id);
    mem_free(image);
    mem_free(label);
    return ERR_NOMEM;
}

/* ---- pairs ---- */

/* The name without an image's ending and the suffix; NULL where the file is not taken, with a fault if its name has
 * not the form. */
static char *id_of(Conversion *c, const ImagePairs *p, const char *folder, const char *name, const char *suffix, Err *e)
{
    const char *ending = image_ending(name);
    const int length = ending ? (int)(ending - name) : 0, rest = length - (int)strlen(suffix);
    if (!ending) {
        fault_add(&c->faults, FAULT_WARNING, "%s/%s: is no image file, and is not used", folder, name);
        return NULL;
    }
    if (rest < 1 || strncmp(name + rest, suffix, strlen(suffix))) {
        fault_add(&c->faults, FAULT_ERROR, "%s/%s: expected a name that ends in %s%s", folder, name, suffix, ending);
        return NULL;
    }
    char *id = path_format(e, "%.*s", rest, name);
    const int taken = id && p->takes ? p->takes(id) : 1;
    if (taken > 0) return id;
    mem_free(id);
    if (taken < 0) fault_add(&c->faults, FAULT_ERROR, "%s/%s: expected %s", folder, name, p->form);
    else if (p->passed_over && folder == p->images) ++*p->passed_over;
    return NULL;
}

static ConversionItem *find_item(const Conversion *c, int first, const char *id)
{
    for (int i = first; i < c->count; i++)
        if (!strcmp(c->items[i].id, id)) return &c->items[i];
    return NULL;
}

static int add_image(Conversion *c, const ImagePairs *p, int first, const char *name, Err *e)
{
    err_clear(e);
    char *id = id_of(c, p, p->images, name, "", e);
    const ConversionItem *same = id ? find_item(c, first, id) : NULL;
    int code = e->code;
    if (same)
        fault_add(&c->faults, FAULT_ERROR, "%s/%s: has the name of %s: keep one of them", p->images, name, same->image);
    else if (id) {
        char *path = path_format(e, "%s/%s", p->images, name);
        code = path ? conversion_add(c, p->part, p->group, id, path, NULL, e) : ERR_NOMEM;
    }
    mem_free(id);
    return code;
}

static int add_label(Conversion *c, const ImagePairs *p, int first, const char *name, Err *e)
{
    err_clear(e);
    char *id = id_of(c, p, p->labels, name, p->label_suffix, e);
    ConversionItem *item = id ? find_item(c, first, id) : NULL;
    int code = e->code;
    if (id && !item)
        fault_add(&c->faults, FAULT_ERROR, "%s/%s: there is no image %s in %s", p->labels, name, id, p->images);
    else if (item && item->label)
        fault_add(&c->faults, FAULT_ERROR, "%s/%s: has the name of %s: keep one of them", p->labels, name, item->label);
    else if (item) code = (item->label = path_format(e, "%s/%s", p->labels, name)) ? 0 : ERR_NOMEM;
    mem_free(id);
    return code;
}

int conversion_add_pairs(Conversion *c, const ImagePairs *p, Err *e)
{
    FileList images = {0}, labels = {0};
    const int first = c->count;
    int code = file_list(&images, p->images, e);
    if (!code && p->labels) code = file_list(&labels, p->labels, e);
    for (int i = 0; i < images.count && !code; i++) code = add_image(c, p, first, images.names[i], e);
    for (int i = 0; i < labels.count && !code; i++) code = add_label(c, p, first, labels.names[i], e);
    for (int i = first; i < c->count && !code && p->labels; i++)
        if (!c->items[i].label)
            fault_add(&c->faults, FAULT_ERROR, "%s: there is no label %s%s in %s", c->items[i].image, c->items[i].id,
                      p->label_suffix, p->labels);
    file_list_free(&images);
    file_list_free(&labels);
    return code;
}

/* ---- folds ---- */

static bool is_among(int group, const int *groups, int count)
{
    for (int i = 0; i < count; i++)
        if (groups[i] == group) return true;
    return false;
}

int conversion_add_fold(Conversion *c, const int *groups, int count, Err *e)
{
    TRY(mem_grow_list(&c->splits.folds, c->splits.count, sizeof *c->splits.folds, e));
    Split *fold = &c->splits.folds[c->splits.count++];
    *fold = (Split){0};
    for (int i = 0; i < c->count; i++) {
        if (strcmp(c->items[i].part, "Tr")) continue;
        const bool validated = is_among(c->items[i].group, groups, count);
        char ***list = validated ? &fold->val : &fold->train;
        int *length = validated ? &fold->val_count : &fold->train_count;
        char *id = mem_strdup(c->items[i].id, e);
        if (!id || mem_grow_list(list, *length, sizeof **list, e)) {
            mem_free(id);
            return ERR_NOMEM;
        }
        (*list)[(*length)++] = id;
    }
    return 0;
}

/* ---- paths ---- */

int conversion_find_folder(char **path, const Conversion *c, const char *name, Err *e)
{
    bool there;
    *path = path_format(e, "%s/%s", c->in, name);
    const int code = folder_is_there(*path, &there, e);
    if (!code && there) return 0;
    mem_free(*path);
    *path = NULL;
    return code;
}

/* A folder of IN that has the wanted one: archives often unpack into a folder of their own. Owned; NULL: none. */
static char *find_deeper(const Conversion *c, const char *name)
{
    FileList list = {0};
    char *found = NULL;
    if (file_list(&list, c->in, NULL)) return NULL;
    for (int i = 0; i < list.count && !found; i++) {
        char *inside = path_format(NULL, "%s/%s/%s", c->in, list.names[i], name);
        if (inside && file_is_folder(inside)) found = path_format(NULL, "%s/%s", c->in, list.names[i]);
        mem_free(inside);
    }
    file_list_free(&list);
    return found;
}

int conversion_need_folder(char **path, const Conversion *c, const char *name, const char *expected, Err *e)
{
    TRY(conversion_find_folder(path, c, name, e));
    if (*path) return 0;
    if (!file_is_folder(c->in)) return err_set(e, ERR_VALUE, "%s: is no folder: expected %s", c->in, expected);
    char *deeper = find_deeper(c, name);
    if (deeper) err_set(e, ERR_VALUE, "%s: has no folder %s, but %s has: give that one as IN", c->in, name, deeper);
    else err_set(e, ERR_VALUE, "%s: has no folder %s: expected %s", c->in, name, expected);
    mem_free(deeper);
    return ERR_VALUE;
}

char *conversion_target(const Conversion *c, const char *kind, const ConversionItem *item, const char *suffix, Err *e)
{
    char *folder = path_format(e, "%s/%s%s", c->fresh, kind, item->part), *path = NULL;
    if (folder && !file_make_folders(folder, e)) path = path_format(e, "%s/%s%s", folder, item->id, suffix);
    mem_free(folder);
    return path;
}

int conversion_copy_image(const Conversion *c, const ConversionItem *item, const char *suffix, Err *e)
{
    char *to = conversion_target(c, "images", item, suffix, e);
    const int code = to ? file_copy(item->image, to, e) : e->code;
    mem_free(to);
    return code;
}
