#include "trainer/validation_score.h"

#include "base/file.h"
#include "base/memory.h"
#include "evaluation/case.h"
#include "evaluation/summary_files.h"

static int write_summary(const Summary *s, const char *path, Err *e)
{
    Text text = {0};
    summary_add_json(s, &text);
    int code = text_check(&text, e);
    if (!code) code = file_put(path, text.data, text.length, e);
    text_free(&text);
    return code;
}

static int score_pairs(const Pairs *pairs, const Structures *structures, const char *path, const char *note,
                       double *mean_dice, Err *e)
{
    const Rules rules = {.structures = structures, .only_overlap = true};
    Summary summary;
    TRY(summary_new(&summary, structures, pairs, e));
    summary.only_overlap = true;
    summary.note = note;
    int code = 0;
    for (int i = 0; i < pairs->count && !code; i++) {
        code = case_evaluate(&summary.cases[i], &pairs->items[i], &rules, e);
    }
    if (!code) code = summary_means(&summary, 0, e);
    if (!code) code = write_summary(&summary, path, e);
    *mean_dice = summary.foreground_mean[METRIC_DICE].value;
    summary_free(&summary);
    return code;
}

int validation_score(const ValidationFiles *files, const DatasetInfo *info, const char *note, double *mean_dice, Err *e)
{
    Pairs pairs = {0};
    Structures structures = {0};
    char *path = path_format(e, "%s/summary.json", files->predictions);
    int code = path ? 0 : ERR_NOMEM;
    if (!code) code = pairs_of_names(&pairs, files->references, files->predictions, files->names, files->count, e);
    if (!code) code = structures_from_dataset(&structures, info, e);
    if (!code) code = score_pairs(&pairs, &structures, path, note, mean_dice, e);
    structures_free(&structures);
    pairs_free(&pairs);
    mem_free(path);
    return code;
}
