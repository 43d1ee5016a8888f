#include "inference/nnunet_export.h"

#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/staging.h"
#include "formats/yaml.h"
#include "inference/folds.h"
#include "inference/model_folder.h"
#include "inference/nnunet_checkpoint.h"
#include "inference/predictor.h"
#include "inference/results.h"
#include "model/model.h"

static const char NETWORK[] = "nnunet";
static const char *const checkpoints[] = {"final", "best"};

typedef struct Export {
    const char *results, *out;
    const char *fresh; /* the folder that is filled; borrowed */
    Plan plan;
    DatasetInfo info;
    Model model;
    FoldList folds;
    Text *told;
    int written; /* checkpoints */
} Export;

/* ---- what can be exported ---- */

static int check_source(const ModelFolder *f, const char *path, Err *e)
{
    bool ours;
    if (!f->results)
        return err_set(e, ERR_VALUE, "%s: expected a results folder of train, with plans.yaml and fold_0 …", path);
    char *plan = path_format(e, "%s/plans.yaml", f->results);
    const int code = plan ? file_is_there(plan, &ours, e) : ERR_NOMEM;
    mem_free(plan);
    if (code || ours) return code;
    return err_set(e, ERR_VALUE, "%s: is nnU-Net's results folder already (there is no plans.yaml of train in it)",
                   f->results);
}

static int check_plan(const Export *x, Err *e)
{
    const Plan *p = &x->plan;
    if (strcmp(p->network.name, NETWORK))
        return err_set(e, ERR_UNSUPPORTED,
                       "%s: its network is %s, which nnU-Net does not have: only results of %s can be written for it; "
                       "single files of weights can be converted (convert_weights "
                       "%s/fold_0/checkpoint_final.safetensors FILE.pth)",
                       x->results, p->network.name, NETWORK, x->results);
    if (p->orientation == ORIENTATION_CANONICAL)
        return err_set(e, ERR_UNSUPPORTED,
                       "%s/plans.yaml: orientation: canonical: nnU-Net would read volumes as they are stored, and "
                       "predict something else",
                       x->results);
    if (p->configuration.slice_axes_count > 1 || p->configuration.slice_axes[0])
        return err_set(e, ERR_UNSUPPORTED,
                       "%s/plans.yaml: slice_axes: nnU-Net's networks see slices across the first axis", x->results);
    if (p->configuration.adjacent_slices)
        return err_set(e, ERR_UNSUPPORTED,
                       "%s/plans.yaml: adjacent_slices: %d: nnU-Net's networks see one slice at a time", x->results,
                       p->configuration.adjacent_slices);
    if (p->compatibility == COMPATIBILITY_NNUNET_2_1)
        text_add(x->told, "compatibility: nnunet_2_1: nnU-Net of another version than 2.1 resamples otherwise\n");
    return 0;
}

/* A folder with plans.json and no plans.yaml may be replaced. */
static int check_target(const Export *x, bool overwrite, Err *e)
{
    bool there, theirs = false, ours = false;
    TRY(file_is_there(x->out, &there, e));
    if (!there) return 0;
    if (!overwrite) return err_set(e, ERR_VALUE, "%s: exists already; --overwrite replaces it", x->out);
    char *json = path_format(e, "%s/plans.json", x->out), *yaml = path_format(e, "%s/plans.yaml", x->out);
    int code = json && yaml ? file_is_there(json, &theirs, e) : ERR_NOMEM;
    if (!code) code = file_is_there(yaml, &ours, e);
    mem_free(json);
    mem_free(yaml);
    if (code || (theirs && !ours)) return code;
    return err_set(e, ERR_VALUE, "%s: is no results folder of nnU-Net, and is not replaced: give another name", x->out);
}

/* ---- the files ---- */

/* A copy of a node of the plan. nnU-Net's `architecture` also lists which arguments are names of classes. */
static void copy_node(DocWriter *w, const DocNode *node)
{
    double number;
    bool truth;
    if (node->kind == DOC_SCALAR) {
        const bool word = !node->quoted && (doc_is_null(node) || doc_text_to_double(node->text, &number) ||
                                            doc_text_to_bool(node->text, &truth));
        if (word) doc_put_word(w, node->key, node->text);
        else doc_put_string(w, node->key, node->text);
        return;
    }
    doc_open(w, node->key, node->kind, node->kind == DOC_SEQUENCE);
    for (const DocNode *item = node->first; item; item = item->next) copy_node(w, item);
    if (node->key && !strcmp(node->key, "architecture")) {
        static const char *const classes[] = {"conv_op", "norm_op", "dropout_op", "nonlin", "block"};
        const bool has_block = doc_find(doc_find(node, "arch_kwargs"), classes[4]);
        doc_open(w, "_kw_requires_import", DOC_SEQUENCE, true);
        for (int i = 0; i < (has_block ? 5 : 4); i++) doc_put_string(w, NULL, classes[i]);
        doc_close(w);
    }
    doc_close(w);
}

static int write_plan(const Export *x, Err *e)
{
    Text text = {0};
    Plan plan = x->plan;
    Architecture *a = &plan.configuration.architecture;
    /* nnU-Net gives all keys to the class, which refuses those of the other: an override may have left them */
    *(architecture_is_residual(a) ? &a->convs_count : &a->blocks_count) = 0;
    Doc doc;
    DocWriter w = {.json = true};
    int code = plan_text(&plan, &text, e);
    if (!code) code = doc_parse(&doc, "plan", text.data, text.length, e);
    text_free(&text);
    if (code) return code;
    copy_node(&w, doc.root);
    doc_free(&doc);
    char *path = path_format(e, "%s/plans.json", x->fresh);
    if (!path) text_free(&w.text);
    code = path ? doc_finish(&w, path, e) : ERR_NOMEM;
    mem_free(path);
    return code;
}

static int copy_dataset(const Export *x, Err *e)
{
    char *from = path_format(e, "%s/dataset.json", x->results), *to = path_format(e, "%s/dataset.json", x->fresh);
    char *data = NULL;
    size_t bytes;
    int code = from && to ? file_get(from, &data, &bytes, e) : ERR_NOMEM;
    if (!code) code = file_put(to, data, bytes, e);
    mem_free(data);
    mem_free(from);
    mem_free(to);
    return code;
}

/* nnU-Net could not notice it: its checkpoints have no plan. */
static int check_trained_plan(const Export *x, const char *checkpoint, Err *e)
{
    Text differences = {0};
    int code = predictor_trained_otherwise(&differences, checkpoint, &x->plan, e);
    if (!code && differences.length)
        code = err_set(e, ERR_VALUE,
                       "%s/plans.yaml is not the plan by which %s was trained (%s), so that nnU-Net would predict "
                       "something else: undo the change, or train again",
                       x->results, checkpoint, differences.data);
    text_free(&differences);
    return code;
}

static int write_checkpoint(Export *x, int fold, const char *name, Err *e)
{
    char *from, *folder = NULL, *to = NULL, fold_text[FOLD_NAME_BYTES];
    TRY(results_checkpoint(&from, x->results, fold, name, e));
    if (!from) return 0;
    folder = path_format(e, "%s/fold_%s", x->fresh, fold_name(fold_text, fold));
    to = path_format(e, "%s/checkpoint_%s.pth", folder ? folder : "", name);
    int code = folder && to ? check_trained_plan(x, from, e) : ERR_NOMEM;
    if (!code) code = file_make_folders(folder, e);
    if (!code) code = nnunet_checkpoint_write(to, from, &x->model, &x->plan, fold, e);
    if (!code) {
        text_add(x->told, "fold_%s/checkpoint_%s.pth\n", fold_text, name);
        x->written++;
    }
    mem_free(to);
    mem_free(folder);
    mem_free(from);
    return code;
}

static int fill(Export *x, Err *e)
{
    TRY(write_plan(x, e));
    TRY(copy_dataset(x, e));
    for (int i = 0; i < x->folds.count; i++)
        for (int k = 0; k < 2; k++) TRY(write_checkpoint(x, x->folds.numbers[i], checkpoints[k], e));
    if (x->written) return 0;
    return err_set(e, ERR_VALUE, "%s: no fold has a checkpoint_final or checkpoint_best: finish a training first",
                   x->results);
}

/* Any checkpoint: plan and dataset are the same for all. */
static int read_results(Export *x, Err *e)
{
    TRY(fold_list_of_results(&x->folds, x->results, e));
    TRY(results_read(&x->plan, &x->info, x->results, "", e));
    TRY(check_plan(x, e));
    return model_define(&x->model, &x->plan, &x->info, e);
}

static int export(Export *x, bool overwrite, Err *e)
{
    Staging staging;
    TRY(check_target(x, overwrite, e));
    TRY(read_results(x, e));
    TRY(staging_begin(&staging, x->out, "export", e));
    x->fresh = staging.fresh;
    int code = check_target(x, overwrite, e); /* again: another run may have made it before this one began to */
    if (!code) code = fill(x, e);
    if (!code) code = staging_settle(&staging, e);
    if (!code) code = text_check(x->told, e);
    return staging_end(&staging, code, e);
}

int nnunet_export(const char *results, const char *out, bool overwrite, Text *told, Err *e)
{
    ModelFolder found;
    TRY(model_folder_find(&found, results, e));
    Export x = {.results = found.results, .out = out, .told = told};
    int code = check_source(&found, results, e);
    if (!code) code = export(&x, overwrite, e);
    model_free(&x.model);
    if (x.info.doc) dataset_info_free(&x.info);
    fold_list_free(&x.folds);
    model_folder_free(&found);
    return code;
}
