#include "trainer/validation.h"

#include <math.h>
#include <string.h>

#include "base/file.h"
#include "base/lock.h"
#include "base/memory.h"
#include "data/image_io.h"
#include "evaluation/outputs.h"
#include "inference/prediction_record.h"
#include "inference/predictor.h"
#include "inference/probabilities.h"
#include "inference/results.h"
#include "network/executor/precision.h"
#include "trainer/case_check.h"
#include "trainer/case_set.h"
#include "trainer/preprocessed.h"
#include "trainer/run_folder.h"
#include "trainer/split_record.h"
#include "trainer/validation_score.h"

typedef struct Validation {
    const ValidationOptions *o;
    FolderLock reading; /* on the preprocessed folder */
    FolderLock lock;    /* on the fold's folder, so that its weights do not change */
    Predictor *predictor;
    FoldCases cases;
    CaseCheck check;
    MadeFrom made_from; /* common to all predictions */
    PredictionRecord *record;
    char *references, *fold, *output; /* folders */
    FileList reference_names;
    int kept;
} Validation;

/* ---- inputs of a prediction ---- */

static int describe(Validation *v, const PredictorOptions *options, Err *e)
{
    ModelSource source;
    TRY(model_source_open(&source, v->o->results, options->folds, options->fold_count, NULL, e));
    predictor_made_from(&v->made_from, "", &source, options);
    model_source_free(&source);
    return made_from_check(&v->made_from, e);
}

/* The inputs of one case: its reference, and its properties, which contain the hash of its image. */
static int describe_case(MadeFrom *inputs, const Validation *v, const char *name, const char *reference, Err *e)
{
    *inputs = (MadeFrom){0};
    char *properties = path_format(e, "%s/2d/%s.yaml", v->o->preprocessed, name);
    if (!properties) return ERR_NOMEM;
    prediction_inputs_add(inputs, properties);
    prediction_inputs_add(inputs, reference);
    mem_free(properties);
    const int code = made_from_check(inputs, e);
    if (code) made_from_free(inputs);
    return code;
}

/* ---- one case ---- */

/* The files of a case: its reference, and the files of its prediction. */
typedef struct CaseNames {
    char *reference;  /* path */
    char *outputs[3]; /* in the folder of predictions */
    int count;
} CaseNames;

static void free_names(CaseNames *n)
{
    mem_free(n->reference);
    for (int i = 0; i < 3; i++) mem_free(n->outputs[i]);
    *n = (CaseNames){0};
}

/* The reference whose name without its ending is the case's; NULL. */
static const char *find_reference(const Validation *v, const char *name)
{
    const size_t length = strlen(name);
    for (int i = 0; i < v->reference_names.count; i++) {
        const char *file = v->reference_names.names[i], *ending = image_ending(file);
        if (ending && !strncmp(file, name, length) && file + length == ending) return file;
    }
    return NULL;
}

static int find_names(CaseNames *n, const Validation *v, const char *name, Err *e)
{
    const char *reference = find_reference(v, name);
    *n = (CaseNames){.count = v->o->save_probabilities ? 3 : 1};
    if (!reference)
        return err_set(e, ERR_IO, "%s: there are no labels of the case %s; preprocess again", v->references, name);
    n->reference = path_format(e, "%s/%s", v->references, reference);
    n->outputs[0] = mem_strdup(reference, e);
    n->outputs[1] = path_format(e, "%s.npy", name);
    n->outputs[2] = path_format(e, "%s.yaml", name);
    if (n->reference && n->outputs[0] && n->outputs[1] && n->outputs[2]) return 0;
    free_names(n);
    return ERR_NOMEM;
}

static int predict_to(const Validation *v, const char *name, const Geometry *geometry, const char *path, Err *e)
{
    Array image, labels = {0};
    CaseProperties properties;
    TRY(case_check_read(&image, &properties, &v->check, name, e));
    ProbabilityFile file;
    const ProbabilitySink sink = probability_file_sink(&file, v->output, name);
    const ProbabilitySink *probabilities = v->o->save_probabilities ? &sink : NULL;
    int code = predictor_predict_preprocessed(v->predictor, &image, &properties, &labels, probabilities, e);
    if (probabilities) code = probability_file_finish(&file, code, e);
    array_free(&image);
    if (code) err_context(e, "%s", name);
    else code = image_write(path, geometry, &labels, e);
    array_free(&labels);
    return code;
}

static int predict_named(Validation *v, const char *name, const CaseNames *n, Err *e)
{
    Geometry geometry;
    MadeFrom inputs;
    TRY(describe_case(&inputs, v, name, n->reference, e));
    char *path = path_format(e, "%s/%s", v->output, n->outputs[0]);
    int code = path ? image_probe_labels(&geometry, n->reference, e) : ERR_NOMEM;
    if (!code) code = predict_to(v, name, &geometry, path, e);
    if (!code) code = prediction_record_done(v->record, name, &inputs, (const char *const *)n->outputs, n->count, e);
    made_from_free(&inputs);
    mem_free(path);
    return code;
}

/* *planned: the case must be predicted. An existing prediction is kept only if it was made by the same weights from the same
 * case. */
static int plan_case(Validation *v, const char *name, bool *planned, Err *e)
{
    OutputState state;
    CaseNames n;
    MadeFrom inputs;
    TRY(find_names(&n, v, name, e));
    int code = describe_case(&inputs, v, name, n.reference, e);
    if (!code) {
        code = prediction_record_look(v->record, name, (const char *const *)n.outputs, n.count, &state, NULL, e);
        *planned = !code && !(state == OUTPUT_WHOLE && prediction_record_same_inputs(v->record, name, &inputs, NULL));
        if (*planned) code = prediction_record_plan(v->record, name, e);
        made_from_free(&inputs);
    }
    free_names(&n);
    return code;
}

/* ---- all cases ---- */

static int predict_cases(Validation *v, const bool *planned, Err *e)
{
    const ValidationOptions *o = v->o;
    for (int i = 0; i < v->cases.split.val_count; i++) {
        CaseNames n;
        const char *name = v->cases.split.val[i];
        if (o->progress) o->progress(o->context, i, v->cases.split.val_count, name);
        if (!planned[i]) continue;
        TRY(find_names(&n, v, name, e));
        const int code = predict_named(v, name, &n, e);
        free_names(&n);
        if (code) return code;
        if (o->interrupted && o->interrupted()) return err_set(e, ERR_INTERRUPTED, "interrupted");
    }
    if (o->progress) o->progress(o->context, v->cases.split.val_count, v->cases.split.val_count, NULL);
    return 0;
}

/* Opens the record. Predictions of other weights, or of unknown ones, are ignored and replaced. */
static int open_record(Validation *v, Err *e)
{
    Err damaged = {0};
    int code = prediction_record_open(&v->record, v->output, &v->made_from, false, &damaged);
    if (!code && !prediction_record_is_other(v->record, NULL)) return 0;
    if (code && code != ERR_FORMAT) {
        *e = damaged;
        return code;
    }
    prediction_record_close(v->record, NULL);
    return prediction_record_open(&v->record, v->output, &v->made_from, true, e);
}

static int plan_and_predict(Validation *v, bool *planned, Err *e)
{
    int made = 0;
    for (int i = 0; i < v->cases.split.val_count; i++) {
        TRY(plan_case(v, v->cases.split.val[i], &planned[i], e));
        made += planned[i];
    }
    v->kept = v->cases.split.val_count - made;
    if (made) TRY(outputs_remove(v->output, e));
    TRY(prediction_record_keep_only(v->record, v->cases.split.val, v->cases.split.val_count, e));
    TRY(prediction_record_begin(v->record, e));
    return predict_cases(v, planned, e);
}

static int predict_all(Validation *v, Err *e)
{
    bool *planned = mem_zalloc((size_t)v->cases.split.val_count + 1, sizeof *planned, e);
    if (!planned) return ERR_NOMEM;
    int code = open_record(v, e);
    if (!code) code = plan_and_predict(v, planned, e);
    const int closing = prediction_record_close(v->record, code ? NULL : e);
    mem_free(planned);
    return code ? code : closing;
}

static int open_folders(Validation *v, Err *e)
{
    const ValidationOptions *o = v->o;
    char *preprocessed = path_absolute(o->preprocessed, e); /* absolute, because summary.json contains the path */
    v->references = preprocessed ? path_format(e, "%s/gt_segmentations", preprocessed) : NULL;
    mem_free(preprocessed);
    v->fold = o->fold == SPLITS_FOLD_ALL ? path_format(e, "%s/fold_all", o->results)
                                         : path_format(e, "%s/fold_%d", o->results, o->fold);
    v->output = v->fold ? path_format(e, "%s/validation", v->fold) : NULL;
    if (!v->references || !v->output) return e->code ? (int)e->code : ERR_NOMEM;
    bool there;
    TRY(folder_is_there(v->fold, &there, e));
    return there ? folder_lock(&v->lock, v->fold, e) : 0;
}

/* Fails without checkpoint_final; adds a warning if there is a newer checkpoint. */
static int expect_finished(Validation *v, Err *e)
{
    bool has_final, has_latest;
    ResultsProgress progress;
    const char *fold = v->fold;
    char *final = path_format(e, "%s/checkpoint_final.safetensors", fold),
         *latest = path_format(e, "%s/checkpoint_latest.safetensors", fold);
    int code = final && latest ? file_is_there(final, &has_final, e) : ERR_NOMEM;
    if (!code) code = file_is_there(latest, &has_latest, e);
    if (!code) code = results_progress(&progress, v->o->results, v->o->fold, e);
    if (!code && progress.goes_on)
        text_add(&v->cases.warnings,
                 "%s: the training was continued after checkpoint_final and is not finished: the weights of "
                 "checkpoint_final are validated; --continue finishes it\n",
                 fold);
    else if (!code && has_latest && !has_final)
        code = err_set(e, ERR_VALUE,
                       "%s has no checkpoint_final: its training was interrupted, and --continue finishes it", fold);
    else if (!code && !has_final)
        code = err_set(e, ERR_VALUE,
                       "%s contains no training yet: omit --val-only to train, or give the folder of a "
                       "training with -o",
                       fold);
    mem_free(final);
    mem_free(latest);
    return code ? code : text_check(&v->cases.warnings, e);
}

static int choose_precision(Validation *v, DType *precision, Err *e)
{
    Plan plan;
    const char *lacks, *name = v->o->precision;
    char *path = path_format(e, "%s/plans.yaml", v->o->results);
    const int code = path ? plan_read(&plan, path, NULL, e) : ERR_NOMEM;
    mem_free(path);
    if (code) return code;
    if (!name) name = plan.training.precision == PRECISION_BF16 ? "bf16" : "fp32";
    *precision = precision_of(name, v->o->device ? v->o->device : device_cpu(), &lacks);
    if (lacks) text_add(&v->cases.warnings, "%s\n", lacks);
    return text_check(&v->cases.warnings, e);
}

static int open_validation(Validation *v, Err *e)
{
    const ValidationOptions *o = v->o;
    PredictorOptions options = {.folds = &o->fold, .fold_count = 1, .device = o->device};
    TRY(preprocessed_lock(&v->reading, o->preprocessed, e));
    TRY(open_folders(v, e));
    TRY(split_record_validation(&v->cases, v->fold, o->preprocessed, o->fold, e));
    TRY(expect_finished(v, e));
    TRY(choose_precision(v, &options.precision, e));
    if (o->begin) o->begin(o->context, &v->cases);
    TRY(predictor_open(&v->predictor, o->results, &options, e));
    TRY(file_list(&v->reference_names, v->references, e));
    v->check =
        (CaseCheck){o->preprocessed, predictor_plan(v->predictor), predictor_dataset(v->predictor), NULL, o->results};
    TRY(case_check_names(&v->check, v->cases.split.val, v->cases.split.val_count, e));
    TRY(describe(v, &options, e));
    return file_make_folders(v->output, e);
}

/* Scores only the cases of the fold; other files in the folder are ignored. */
static int score(const Validation *v, double *mean_dice, Err *e)
{
    const int count = v->cases.split.val_count;
    const char **names = mem_zalloc((size_t)count + 1, sizeof *names, e);
    if (!names) return ERR_NOMEM;
    for (int i = 0; i < count; i++) names[i] = find_reference(v, v->cases.split.val[i]);
    const ValidationFiles files = {v->references, v->output, names, count};
    const int code = validation_score(&files, predictor_dataset(v->predictor),
                                      v->o->fold == SPLITS_FOLD_ALL ? VALIDATION_OF_ALL : NULL, mean_dice, e);
    mem_free(names);
    return code;
}

/* Writes warnings and the result to the fold's log. */
static int log_outcome(const Validation *v, const ValidationResult *r, Err *e)
{
    Text text = {0};
    text_add(&text, "validation: %d cases, %d of them predicted before with these weights", r->cases, r->kept);
    if (isnan(r->mean_dice)) text_add(&text, "; no label can be scored");
    else text_add(&text, "; mean foreground Dice %.4f", r->mean_dice);
    int code = text_check(&text, e);
    if (!code) code = run_folder_append(v->fold, "warning: ", &v->cases.warnings, e);
    if (!code) code = run_folder_append(v->fold, "", &text, e);
    text_free(&text);
    return code;
}

int validation_run(const ValidationOptions *o, ValidationResult *result, Err *e)
{
    Validation v = {.o = o, .reading = {-1}, .lock = {-1}};
    *result = (ValidationResult){0};
    int code = open_validation(&v, e);
    if (!code) code = predict_all(&v, e);
    if (!code) code = score(&v, &result->mean_dice, e);
    result->kept = v.kept;
    result->cases = v.cases.split.val_count;
    if (!code) code = log_outcome(&v, result, e);
    predictor_close(v.predictor);
    fold_cases_free(&v.cases);
    made_from_free(&v.made_from);
    file_list_free(&v.reference_names);
    folder_unlock(&v.lock);
    folder_unlock(&v.reading);
    mem_free(v.references);
    mem_free(v.fold);
    mem_free(v.output);
    return code;
}
