#include "planner/label_check.h"

#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "data/npy.h"
#include "preprocess/label_presence.h"

enum { FOLDS_TOLD = 8 };

static int read_cases(LabelPresence *p, const NameList *cases, const char *folder, Err *e)
{
    int code = 0;
    for (int i = 0; i < cases->count && !code; i++) {
        Array locations;
        char *path = path_format(e, "%s/%s_locations.npy", folder, cases->names[i]);
        code = path ? npy_read(&locations, path, e) : ERR_NOMEM;
        mem_free(path);
        if (code) break;
        label_presence_add(p, i, &locations);
        array_free(&locations);
    }
    return code;
}

static void choose(bool *chosen, const Split *fold, const NameList *cases)
{
    NameList train = {fold->train, fold->train_count};
    for (int i = 0; i < cases->count; i++) {
        chosen[i] = false;
        for (int k = 0; k < train.count && !chosen[i]; k++) chosen[i] = !strcmp(train.names[k], cases->names[i]);
    }
}

/* A label that some case has: the folds whose training cases all lack it. */
static void tell_folds(Text *warnings, const LabelPresence *p, int k, const NameList *cases, const Splits *splits,
                       bool *chosen)
{
    int lacking = 0;
    for (int f = 0; f < splits->count; f++) {
        choose(chosen, &splits->folds[f], cases);
        if (!label_presence_lacks(p, k, chosen)) continue;
        if (!lacking) label_presence_name(p, k, warnings);
        if (lacking++ < FOLDS_TOLD) text_add(warnings, "%s%d", lacking == 1 ? ", is in none of the training cases of fold " : ", ", f);
    }
    if (lacking > FOLDS_TOLD) text_add(warnings, " and %d more", lacking - FOLDS_TOLD);
    if (lacking) text_add(warnings, ": it cannot be learned there\n");
}

int label_check(Text *warnings, const DatasetInfo *info, const NameList *cases, const Splits *splits, const char *folder,
                Err *e)
{
    LabelPresence p;
    TRY(label_presence_new(&p, info, cases->count, e));
    bool *chosen = mem_zalloc((size_t)cases->count + 1, sizeof *chosen, e);
    int code = chosen ? read_cases(&p, cases, folder, e) : ERR_NOMEM;
    for (int k = 0; k < p.classes && !code; k++) {
        if (label_presence_lacks(&p, k, NULL)) {
            label_presence_name(&p, k, warnings);
            text_add(warnings, ", is in none of %d cases: nothing of it can be learned; look at how the labels were made, or "
                     "take it out of dataset.json\n", cases->count);
        } else {
            tell_folds(warnings, &p, k, cases, splits, chosen);
        }
    }
    mem_free(chosen);
    label_presence_free(&p);
    return code ? code : text_check(warnings, e);
}
