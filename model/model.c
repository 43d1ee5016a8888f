#include "model/model.h"

#include <math.h>

#include "base/file.h"
#include "base/memory.h"
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
    spec->channels = plan_input_channels(plan);
    spec->classes = dataset_head_count(info);
    spec->deep_supervision = plan_deep_supervision(plan);
    spec->loss =
        (DiceCE){.batch_dice = plan->configuration.batch_dice, .smooth = 1e-5, .ignore_label = info->ignore_value};
    spec->has_regions = info->has_regions;
    return info->has_regions ? model_region_loss(&spec->region_loss, plan, info, e) : 0;
}

/* The source of the parameters of model_open. */
typedef struct ModelWeights {
    char *path;
    FileWatch watch;
    WeightsFile file;
    const Graph *graph;
    const Array **tensors; /* per parameter of the graph */
} ModelWeights;

int model_define(Model *m, const Plan *plan, const DatasetInfo *info, Err *e)
{
    NetworkSpec spec;
    *m = (Model){0};
    TRY(model_spec(&spec, plan, info, e));
    TRY(network_build(&m->graph, &spec, e));
    m->kind = spec.kind;
    return 0;
}

int model_new(Model *m, const Plan *plan, const DatasetInfo *info, Err *e)
{
    TRY(model_define(m, plan, info, e));
    const int code = parameters_new(&m->parameters, m->graph, e);
    if (code) model_free(m);
    return code;
}

static int check_unchanged(const ModelWeights *w, Err *e)
{
    bool changed;
    TRY(file_watch_check(&w->watch, w->path, &changed, e));
    if (!changed) return 0;
    return err_set(e, ERR_IO, "%s: its content was changed while it was in use; start again when it is complete",
                   w->path);
}

/* Of the mapped file only a part of a tensor is in memory at a time. */
enum { PART = 1 << 18 };

/* Reads a parameter's values from `first` on, at most PART. Returns their number. */
static int64_t read_part(const ModelWeights *w, int index, int64_t first, float *values)
{
    const Array *tensor = w->tensors[index];
    const int64_t left = array_count(tensor) - first, length = left < PART ? left : PART;
    char *data = (char *)tensor->data + (size_t)first * dtype_size(tensor->dtype);
    const Array part = array_view(tensor->dtype, 1, &length, data);
    import_read(values, &part);
    if (tensor->owner == ARRAY_VIEW) file_forget(part.data, array_bytes(&part));
    return length;
}

/* A ParameterSource. A change is looked for before, since a page that a shorter file has lost cannot be read, and after,
 * since values of two files must not be mixed. */
static int read_parameter(void *context, int index, float *values, Err *e)
{
    const ModelWeights *w = context;
    const int64_t count = array_count(w->tensors[index]);
    TRY(check_unchanged(w, e));
    for (int64_t first = 0; first < count; first += PART) read_part(w, index, first, values + first);
    return check_unchanged(w, e);
}

static int check_parameter(const ModelWeights *w, int index, float *values, Err *e)
{
    const Param *p = &graph_params(w->graph)[index];
    for (int64_t first = 0; first < p->count; first += PART) {
        const int64_t length = read_part(w, index, first, values);
        for (int64_t i = 0; i < length; i++)
            if (!isfinite(values[i]))
                return err_set(e, ERR_VALUE,
                               "tensor '%s': element %lld of %lld is NaN or infinite; expected trained weights",
                               p->name, (long long)(first + i), (long long)p->count);
    }
    return 0;
}

/* When the file is opened: its fault is told once, not by every executor that reads it. */
static int check_finite(const ModelWeights *w, Err *e)
{
    float *values = mem_alloc(PART * sizeof *values, e);
    int code = values ? 0 : ERR_NOMEM;
    for (int i = 0; i < graph_param_count(w->graph) && !code; i++) code = check_parameter(w, i, values, e);
    mem_free(values);
    return code;
}

static int open_weights(Model *m, const char *path, Err *e)
{
    ModelWeights *w = m->weights = mem_zalloc(1, sizeof *w, e);
    if (!w || !(w->path = mem_strdup(path, e))) return ERR_NOMEM;
    w->graph = m->graph;
    TRY(file_watch(&w->watch, path, e));
    /* Of a checkpoint in safetensors only the weights are read, a third of the file. */
    TRY(path_ends_with(path, ".safetensors") ? safetensors_open(&w->file, path, e) : weights_read(&w->file, path, e));
    if (import_match(&w->tensors, m->graph, &w->file, e) || check_finite(w, e)) return err_context(e, "%s", path);
    file_forget(w->file.mapping, w->file.mapping_bytes); /* the checks of some formats read all of it */
    return parameters_new_from(&m->parameters, m->graph, (ParameterSource){read_parameter, w}, e);
}

int model_open(Model *m, const Plan *plan, const DatasetInfo *info, const char *path, Err *e)
{
    TRY(model_define(m, plan, info, e));
    const int code = open_weights(m, path, e);
    if (code) model_free(m);
    return code;
}

void model_free(Model *m)
{
    parameters_free(m->parameters);
    graph_free(m->graph);
    if (m->weights) {
        weights_close(&m->weights->file);
        file_watch_end(&m->weights->watch);
        mem_free(m->weights->tensors);
        mem_free(m->weights->path);
        mem_free(m->weights);
    }
    *m = (Model){0};
}
