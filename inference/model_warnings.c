#include "inference/model_warnings.h"

#include "base/memory.h"
#include "inference/predictor.h"
#include "inference/results.h"
#include "plans/splits.h"

static void warn_of_unused(FaultList *warnings, const ModelSource *s, const FoldList *folds, const char *why)
{
    Text names = {0};
    if (!folds->count) return;
    fold_list_text(folds, &names);
    fault_add(warnings, FAULT_WARNING, "%s: %s left out: without checkpoint_%s; %s", s->results,
              names.data ? names.data : "", s->checkpoint, why);
    text_free(&names);
}

static int find_unused_folds(FaultList *warnings, const ModelSource *s, Err *e)
{
    FoldList finished = {0}, unfinished = {0};
    int code = 0;
    for (int i = 0; i < s->unused.count && !code; i++) {
        const int fold = s->unused.numbers[i];
        char *final = NULL;
        if (fold == SPLITS_FOLD_ALL) continue; /* nnU-Net's rule: only used if it is asked for */
        code = results_checkpoint(&final, s->results, fold, "final", e);
        if (!code) code = fold_list_add(final ? &finished : &unfinished, fold, e);
        mem_free(final);
    }
    if (!code) {
        warn_of_unused(warnings, s, &finished, "finished trainings, which have checkpoint_final");
        warn_of_unused(warnings, s, &unfinished, "trainings that are not finished");
    }
    fold_list_free(&unfinished);
    fold_list_free(&finished);
    return code;
}

static int find_unfinished(FaultList *warnings, const ModelSource *s, Err *e)
{
    Text folds = {0};
    char name[FOLD_NAME_BYTES];
    int code = 0;
    for (int i = 0; i < s->folds.count && !code; i++) {
        ResultsProgress p;
        code = results_progress(&p, s->results, s->folds.numbers[i], e);
        if (code || !p.goes_on) continue;
        text_add(&folds, "%sfold %s", folds.length ? ", " : "", fold_name(name, s->folds.numbers[i]));
        if (p.final >= 0 && p.latest > p.final)
            text_add(&folds, " (%lld epochs, now %lld)", (long long)p.final, (long long)p.latest);
    }
    if (!code && folds.length)
        fault_add(warnings, FAULT_WARNING,
                  "%s: the training of %s was continued after checkpoint_final and is not finished: "
                  "checkpoint_final is used; --checkpoint latest uses the newer weights, only of folds that have them; "
                  "train --continue finishes them",
                  s->results, folds.data);
    text_free(&folds);
    return code;
}

/* By another plan images would be preprocessed in another way. */
static int find_other_plans(FaultList *warnings, const ModelSource *s, Err *e)
{
    enum { SHOWN = 400 };
    Text first = {0}, folds = {0};
    char name[FOLD_NAME_BYTES];
    int code = 0;
    for (int i = 0; i < s->folds.count && !code; i++) {
        Text own = {0};
        code = predictor_trained_otherwise(&own, s->paths[i], &s->plan, e);
        if (own.length) text_add(&folds, "%s%s", folds.length ? ", " : "", fold_name(name, s->folds.numbers[i]));
        if (own.length && !first.length) text_add(&first, "%.*s%s", SHOWN, own.data, own.length > SHOWN ? " …" : "");
        text_free(&own);
    }
    if (!code && first.length)
        fault_add(warnings, FAULT_WARNING,
                  "%s/plans.yaml is not the plan by which fold %s was trained (%s): the labels may be wrong; undo the "
                  "change, or train again",
                  s->results, folds.data ? folds.data : "", first.data);
    text_free(&first);
    text_free(&folds);
    return code;
}

int model_source_warnings(FaultList *warnings, const ModelSource *s, bool is_chosen, Err *e)
{
    TRY(find_unused_folds(warnings, s, e));
    if (!is_chosen) TRY(find_unfinished(warnings, s, e));
    return find_other_plans(warnings, s, e);
}
