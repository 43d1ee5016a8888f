#include "inference/validation_record.h"

#include <stdarg.h>
#include <string.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/text.h"
#include "inference/model_source.h"
#include "inference/prediction_record.h"
#include "inference/prediction_record_file.h"
#include "inference/predictor.h"
#include "inference/results.h"

/* Fails with the reason and the command that predicts the fold's cases again. */
static int __attribute__((format(printf, 5, 6)))
refuse(const CrossValidation *v, const char *results, int fold, Err *e, const char *format, ...)
{
    Text what = {0};
    va_list args;
    va_start(args, format);
    text_add_args(&what, format, args);
    va_end(args);
    text_add(&what, "; predict the validation cases again: train PREPROCESSED %d -o ", fold);
    text_add_argument(&what, "%s", results);
    text_add(&what, " --val-only%s", v->has_probabilities ? " --save-probabilities" : "");
    int code = text_check(&what, e);
    if (!code) code = err_set(e, ERR_VALUE, "%s", what.data);
    text_free(&what);
    return code;
}

/* *same: the file's content is the recorded one. */
static int has_content(bool *same, const char *path, const char *recorded, Err *e)
{
    char hash[HASH_BYTES];
    TRY(hash_file(hash, path, e));
    *same = !strcmp(hash, recorded);
    return 0;
}

static int expect_output(const CrossValidation *v, const char *results, int fold, const char *path,
                         const char *recorded, Err *e)
{
    bool there, same;
    TRY(file_is_there(path, &there, e));
    if (!there) return refuse(v, results, fold, e, "%s does not exist", path);
    TRY(has_content(&same, path, recorded, e));
    if (same) return 0;
    return refuse(v, results, fold, e, "%s was changed since it was predicted (predict.yaml beside it)", path);
}

static int expect_weights(const CrossValidation *v, const RecordContent *record, const char *results, int fold, Err *e)
{
    char key[FOLD_KEY_BYTES], *path;
    bool same = false;
    const char *recorded = made_from_find(&record->made_from, fold_weights_key(key, fold));
    const char *checkpoint = made_from_find(&record->made_from, "checkpoint");
    if (!recorded || !checkpoint) return 0;
    TRY(results_checkpoint(&path, results, fold, checkpoint, e));
    int code = path ? has_content(&same, path, recorded, e) : 0;
    if (!code && !path)
        code = err_set(e, ERR_VALUE,
                       "%s/fold_%d has no checkpoint_%s, which its validation cases were predicted with: put it "
                       "back, finish the training (train --continue), or choose the other folds with -f",
                       results, fold, checkpoint);
    else if (!code && !same)
        code = refuse(v, results, fold, e,
                      "%s/fold_%d/validation was predicted with other weights than those that are now "
                      "in %s",
                      results, fold, path);
    mem_free(path);
    return code;
}

/* Fails if plan, labels or options for the prediction have changed since. The precision may differ. */
static int expect_model(const CrossValidation *v, const RecordContent *record, const char *results, int fold, Err *e)
{
    static const char *const deciding[] = {"plan ", "labels", "regions_class_order", "step", "gaussian", "mirroring"};
    ModelSource source;
    MadeFrom now = {0};
    Text differences = {0};
    const char *checkpoint = made_from_find(&record->made_from, "checkpoint");
    const PredictorOptions options = {.folds = &fold, .fold_count = 1, .checkpoint = checkpoint};
    if (!checkpoint) return 0;
    TRY(model_source_open(&source, results, &fold, 1, checkpoint, e));
    predictor_made_from(&now, "", &source, &options);
    model_source_free(&source);
    int code = made_from_check(&now, e);
    for (size_t i = 0; i < sizeof deciding / sizeof *deciding && !code && !differences.length; i++)
        made_from_differences(&differences, &record->made_from, &now, deciding[i]);
    if (!code) code = text_check(&differences, e);
    if (!code && differences.length)
        code = refuse(v, results, fold, e,
                      "%s/fold_%d/validation was predicted with other settings than those of %s now (%s)", results,
                      fold, results, differences.data);
    text_free(&differences);
    made_from_free(&now);
    return code;
}

/* Checks the files that are read for the choice. */
static int expect_outputs(const CrossValidation *v, const ValidationCase *c, const RecordedCase *record,
                          const char *results, Err *e)
{
    int code = 0;
    if (v->has_probabilities && !recorded_file(&record->outputs, ".npy"))
        return refuse(v, results, c->fold, e, "%s/%s.npy belongs to an earlier validation than the labels beside it",
                      c->folder, c->id);
    for (int i = 0; i < record->outputs.count && !code; i++) {
        const MadeFromItem *file = &record->outputs.items[i];
        if (!v->has_probabilities && strcmp(file->key, path_base(c->prediction))) continue;
        char *path = path_format(e, "%s/%s", c->folder, file->key);
        code = path ? expect_output(v, results, c->fold, path, file->value, e) : ERR_NOMEM;
        mem_free(path);
    }
    return code;
}

/* Fails if the reference that a case was validated against has changed since. */
static int expect_reference(const CrossValidation *v, const ValidationCase *c, const RecordedCase *record,
                            const char *results, Err *e)
{
    bool same;
    const char *recorded = recorded_file(&record->inputs, path_base(c->reference));
    if (!v->own_references || !recorded) return 0;
    TRY(has_content(&same, c->reference, recorded, e));
    return same ? 0
                : refuse(v, results, c->fold, e, "%s was changed since the case %s was validated", c->reference, c->id);
}

static const ValidationCase *find_case(const CrossValidation *v, int fold, const char *id)
{
    for (int i = 0; i < v->count; i++)
        if (v->cases[i].fold == fold && !strcmp(v->cases[i].id, id)) return &v->cases[i];
    return NULL;
}

static int expect_cases(const CrossValidation *v, const RecordContent *record, const char *results, int fold, Err *e)
{
    for (int i = 0; i < v->count; i++) {
        const ValidationCase *c = &v->cases[i];
        if (c->fold != fold) continue;
        const RecordedCase *recorded = record_content_find(record, c->id);
        if (!recorded || recorded->state != RECORD_DONE)
            return refuse(v, results, fold, e,
                          "case %s of %s/fold_%d/validation was not finished (predict.yaml "
                          "there)",
                          c->id, results, fold);
        TRY(expect_outputs(v, c, recorded, results, e));
        TRY(expect_reference(v, c, recorded, results, e));
    }
    for (int i = 0; i < record->count; i++)
        if (!find_case(v, fold, record->cases[i].id))
            return refuse(v, results, fold, e,
                          "%s/fold_%d/validation/summary.json does not have the case %s, which is in predict.yaml "
                          "there",
                          results, fold, record->cases[i].id);
    return 0;
}

/* Adds the weights and the precision that the fold was validated with. */
static int take_origin(CrossValidation *v, const RecordContent *record, const char *results, int fold, Err *e)
{
    char key[FOLD_KEY_BYTES], name[FOLD_NAME_BYTES], *path = NULL;
    const char *weights = made_from_find(&record->made_from, fold_weights_key(key, fold)),
               *precision = made_from_find(&record->made_from, "precision");
    if (precision) made_from_add(&v->precisions, fold_name(name, fold), "%s", precision);
    if (weights) made_from_add(&v->weights, key, "%s", weights);
    else TRY(results_checkpoint(&path, results, fold, "final", e));
    if (path) made_from_add_file(&v->weights, key, path);
    mem_free(path);
    TRY(made_from_check(&v->weights, e));
    return made_from_check(&v->precisions, e);
}

static int expect_recorded(const CrossValidation *v, const RecordContent *record, const char *results, int fold, Err *e)
{
    TRY(expect_weights(v, record, results, fold, e));
    TRY(expect_model(v, record, results, fold, e));
    return expect_cases(v, record, results, fold, e);
}

int validation_record_expect(CrossValidation *v, const char *results, int fold, Err *e)
{
    RecordContent record = {0};
    bool there;
    char *path = path_format(e, "%s/fold_%d/validation/" PREDICTION_RECORD_NAME, results, fold);
    int code = file_is_there(path, &there, e);
    if (!code && there) {
        code = record_content_read(&record, path, e);
        if (!code) code = expect_recorded(v, &record, results, fold, e);
    }
    if (!code) code = take_origin(v, &record, results, fold, e);
    record_content_free(&record);
    mem_free(path);
    return code;
}
