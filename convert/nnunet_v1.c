/* A raw dataset of nnU-Net 1 (TaskNNN_NAME) to one of nnU-Net 2, as nnU-Net's
 * convert_raw_dataset_from_old_nnunet_format.py does it: all images and labels are copied, dataset.json gets the new
 * form.
 *
 *   IN/dataset.json, imagesTr/CASE_0000.nii.gz …, labelsTr/CASE.nii.gz, imagesTs, labelsTs, imagesVal, labelsVal */
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "convert/conversion.h"
#include "convert/task_json.h"

static const char EXPECTED[] = "a raw dataset of nnU-Net 1, with dataset.json, imagesTr and labelsTr";
static const char ENDING[] = ".nii.gz";

/* An item for each file; a case of several channels has several. */
static int add_folder(Conversion *c, const char *kind, const char *part, Err *e)
{
    FileList list = {0};
    char *folder, *name = path_format(e, "%s%s", kind, part);
    int code = name ? conversion_find_folder(&folder, c->in, name, e) : ERR_NOMEM;
    mem_free(name);
    if (code || !folder) return code;
    code = file_list(&list, folder, e);
    for (int i = 0; i < list.count && !code; i++) {
        if (!path_ends_with(list.names[i], ENDING)) {
            fault_add(&c->faults, FAULT_WARNING, "%s/%s: is no %s file, and is not copied", folder, list.names[i],
                      ENDING);
            continue;
        }
        char *path = path_format(e, "%s/%s", folder, list.names[i]);
        char *id = path_format(e, "%.*s", (int)(strlen(list.names[i]) - strlen(ENDING)), list.names[i]);
        const bool is_image = !strcmp(kind, "images");
        if (!path || !id) mem_free(path);
        code =
            path && id ? conversion_add(c, part, 0, id, is_image ? path : NULL, is_image ? NULL : path, e) : ERR_NOMEM;
        mem_free(id);
    }
    file_list_free(&list);
    mem_free(folder);
    return code;
}

static int expect_file(Conversion *c, const char *name, const char *of, Err *e)
{
    bool there;
    char *path = path_format(e, "%s/%s", c->in, name);
    const int code = file_is_there(path, &there, e);
    if (!code && !there) fault_add(&c->faults, FAULT_ERROR, "%s: is missing, but there is %s", path, of);
    mem_free(path);
    return code;
}

/* A label needs a file of each channel; an image, with its channel's number, a label. */
static int check_item(Conversion *c, const ConversionItem *item, Err *e)
{
    const int length = (int)strlen(item->id), channel = 5; /* _0000 */
    int code = 0;
    for (int k = 0; item->label && k < c->info.channel_count && !code; k++) {
        char *name = path_format(e, "imagesTr/%s_%04d%s", item->id, k, ENDING);
        code = name ? expect_file(c, name, item->label, e) : ERR_NOMEM;
        mem_free(name);
    }
    if (!item->image) return code;
    if (length <= channel || item->id[length - channel] != '_' ||
        strspn(item->id + length - channel + 1, "0123456789") != 4) {
        fault_add(
            &c->faults, FAULT_ERROR,
            "%s: has no channel number, as CASE_0000%s; a task of the Decathlon is converted by convert_dataset msd",
            item->image, ENDING);
        return 0;
    }
    char *name = path_format(e, "labelsTr/%.*s%s", length - channel, item->id, ENDING);
    code = name ? expect_file(c, name, item->image, e) : ERR_NOMEM;
    mem_free(name);
    return code;
}

static int find(Conversion *c, Err *e)
{
    static const char *const parts[] = {"Tr", "Ts", "Val"}, *const kinds[] = {"images", "labels"};
    TRY(task_json_read(c, e));
    for (int i = 0; i < 2; i++) {
        char *folder, *name = path_format(e, "%sTr", kinds[i]);
        const int code = name ? conversion_need_folder(&folder, c, name, EXPECTED, e) : ERR_NOMEM;
        mem_free(name);
        if (code) return code;
        mem_free(folder);
    }
    for (int i = 0; i < 6; i++) TRY(add_folder(c, kinds[i % 2], parts[i / 2], e));
    for (int i = 0; i < c->count; i++)
        if (!strcmp(c->items[i].part, "Tr")) TRY(check_item(c, &c->items[i], e));
    task_json_compare(c);
    return 0;
}

static int write(const Conversion *c, const ConversionItem *item, Err *e)
{
    const bool is_image = item->image;
    char *to = conversion_target(c, is_image ? "images" : "labels", item, ENDING, e);
    const int code = to ? file_copy(is_image ? item->image : item->label, to, e) : e->code;
    mem_free(to);
    return code;
}

const ConversionSource source_nnunet_v1 = {
    .name = "nnunet-v1",
    .about = "a raw dataset of nnU-Net 1",
    .find = find,
    .write = write,
};
