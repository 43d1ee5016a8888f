#include "trainer/validation.h"

#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "data/image_io.h"
#include "inference/predictor.h"
#include "inference/probabilities.h"
#include "plans/splits.h"
#include "trainer/case_check.h"
#include "trainer/case_set.h"
#include "trainer/validation_score.h"

typedef struct Validation {
    const ValidationOptions *o;
    Predictor *predictor;
    Split split;
    CaseCheck check;
    char *references, *output;   /* folders */
} Validation;

/* The image in a folder whose name without its ending is the case's; NULL with e filled. */
static char *find_reference(const char *folder, const char *name, Err *e)
{
    FileList files;
    if (file_list(&files, folder, e)) return NULL;
    char *path = NULL;
    const size_t length = strlen(name);
    for (int i = 0; i < files.count && !path; i++) {
        const char *ending = image_ending(files.names[i]);
        if (ending && !strncmp(files.names[i], name, length) && files.names[i] + length == ending)
            path = path_format(e, "%s/%s", folder, files.names[i]);
    }
    if (!path && !e->code)
        err_set(e, ERR_IO, "%s: no labels of the case %s are there; preprocess again", folder, name);
    file_list_free(&files);
    return path;
}

static int predict_to(const Validation *v, const char *name, const Geometry *geometry, const char *path,
                      Err *e)
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

static int predict_case(const Validation *v, const char *name, Err *e)
{
    Geometry geometry;
    int64_t channels;
    char *path = NULL, *reference = find_reference(v->references, name, e);
    int code = reference ? image_probe(&geometry, &channels, reference, e) : e->code;
    if (!code) path = path_format(e, "%s/%s", v->output, path_base(reference));
    if (!code && !path) code = ERR_NOMEM;
    bool kept = false;
    if (!code) code = file_is_there(path, &kept, e);
    if (!code && kept && v->o->save_probabilities) code = probabilities_exist(&kept, v->output, name, e);
    if (!code && !kept) code = predict_to(v, name, &geometry, path, e);
    mem_free(path);
    mem_free(reference);
    return code;
}

static int predict_cases(const Validation *v, Err *e)
{
    const ValidationOptions *o = v->o;
    for (int i = 0; i < v->split.val_count; i++) {
        if (o->progress) o->progress(o->context, i, v->split.val_count, v->split.val[i]);
        TRY(predict_case(v, v->split.val[i], e));
        if (o->interrupted && o->interrupted()) return err_set(e, ERR_INTERRUPTED, "interrupted");
    }
    if (o->progress) o->progress(o->context, v->split.val_count, v->split.val_count, NULL);
    return 0;
}

static int open_validation(Validation *v, Err *e)
{
    const ValidationOptions *o = v->o;
    const PredictorOptions options = {.folds = &o->fold, .fold_count = 1, .precision = o->precision};
    char *preprocessed = path_absolute(o->preprocessed, e); /* for summary.json, wherever it is read from */
    v->references = preprocessed ? path_format(e, "%s/gt_segmentations", preprocessed) : NULL;
    mem_free(preprocessed);
    v->output = o->fold == SPLITS_FOLD_ALL ? path_format(e, "%s/fold_all/validation", o->results)
                                           : path_format(e, "%s/fold_%d/validation", o->results, o->fold);
    if (!v->references || !v->output) return ERR_NOMEM;
    TRY(case_split(&v->split, o->preprocessed, o->fold, e));
    TRY(predictor_open(&v->predictor, o->results, &options, e));
    v->check = (CaseCheck){o->preprocessed, predictor_plan(v->predictor), predictor_dataset(v->predictor), NULL};
    TRY(case_check_names(&v->check, v->split.val, v->split.val_count, e));
    return file_make_folders(v->output, e);
}

int validation_run(const ValidationOptions *o, double *mean_dice, Err *e)
{
    Validation v = {.o = o};
    int code = open_validation(&v, e);
    if (!code) code = predict_cases(&v, e);
    if (!code) code = validation_score(v.references, v.output, predictor_dataset(v.predictor), mean_dice, e);
    predictor_close(v.predictor);
    split_free(&v.split);
    mem_free(v.references);
    mem_free(v.output);
    return code;
}
