/* Model: the network of a plan and its weights. The number of classes is not in the plan; it comes from the dataset.
 *
 *   Model m = {0};
 *   model_new(&m, &plan, &info, e);
 *   model_read(&m, "checkpoint_final.safetensors", e);    // or parameters_initialize(m.parameters, seed)
 *   … executors of m.graph with m.parameters …
 *   model_free(&m);                                       // after its executors */
#ifndef MODEL_MODEL_H
#define MODEL_MODEL_H

#include "base/error.h"
#include "network/executor/parameters.h"
#include "network/models/network.h"
#include "plans/dataset_json.h"
#include "plans/plan.h"

typedef struct Model {
    const NetworkKind *kind;
    Graph *graph;
    Parameters *parameters;
} Model;

/* The arguments of network_build from a plan and its dataset. Fails: ERR_VALUE; ERR_UNSUPPORTED for a plan that this
 * build does not support. */
int model_spec(NetworkSpec *spec, const Plan *plan, const DatasetInfo *info, Err *e);

/* The loss of a dataset with regions: sets the regions of each label. Fails: ERR_UNSUPPORTED for too many regions or
 * labels. */
int model_region_loss(DiceBCE *loss, const Plan *plan, const DatasetInfo *info, Err *e);

/* Builds the network for the plan's patch size and the dataset's channels and classes; all weights are 0. Fails:
 * ERR_VALUE, ERR_SHAPE, ERR_NOMEM; ERR_UNSUPPORTED for a plan that this build does not support. */
int model_new(Model *m, const Plan *plan, const DatasetInfo *info, Err *e);
void model_free(Model *m);

/* Sets every parameter from a file of weights (safetensors or PyTorch). Fails: as weights_read and import_network, with
 * the path. */
int model_read(Model *m, const char *path, Err *e);

#endif
