#include "planner/label_check.h"

#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "data/npy.h"
#include "preprocess/label_presence.h"

enum { FOLDS_TOLD = 8, LABELS_TOLD = 8 };

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

/* For a label that occurs in the dataset: lists the folds without it in any training case. */
static void tell_folds(Text *warnings, const LabelPresence *p, int k, const NameList *cases, const Splits *splits,
                       bool *chosen)
{
    int lacking = 0;
    for (int f = 0; f < splits->count; f++) {
        choose(chosen, &splits->folds[f], cases);
        if (!label_presence_lacks(p, k, chosen)) continue;
        if (!lacking) label_presence_name(p, k, warnings);
        if (lacking++ < FOLDS_TOLD)
            text_add(warnings, "%s%d", lacking == 1 ? ", is in none of the training cases of fold " : ", ", f);
    }
    if (lacking > FOLDS_TOLD) text_add(warnings, " and %d more", lacking - FOLDS_TOLD);
    if (lacking) text_add(warnings, ": the networks of these folds cannot learn it\n");
}

/* Labels that no case has, in one line. */
static void tell_absent(Text *warnings, const LabelPresence *p, int cases)
{
    int absent = 0;
    for (int k = 0; k < p->classes; k++) {
        if (!label_presence_lacks(p, k, NULL) || absent++ >= LABELS_TOLD) continue;
        if (absent > 1) text_add(warnings, "; ");
        label_presence_name(p, k, warnings);
    }
    if (absent > LABELS_TOLD) text_add(warnings, " and %d more labels", absent - LABELS_TOLD);
    if (absent)
        text_add(
            warnings,
            ", %s in none of %d cases: a network cannot learn %s; check how the labels were made, and whether structures are "
            "too small for the plan's spacing, or remove %s from dataset.json\n",
            absent == 1 ? "is" : "are", cases, absent == 1 ? "it" : "them", absent == 1 ? "it" : "them");
}

/* Labels that occur in the dataset, but in no training case of some fold: a line for each of the first few. */
static void tell_lacking(Text *warnings, const LabelPresence *p, const NameList *cases, const Splits *splits,
                         bool *chosen)
{
    int told = 0, more = 0;
    for (int k = 0; k < p->classes; k++) {
        Text line = {0};
        if (!label_presence_lacks(p, k, NULL)) tell_folds(&line, p, k, cases, splits, chosen);
        if (line.length && told++ < LABELS_TOLD) text_add_bytes(warnings, line.data, line.length);
        else if (line.length) more++;
        warnings->failed |= line.failed;
        text_free(&line);
    }
    if (more) text_add(warnings, "%d more labels are in none of the training cases of some folds\n", more);
}

int label_check(Text *warnings, const DatasetInfo *info, const NameList *cases, const Splits *splits,
                const char *folder, Err *e)
{
    LabelPresence p;
    TRY(label_presence_new(&p, info, cases->count, e));
    bool *chosen = mem_zalloc((size_t)cases->count + 1, sizeof *chosen, e);
    int code = chosen ? read_cases(&p, cases, folder, e) : ERR_NOMEM;
    if (!code) {
        tell_absent(warnings, &p, cases->count);
        tell_lacking(warnings, &p, cases, splits, chosen);
    }
    mem_free(chosen);
    label_presence_free(&p);
    return code ? code : text_check(warnings, e);
}
