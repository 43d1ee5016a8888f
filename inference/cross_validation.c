#include "inference/cross_validation.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "data/image_io.h"
#include "evaluation/fit.h"
#include "formats/yaml.h"
#include "inference/average.h"
#include "inference/model_source.h"
#include "inference/probabilities.h"
#include "inference/validation_record.h"
#include "plans/splits.h"

static char *validation_folder(const char *results, int fold, Err *e)
{
    return path_format(e, "%s/fold_%d/validation", results, fold);
}

static int no_fold(const FoldList *all, const char *results, Err *e)
{
    if (all->count == 1 && all->numbers[0] == SPLITS_FOLD_ALL)
        return err_set(e, ERR_VALUE,
                       "%s: there is only fold_all. Its validation cases were trained on and cannot be used for a "
                       "choice; train folds 0 to 4",
                       results);
    if (!all->count)
        return err_set(e, ERR_VALUE, "%s: there is no fold: expected the results folder of train, with fold_0 … in it",
                       results);
    return err_set(e, ERR_VALUE,
                   "%s: no fold has been validated (fold_*/validation/summary.json); train folds 0 to 4 to their "
                   "end, or use train --val-only",
                   results);
}

int cross_validation_folds(FoldList *folds, const char *results, Err *e)
{
    FoldList all;
    *folds = (FoldList){0};
    TRY(fold_list_of_results(&all, results, e));
    int code = 0;
    for (int i = 0; i < all.count && !code; i++) {
        bool there = false;
        if (all.numbers[i] == SPLITS_FOLD_ALL) continue;
        char *path = path_format(e, "%s/fold_%d/validation/summary.json", results, all.numbers[i]);
        code = file_is_there(path, &there, e);
        if (!code && there) code = fold_list_add(folds, all.numbers[i], e);
        mem_free(path);
    }
    if (!code && !folds->count) code = no_fold(&all, results, e);
    if (code) fold_list_free(folds);
    fold_list_free(&all);
    return code;
}

/* ---- reading ---- */

static void free_case(ValidationCase *c)
{
    mem_free(c->id);
    mem_free(c->folder);
    mem_free(c->prediction);
    mem_free(c->reference);
}

void cross_validation_free(CrossValidation *v)
{
    for (int i = 0; i < v->count; i++) free_case(&v->cases[i]);
    mem_free(v->cases);
    made_from_free(&v->weights);
    made_from_free(&v->precisions);
    *v = (CrossValidation){0};
}

/* The name of a label image without its ending; NULL with e filled if it is not an image. */
static char *case_id(const char *path, Err *e)
{
    const char *ending = image_ending(path), *base = path_base(path);
    if (ending) return path_format(e, "%.*s", (int)(ending - base), base);
    err_set(e, ERR_FORMAT, "%s is not an image", path);
    return NULL;
}

static int find_reference(ValidationCase *c, const char *stated, const char *references, Err *e)
{
    const char *name = path_base(c->prediction);
    c->reference = references ? path_format(e, "%s/%s", references, name) : mem_strdup(stated, e);
    bool there;
    TRY(file_is_there(c->reference, &there, e));
    if (there) return 0;
    return err_set(e, ERR_VALUE,
                   "case %s: its reference %s does not exist; give the folder of references with --ground-truth", c->id,
                   c->reference);
}

static int read_case(ValidationCase *c, const DocNode *entry, const char *folder, int fold, const char *references,
                     Err *e)
{
    const DocNode *prediction = doc_find(entry, "prediction_file"), *reference = doc_find(entry, "reference_file");
    const char *stated, *own;
    if (!prediction || !reference) return doc_error(entry, e, "prediction_file or reference_file is missing");
    TRY(doc_get_string(prediction, &own, e));
    TRY(doc_get_string(reference, &stated, e));
    c->fold = fold;
    c->id = case_id(own, e);
    if (!c->id) return e ? (int)e->code : ERR_FORMAT;
    c->folder = mem_strdup(folder, e);
    c->prediction = path_format(e, "%s/%s", folder, path_base(own));
    if (!c->folder || !c->prediction) return ERR_NOMEM;
    return find_reference(c, stated, references, e);
}

static int read_entries(CrossValidation *v, const DocNode *root, const char *folder, int fold, const char *references,
                        Err *e)
{
    const DocNode *entries = doc_find(root, "metric_per_case");
    if (!entries) return doc_error(root, e, "metric_per_case is missing");
    const size_t used = (size_t)v->count * sizeof *v->cases;
    void *block = v->cases;
    TRY(mem_grow(&block, used, used + (size_t)entries->count * sizeof *v->cases, e));
    v->cases = block;
    for (const DocNode *n = entries->first; n; n = n->next) {
        ValidationCase *c = &v->cases[v->count++];
        *c = (ValidationCase){0};
        TRY(read_case(c, n, folder, fold, references, e));
        bool exist = false;
        if (v->has_probabilities) TRY(probabilities_exist(&exist, folder, c->id, e));
        v->has_probabilities = exist;
    }
    return 0;
}

static int read_fold(CrossValidation *v, const char *results, int fold, const char *references, Err *e)
{
    Doc doc = {0};
    bool there;
    char *folder = validation_folder(results, fold, e);
    char *summary = folder ? path_format(e, "%s/summary.json", folder) : NULL;
    int code = file_is_there(summary, &there, e);
    if (!code && !there)
        code = err_set(e, ERR_VALUE,
                       "%s: fold %d has not been validated (there is no fold_%d/validation/summary.json): "
                       "train it to its end, predict its validation cases (train PREPROCESSED %d -o %s --val-only), or "
                       "choose other folds with -f",
                       results, fold, fold, fold, results);
    if (!code) code = doc_read(&doc, summary, e);
    if (!code) code = read_entries(v, doc.root, folder, fold, references, e);
    doc_free(&doc);
    mem_free(summary);
    mem_free(folder);
    return code;
}

static int by_id(const void *a, const void *b)
{
    return strcmp(((const ValidationCase *)a)->id, ((const ValidationCase *)b)->id);
}

int cross_validation_read(CrossValidation *v, const char *results, const FoldList *folds, const char *references,
                          Err *e)
{
    *v = (CrossValidation){.has_probabilities = true, .own_references = !references};
    int code = 0;
    for (int i = 0; i < folds->count && !code; i++) code = read_fold(v, results, folds->numbers[i], references, e);
    if (!code && !v->count) code = err_set(e, ERR_VALUE, "%s: no validation case", results);
    if (!code) qsort(v->cases, (size_t)v->count, sizeof *v->cases, by_id);
    for (int i = 1; i < v->count && !code; i++)
        if (!by_id(&v->cases[i - 1], &v->cases[i]))
            code = err_set(e, ERR_VALUE,
                           "%s: case %s is in folds %d and %d: choose folds without a common case "
                           "with -f",
                           results, v->cases[i].id, v->cases[i - 1].fold, v->cases[i].fold);
    for (int i = 0; i < folds->count && !code; i++) code = validation_record_expect(v, results, folds->numbers[i], e);
    if (code) cross_validation_free(v);
    return code;
}

/* ---- precisions ---- */

/* Adds the folds that were predicted in that precision: "a fold 0, b folds 0, 1". */
static int add_folds(Text *text, const char *precision, const CrossValidation *validations, const char *const *results,
                     int count, Err *e)
{
    const char *between = "";
    for (int i = 0; i < count; i++) {
        FoldList folds = {0};
        const MadeFrom *all = &validations[i].precisions;
        int code = 0;
        for (int k = 0; k < all->count && !code; k++)
            if (!strcmp(all->items[k].value, precision)) code = fold_list_add(&folds, atoi(all->items[k].key), e);
        if (folds.count && !code) {
            text_add(text, "%s%s ", between, results[i]);
            fold_list_text(&folds, text);
            between = ", ";
        }
        fold_list_free(&folds);
        TRY(code);
    }
    return 0;
}

int cross_validation_precisions(Text *text, const CrossValidation *validations, const char *const *results, int count,
                                Err *e)
{
    static const char *const names[] = {"fp32", "bf16"};
    Text parts[2] = {{0}};
    int code = 0;
    for (int i = 0; i < 2 && !code; i++) code = add_folds(&parts[i], names[i], validations, results, count, e);
    if (!code && parts[0].length && parts[1].length)
        text_add(text, "%s: %s; %s: %s", names[0], parts[0].data, names[1], parts[1].data);
    for (int i = 0; i < 2; i++) text_free(&parts[i]);
    return code ? code : text_check(text, e);
}

int cross_validation_expect_same(const CrossValidation *a, const CrossValidation *b, const char *first,
                                 const char *second, Err *e)
{
    for (int i = 0; i < a->count || i < b->count; i++) {
        const ValidationCase *one = i < a->count ? &a->cases[i] : NULL, *other = i < b->count ? &b->cases[i] : NULL;
        if (one && other && !by_id(one, other) && one->fold == other->fold) continue;
        const char *id = !other || (one && by_id(one, other) < 0) ? one->id : other->id;
        return err_set(e, ERR_VALUE,
                       "case %s is not in the same fold of %s and %s: networks are compared on the "
                       "same cases, choose folds that all have (--folds)",
                       id, first, second);
    }
    return 0;
}

/* ---- candidates ---- */

static int average_case(const Candidate *c, int index, Array *prediction, Err *e)
{
    const char *folders[AVERAGE_MEMBERS];
    Array labels;
    for (int i = 0; i < c->member_count; i++) folders[i] = c->members[i]->cases[index].folder;
    const char *id = c->members[0]->cases[index].id;
    if (average_labels(&labels, folders, c->member_count, id, c->info, e)) return err_context(e, "case %s", id);
    const int code = array_new(prediction, DTYPE_I16, 3, labels.shape, e);
    for (int64_t i = 0; i < array_count(&labels) && !code; i++)
        ((int16_t *)prediction->data)[i] =
            labels.dtype == DTYPE_U8 ? ((uint8_t *)labels.data)[i] : (int16_t)((uint16_t *)labels.data)[i];
    array_free(&labels);
    return code;
}

/* Reads a reference onto the prediction's grid: label images may be stored with other axes than the images
 * (--ground-truth). */
static int read_reference(Array *reference, const ValidationCase *one, Err *e)
{
    Geometry expected, found;
    GridAxes axes;
    *reference = (Array){0};
    TRY(image_probe_labels(&found, one->reference, e));
    TRY(image_probe_labels(&expected, one->prediction, e));
    if (fit_expect(grid_match(&found, &expected, &axes), &found, &expected, e))
        return err_context(e, "case %s", one->id);
    return image_read_labels_onto(reference, one->reference, &expected, e);
}

static int load_case(void *context, int index, Array *reference, Array *prediction, Err *e)
{
    const Candidate *c = context;
    const ValidationCase *one = &c->members[0]->cases[index];
    *prediction = (Array){0};
    TRY(read_reference(reference, one, e));
    int code = c->member_count == 1 ? image_read_labels(prediction, NULL, one->prediction, e)
                                    : average_case(c, index, prediction, e);
    if (!code && memcmp(reference->shape, prediction->shape, 3 * sizeof *reference->shape))
        code = err_set(e, ERR_SHAPE, "case %s: the prediction in %s has another shape than its reference %s", one->id,
                       one->folder, one->reference);
    if (!code) return 0;
    array_free(reference);
    array_free(prediction);
    return code;
}

LabelledCases candidate_cases(const Candidate *c)
{
    return (LabelledCases){c->members[0]->count, load_case, (void *)c};
}
