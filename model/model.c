#include "model/model.h"

#include "base/file.h"
#include "model/import.h"
#include "weights/safetensors.h"
#include "weights/weights_io.h"

int model_region_loss(DiceBCE *loss, const Plan *plan, const DatasetInfo *info, Err *e)
{
    *loss = (DiceBCE){plan->configuration.batch_dice, 1e-5, info->ignore_value, {0}};
    if (info->max_value >= LOSS_LABELS || dataset_head_count(info) > LOSS_REGIONS)
        return err_set(e, ERR_UNSUPPORTED,
                       "%d regions of labels up to %d: at most %d regions of labels below %d are supported",
                       dataset_head_count(info), info->max_value, LOSS_REGIONS, LOSS_LABELS);
    for (int r = 0, index; (index = dataset_foreground(info, r)) >= 0; r++)
        for (int i = 0; i < info->labels[index].value_count; i++)
            loss->regions[info->labels[index].values[i]] |= UINT64_C(1) << r;
    return 0;
}

int model_spec(NetworkSpec *spec, const Plan *plan, const DatasetInfo *info, Err *e)
{
    TRY(network_defaults(spec, plan->network.name, e));
    plan_network_config(plan, &spec->config);
    spec->height = plan->configuration.patch_size[0];
    spec->width = plan->configuration.patch_size[1];
    spec->channels = plan->configuration.channel_count;
    spec->classes = dataset_head_count(info);
    spec->deep_supervision = plan_deep_supervision(plan);
    spec->loss =
        (DiceCE){.batch_dice = plan->configuration.batch_dice, .smooth = 1e-5, .ignore_label = info->ignore_value};
    spec->has_regions = info->has_regions;
    return info->has_regions ? model_region_loss(&spec->region_loss, plan, info, e) : 0;
}

int model_new(Model *m, const Plan *plan, const DatasetInfo *info, Err *e)
{
    NetworkSpec spec;
    *m = (Model){0};
    TRY(model_spec(&spec, plan, info, e));
    TRY(network_build(&m->graph, &spec, e));
    m->kind = spec.kind;
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

int model_read(Model *m, const char *path, Err *e)
{
    WeightsFile weights = {0};
    /* Of a checkpoint in safetensors only the weights are read, a third of the file. */
    TRY(path_ends_with(path, ".safetensors") ? safetensors_open(&weights, path, e) : weights_read(&weights, path, e));
    const int code = import_network(m->parameters, &weights, e);
    weights_close(&weights);
    return code ? err_context(e, "%s", path) : 0;
}
