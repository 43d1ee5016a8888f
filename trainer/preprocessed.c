#include "trainer/preprocessed.h"

#include <stdbool.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/path_hint.h"
#include "base/text.h"

static int holds(bool *there, const char *folder, const char *name, Err *e)
{
    char *path = path_format(e, "%s/%s", folder, name);
    const int code = path ? file_is_there(path, there, e) : ERR_NOMEM;
    mem_free(path);
    return code;
}

static int refuse_raw(const char *folder, Err *e)
{
    Text argument = {0};
    text_add_argument(&argument, "%s", folder);
    int code = text_check(&argument, e);
    if (!code)
        code =
            err_set(e, ERR_VALUE,
                    "%s: this is a raw dataset: train needs the folder that plan_and_preprocess makes from it; type: "
                    "plan_and_preprocess %s -o PREPROCESSED",
                    folder, argument.data);
    text_free(&argument);
    return code;
}

/* Fails without plans.yaml; the message covers the most likely mistakes: the raw dataset, or 2d/ within the folder. */
static int expect_plan(const char *folder, Err *e)
{
    bool there, has_plan, is_raw, is_within;
    TRY(folder_is_there(folder, &there, e));
    if (!there) {
        err_set(e, ERR_VALUE, "%s: no such folder: expected the folder that plan_and_preprocess wrote (its -o)",
                folder);
        return path_hint(e, folder);
    }
    TRY(holds(&has_plan, folder, "plans.yaml", e));
    if (has_plan) return 0;
    TRY(holds(&is_raw, folder, "imagesTr", e));
    if (is_raw) return refuse_raw(folder, e);
    TRY(holds(&is_within, folder, "../plans.yaml", e));
    return err_set(e, ERR_VALUE,
                   "%s: there is no plans.yaml: expected the folder that plan_and_preprocess wrote (its -o)%s%s%s",
                   folder, is_within ? ", here " : "", is_within ? folder : "", is_within ? "/.." : "");
}

static int refuse_writing(const char *folder, Err *e)
{
    return err_set(e, ERR_VALUE, "%s: plan_and_preprocess is writing to it: wait until it is done", folder);
}

/* The lock is tried first: a first run of plan_and_preprocess has not written plans.yaml yet. */
int preprocessed_lock(FolderLock *lock, const char *preprocessed, Err *e)
{
    Err missing = {0};
    bool is_locked;
    int code = expect_plan(preprocessed, &missing);
    if (code && file_is_folder(preprocessed)) {
        TRY(folder_is_locked(preprocessed, &is_locked, e));
        if (is_locked) return refuse_writing(preprocessed, e);
    }
    if (code) {
        *e = missing;
        return code;
    }
    code = folder_lock_shared(lock, preprocessed, e);
    return code == ERR_VALUE ? refuse_writing(preprocessed, e) : code;
}
