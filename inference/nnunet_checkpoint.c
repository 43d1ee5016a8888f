#include "inference/nnunet_checkpoint.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "inference/folds.h"
#include "model/import.h"
#include "plans/splits.h"
#include "weights/pth.h"
#include "weights/weights_io.h"

/* ---- names ---- */

/* The name under which a block's sequence lists the layer: "….conv.weight" is "….all_modules.0.weight". False if the
 * parameter is of no such block. */
static bool name_in_sequence(Text *name, const char *parameter, const Architecture *a)
{
    const struct {
        const char *layer;
        int place;
    } layers[] = {{".conv.", 0}, {".norm.", a->nonlin_first ? 2 : 1}};
    for (int i = 0; i < 2; i++) {
        const char *found = strstr(parameter, layers[i].layer);
        if (!found) continue;
        text_add(name, "%.*s.all_modules.%d.%s", (int)(found - parameter), parameter, layers[i].place,
                 found + strlen(layers[i].layer));
        return true;
    }
    return false;
}

static int add_view(WeightsFile *w, const Text *name, const Array *a, Err *e)
{
    TRY(text_check(name, e));
    return weights_add(w, name->data, array_view(a->dtype, a->rank, a->shape, a->data), e);
}

/* Adds a tensor under `name`, and under the decoder's name for it if it is the encoder's. */
static int add_tensor(WeightsFile *w, const Text *name, const Array *a, Err *e)
{
    Text again = {0};
    TRY(add_view(w, name, a, e));
    if (strncmp(name->data, "encoder.", strlen("encoder."))) return 0;
    text_add(&again, "decoder.%s", name->data);
    const int code = add_view(w, &again, a, e);
    text_free(&again);
    return code;
}

static int add_parameter(WeightsFile *w, const char *parameter, const Array *a, const Architecture *architecture,
                         Err *e)
{
    Text name = {0}, in_sequence = {0};
    text_add(&name, "%s", parameter);
    int code = add_tensor(w, &name, a, e);
    if (!code && name_in_sequence(&in_sequence, parameter, architecture)) code = add_tensor(w, &in_sequence, a, e);
    text_free(&in_sequence);
    text_free(&name);
    return code;
}

/* ---- notes ---- */

static int note_mirroring(WeightsFile *w, const PlanInference *inference, Err *e)
{
    static const char key[] = "inference_allowed_mirroring_axes";
    const int *axes = inference->mirror_axes;
    if (inference->mirror_axes_count == 0) return weights_note(w, e, key, "null");
    if (inference->mirror_axes_count == 1) return weights_note(w, e, key, "[%d]", axes[0]);
    return weights_note(w, e, key, "[%d,%d]", axes[0], axes[1]);
}

/* An optimizer that has made no step: it has the network's parameters, and nnU-Net's values. */
static int note_optimizer(WeightsFile *w, int parameters, Err *e)
{
    Text text = {0};
    text_add(&text, "{\"state\":{},\"param_groups\":[{\"lr\":0.01,\"momentum\":0.99,\"dampening\":0,"
                    "\"weight_decay\":3e-05,\"nesterov\":true,\"maximize\":false,\"foreach\":null,"
                    "\"differentiable\":false,\"fused\":null,\"params\":[");
    for (int i = 0; i < parameters; i++) text_add(&text, i ? ",%d" : "%d", i);
    text_add(&text, "]}]}");
    int code = text_check(&text, e);
    if (!code) code = weights_note(w, e, "optimizer_state", "%s", text.data);
    text_free(&text);
    return code;
}

static int add_notes(WeightsFile *w, const WeightsFile *source, const Plan *plan, int fold, Err *e)
{
    int64_t epoch = 0;
    double best = NAN;
    weights_note_integer(source, "epoch", &epoch, NULL); /* other files than those of train have no such note */
    weights_note_number(source, "best_ema", &best, NULL);
    TRY(weights_note(w, e, "trainer_name", "nnUNetTrainer"));
    if (fold == SPLITS_FOLD_ALL) TRY(weights_note(w, e, "init_args", "{\"configuration\":\"2d\",\"fold\":\"all\"}"));
    else TRY(weights_note(w, e, "init_args", "{\"configuration\":\"2d\",\"fold\":%d}", fold));
    TRY(note_mirroring(w, &plan->inference, e));
    TRY(weights_note(w, e, "current_epoch", "%lld", (long long)epoch));
    if (isfinite(best)) TRY(weights_note(w, e, "_best_ema", "%s", weights_note_text(source, "best_ema")));
    else TRY(weights_note(w, e, "_best_ema", "null"));
    TRY(weights_note(w, e, "logging", "{}"));
    return weights_note(w, e, "grad_scaler_state", "null");
}

/* ---- the whole ---- */

static int fill(WeightsFile *w, const WeightsFile *source, const Model *model, const Plan *plan, int fold, Err *e)
{
    const Array **tensors;
    const int count = graph_param_count(model->graph);
    TRY(import_match(&tensors, model->graph, source, e));
    int code = 0;
    for (int i = 0; i < count && !code; i++)
        code = add_parameter(w, graph_params(model->graph)[i].name, tensors[i], &plan->configuration.architecture, e);
    mem_free(tensors);
    if (!code) code = add_notes(w, source, plan, fold, e);
    return code ? code : note_optimizer(w, count, e);
}

int nnunet_checkpoint_write(const char *path, const char *from, const Model *model, const Plan *plan, int fold, Err *e)
{
    WeightsFile source, w = {0};
    TRY(weights_read(&source, from, e));
    int code = fill(&w, &source, model, plan, fold, e);
    if (code) err_context(e, "%s", from);
    else code = pth_write_weights(&w, "network_weights", path, e);
    weights_close(&w);
    weights_close(&source);
    return code;
}
