/* Checkpoints of a Training (training_parts.h). */
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "trainer/training_parts.h"

/* Removes the earlier run: its checkpoints, and the plan in RESULTS, if this run has another one. */
static int replace_earlier(Training *t, Err *e)
{
    TRY(run_folder_lock_results(&t->folder, &t->waiting, e));
    int code = t->choice.is_bound ? 0 : training_plan_check_still_free(&t->plan, &t->folder, e);
    if (!code) code = run_folder_settle(&t->folder, e);
    run_folder_unlock_results(&t->folder);
    return code;
}

int training_save(Training *t, const char *name, Err *e)
{
    if (!training_writes(t)) return 0;
    const CheckpointWeights weights = {t->model.parameters, t->average};
    text_free(&t->state.plan);
    TRY(plan_text(&t->plan, &t->state.plan, e));
    char *path = run_folder_checkpoint(&t->folder, name, e);
    int code = path ? checkpoint_write(path, &weights, t->optimizer, &t->state, e) : ERR_NOMEM;
    mem_free(path);
    if (!code && run_folder_replaces(&t->folder) && !strcmp(name, "latest")) code = replace_earlier(t, e);
    return code;
}
