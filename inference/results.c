#include "inference/results.h"

#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "data/dataset.h"
#include "formats/yaml.h"
#include "inference/folds.h"
#include "network/models/network.h"
#include "weights/safetensors.h"
#include "weights/weights_io.h"

static const char *const ENDINGS[] = {".safetensors", ".pth"};

int results_checkpoint(char **path, const char *results, int fold, const char *name, Err *e)
{
    char folder[FOLD_NAME_BYTES];
    fold_name(folder, fold);
    for (int i = 0; i < 2; i++) {
        bool there;
        *path = path_format(e, "%s/fold_%s/checkpoint_%s%s", results, folder, name, ENDINGS[i]);
        const int code = *path ? file_is_there(*path, &there, e) : ERR_NOMEM;
        if (!code && there) return 0;
        mem_free(*path);
        *path = NULL;
        if (code) return code;
    }
    return 0;
}

/* Reads the number of trained epochs, and of iterations in the next one; -1 if it is not in the file, or unreadable. */
static int read_progress(int64_t *epochs, int64_t *iterations, const char *path, Err *e)
{
    WeightsFile weights;
    Err unreadable = {0};
    *epochs = *iterations = -1;
    if (!path_ends_with(path, ".safetensors")) return 0;
    const int code = safetensors_open(&weights, path, &unreadable);
    if (code == ERR_NOMEM) return err_set(e, code, "%s", unreadable.text);
    if (code) return 0;
    if (weights_note_integer(&weights, "epoch", epochs, NULL) ||
        weights_note_integer(&weights, "iteration", iterations, NULL))
        *epochs = *iterations = -1;
    weights_close(&weights);
    return 0;
}

static int compare_progress(ResultsProgress *p, const char *final, const char *latest, Err *e)
{
    int64_t iterations, later_iterations;
    TRY(read_progress(&p->final, &iterations, final, e));
    TRY(read_progress(&p->latest, &later_iterations, latest, e));
    const bool is_known = p->final >= 0 && p->latest >= 0;
    p->goes_on = !is_known || p->latest > p->final || (p->latest == p->final && later_iterations > iterations);
    return 0;
}

int results_progress(ResultsProgress *p, const char *results, int fold, Err *e)
{
    char *final, *latest = NULL;
    *p = (ResultsProgress){false, -1, -1};
    TRY(results_checkpoint(&final, results, fold, "final", e));
    int code = final ? results_checkpoint(&latest, results, fold, "latest", e) : 0;
    if (!code && latest) code = compare_progress(p, final, latest, e);
    mem_free(final);
    mem_free(latest);
    return code;
}

/* Restricts mirroring to the axes along which the trainer mirrored, "[0, 1]". */
static void take_mirror_axes(PlanInference *inference, const char *axes)
{
    inference->mirror_axes_count = 0;
    for (int axis = 0; axis < 2; axis++)
        if (strchr(axes, '0' + axis)) inference->mirror_axes[inference->mirror_axes_count++] = axis;
}

/* Sets the network of a trainer; without a trainer's name in the checkpoint, that of the plan. */
static int take_kind(Plan *plan, const char *trainer, const char *checkpoint, Err *e)
{
    const NetworkKind *kind = trainer ? network_of_trainer(trainer) : plan_network_kind(plan);
    Text known = {0};
    if (kind) {
        plan_set_network(plan, kind->name);
        return 0;
    }
    network_add_names(&known);
    err_set(e, ERR_UNSUPPORTED, "%s: the network of trainer %s is not known; there are the networks %s", checkpoint,
            trainer ? trainer : "(not named)", known.data ? known.data : "others");
    text_free(&known);
    return ERR_UNSUPPORTED;
}

static void learn_config(Plan *plan, const WeightsFile *w)
{
    const NetworkKind *kind = plan_network_kind(plan);
    for (int i = 0; kind->learn && i < w->count; i++)
        kind->learn(&plan->network.config, w->tensors[i].name, w->tensors[i].array.rank, w->tensors[i].array.shape);
}

/* nnU-Net's plans have several configurations, and its checkpoints say which one is theirs: a 2D one of another name has the
 * same weights, but another patch or spacing. */
static int check_configuration(const WeightsFile *w, const char *checkpoint, Err *e)
{
    Doc doc;
    Err unreadable = {0};
    const char *text = weights_note_text(w, "init_args");
    if (!text) return 0;
    int code = doc_parse(&doc, "init_args", text, strlen(text), &unreadable);
    if (code) return code == ERR_NOMEM ? err_set(e, code, "%s", unreadable.text) : 0;
    const DocNode *found = doc_find(doc.root, "configuration");
    if (found && found->kind == DOC_SCALAR && strcmp(found->text, "2d"))
        code = err_set(e, ERR_UNSUPPORTED, "%s: it was trained in nnU-Net's configuration %s: only 2d can be predicted",
                       checkpoint, found->text);
    doc_free(&doc);
    return code;
}

/* nnU-Net's plan does not contain the network: kind and width are read from the checkpoint. */
static int take_network(Plan *plan, const char *checkpoint, Err *e)
{
    WeightsFile weights = {0};
    TRY(weights_read(&weights, checkpoint, e));
    const char *axes = weights_note_text(&weights, "inference_allowed_mirroring_axes");
    int code = check_configuration(&weights, checkpoint, e);
    if (!code) code = take_kind(plan, weights_note_text(&weights, "trainer_name"), checkpoint, e);
    if (!code) learn_config(plan, &weights);
    if (axes) take_mirror_axes(&plan->inference, axes);
    weights_close(&weights);
    return code;
}

static int read_plan(Plan *plan, const char *results, const char *checkpoint, Err *e)
{
    char *ours = path_format(e, "%s/plans.yaml", results), *theirs = path_format(e, "%s/plans.json", results);
    bool has_ours, has_theirs = false;
    int code = file_is_there(ours, &has_ours, e);
    if (!code) code = file_is_there(theirs, &has_theirs, e);
    const bool is_theirs = !code && !has_ours && has_theirs;
    const char *path = is_theirs ? theirs : ours;
    if (!code) code = plan_read(plan, path, NULL, e);
    if (!code && is_theirs) code = take_network(plan, checkpoint, e);
    if (!code && ((code = plan_check(plan, e)) || (code = plan_check_statistics(plan, e)))) err_context(e, "%s", path);
    mem_free(ours);
    mem_free(theirs);
    return code;
}

int results_read(Plan *plan, DatasetInfo *info, const char *results, const char *checkpoint, Err *e)
{
    bool there = false;
    TRY(read_plan(plan, results, checkpoint, e));
    if (plan_network_kind(plan)->build_pretraining)
        return err_set(e, ERR_UNSUPPORTED,
                       "%s: the network %s only trains an encoder and has no labels: give the encoder to a training "
                       "with --pretrained, and predict with that",
                       results, plan->network.name);
    char *path = path_format(e, "%s/dataset.json", results);
    int code = file_is_there(path, &there, e);
    if (!code && !there)
        code =
            err_set(e, ERR_IO,
                    "%s does not exist: expected the file with the labels that train wrote beside plans.yaml; put it "
                    "back, or copy it from the preprocessed folder",
                    path);
    if (!code && !(code = dataset_info_read(info, path, e)) && (code = dataset_check_ending(info, path, e)))
        dataset_info_free(info);
    mem_free(path);
    return code;
}
