#include "inference/model.h"

#include <math.h>
#include <string.h>

#include "network/safetensors.h"

int model_spec(NetworkSpec *spec, const Plan *plan, const DatasetInfo *info, Err *e)
{
    const PlanNetwork *n = &plan->network;
    TRY(network_defaults(spec, n->name, n->width, e));
    spec->height = plan->configuration.patch_size[0];
    spec->width = plan->configuration.patch_size[1];
    spec->channels = plan->configuration.channel_count;
    spec->classes = dataset_head_count(info);
    for (int i = 0; i < NETWORK_STAGES; i++) {
        spec->dims[i] = (2 * llround(n->dims[0] / 2.0 * n->width)) << i;
        spec->depths[i] = n->depths[i];
    }
    spec->decoder_depth = n->decoder_depths[0];
    for (int i = 1; i < n->decoder_depths_count; i++)
        if (n->decoder_depths[i] != n->decoder_depths[0])
            return err_set(e, ERR_UNSUPPORTED,
                           "network.decoder_depths: %d and %d, but only the same depth in every "
                           "stage is possible",
                           n->decoder_depths[0], n->decoder_depths[i]);
    spec->states = n->d_state;
    spec->drop_path = n->drop_path;
    spec->deep_supervision = plan_deep_supervision(plan);
    spec->loss = (DiceCE){plan->configuration.batch_dice, 1e-5, info->ignore_value};
    return 0;
}

int model_new(Model *m, const Plan *plan, const DatasetInfo *info, Err *e)
{
    NetworkSpec spec;
    *m = (Model){0};
    TRY(model_spec(&spec, plan, info, e));
    TRY(network_build(&m->graph, &spec, e));
    const int code = parameters_new(&m->parameters, m->graph, e);
    if (code) model_free(m);
    return code;
}

void model_free(Model *m)
{
    parameters_free(m->parameters);
    graph_free(m->graph);
    *m = (Model){0};
}

static int take_one(Parameters *parameters, int index, const WeightsFile *weights, Err *e)
{
    const Param *p = &graph_params(parameters->graph)[index];
    const Array *a = weights_find(weights, p->name);
    if (!a)
        return err_set(e, ERR_FORMAT, "weight %s is missing: these are weights of another network", p->name);
    if (a->dtype != DTYPE_F32)
        return err_set(e, ERR_FORMAT, "weight %s is %s, expected float32", p->name, dtype_name(a->dtype));
    bool same = a->rank == p->rank;
    for (int i = 0; same && i < p->rank; i++) same = a->shape[i] == p->shape[i];
    if (!same)
        return err_set(e, ERR_FORMAT,
                       "weight %s has %lld values, expected %lld: these are weights of another network",
                       p->name, (long long)array_count(a), (long long)p->count);
    memcpy(parameters_of(parameters, index), a->data, (size_t)p->count * sizeof(float));
    return 0;
}

int model_take(Parameters *parameters, const WeightsFile *weights, Err *e)
{
    for (int i = 0; i < graph_param_count(parameters->graph); i++) TRY(take_one(parameters, i, weights, e));
    parameters_changed(parameters);
    return 0;
}

int model_read(Model *m, const char *path, Err *e)
{
    WeightsFile weights = {0};
    TRY(safetensors_open(&weights, path, e));
    const int code = model_take(m->parameters, &weights, e);
    weights_close(&weights);
    return code ? err_context(e, "%s", path) : 0;
}
