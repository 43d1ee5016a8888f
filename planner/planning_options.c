#include "planner/planning_options.h"

#include "base/file.h"
#include "base/memory.h"

static int add_file(Text *t, const char *option, const char *path, Err *e)
{
    if (!path) return 0;
    char *absolute = path_absolute(path, e);
    if (!absolute) return e->code;
    text_add(t, " %s ", option);
    text_add_argument(t, "%s", absolute);
    mem_free(absolute);
    return 0;
}

int planning_options(char **text, const PlanRequest *request, const char *memory, Err *e)
{
    Text t = {0};
    *text = NULL;
    if (request->network) text_add(&t, " --network %s", request->network);
    if (request->minutes > 0) text_add(&t, " --minutes %g", request->minutes);
    if (request->recipe == RECIPE_PAPER) text_add(&t, " --recipe paper");
    if (request->recipe == RECIPE_NNUNET) text_add(&t, " --recipe nnunet");
    if (request->planner) text_add(&t, " --planner %s", request->planner);
    int code = add_file(&t, "--override", request->override, e);
    if (!code) code = add_file(&t, "--plans", request->plans, e);
    if (memory) text_add(&t, "%s", memory);
    if (!code) code = text_check(&t, e);
    if (!code && t.length) {
        *text = mem_strdup(t.data + 1, e); /* without the first blank */
        if (!*text) code = ERR_NOMEM;
    }
    text_free(&t);
    return code;
}
