#include "inference/inputs.h"

#include <string.h>

#include "base/file.h"
#include "base/memory.h"

/* Moves the case into list; it is empty afterwards. */
static int move_case(CaseList *list, Case *c, Err *e)
{
    for (int i = 0; i < list->count; i++)
        if (!strcmp(list->cases[i].id, c->id))
            return err_set(e, ERR_VALUE, "case %s is given twice: by %s and by %s", c->id,
                           list->cases[i].images[0], c->images[0]);
    void *block = list->cases;
    TRY(mem_grow(&block, (size_t)list->count * sizeof *c, (size_t)(list->count + 1) * sizeof *c, e));
    list->cases = block;
    list->cases[list->count++] = *c;
    *c = (Case){0};
    return 0;
}

static bool has_image(const Case *c, const char *name)
{
    for (int i = 0; i < c->image_count; i++)
        if (!strcmp(path_base(c->images[i]), name)) return true;
    return false;
}

/* A file that is a case of its own: all its channels in one. */
static int add_lone_file(CaseList *list, const char *path, const char *ending, Err *e)
{
    const char *name = path_base(path);
    CaseList one = {mem_zalloc(1, sizeof(Case), e), 1};
    if (!one.cases) return ERR_NOMEM;
    Case *c = one.cases;
    c->id = path_format(e, "%.*s", (int)(strlen(name) - strlen(ending)), name);
    c->images = mem_zalloc(1, sizeof *c->images, e);
    if (c->images) c->images[0] = mem_strdup(path, e);
    c->image_count = c->images && c->images[0];
    const int code = c->id && c->image_count ? move_case(list, c, e) : ERR_NOMEM;
    case_list_free(&one);
    return code;
}

static int add_file(CaseList *list, const char *path, Err *e)
{
    const char *ending = image_ending(path);
    if (!ending || !file_exists(path))
        return err_set(e, ERR_VALUE, "%s: expected a folder, or an image of a known format", path);
    FaultList ignored = {0}; /* about the folder's other files */
    CaseList siblings;
    char *folder = path_base(path) == path ? mem_strdup(".", e)
                                           : path_format(e, "%.*s", (int)(path_base(path) - path), path);
    if (!folder) return ERR_NOMEM;
    int code = case_list_images(&siblings, folder, ending, &ignored, e);
    faults_free(&ignored);
    mem_free(folder);
    if (code) return code;
    bool found = false;
    for (int i = 0; i < siblings.count && !code && !found; i++) {
        found = has_image(&siblings.cases[i], path_base(path));
        if (found) code = move_case(list, &siblings.cases[i], e);
    }
    case_list_free(&siblings);
    return found || code ? code : add_lone_file(list, path, ending, e);
}

int inputs_add(CaseList *list, const char *path, const char *ending, FaultList *faults, Err *e)
{
    if (!file_is_folder(path)) return add_file(list, path, e);
    CaseList all;
    TRY(case_list_images(&all, path, ending, faults, e));
    int code = all.count ? 0 : err_set(e, ERR_VALUE, "%s: no image named CASE_0000%s is there", path, ending);
    for (int i = 0; i < all.count && !code; i++) code = move_case(list, &all.cases[i], e);
    case_list_free(&all);
    return code;
}
