/* Model: a plan's network and its weights. A graph needs of the dataset what no plan has: its classes.
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

/* What network_build takes, from a plan and its dataset. Fails: ERR_VALUE; ERR_UNSUPPORTED for what the plan
 * knows but this build cannot make. */
int model_spec(NetworkSpec *spec, const Plan *plan, const DatasetInfo *info, Err *e);

/* The loss of a dataset with regions: which labels belong to which. Fails: ERR_UNSUPPORTED for too many. */
int model_region_loss(DiceBCE *loss, const Plan *plan, const DatasetInfo *info, Err *e);

/* Builds the network for the patch, the channels and the dataset's classes; weights are 0. Fails:
 * ERR_VALUE, ERR_SHAPE, ERR_NOMEM; ERR_UNSUPPORTED for what the plan knows but this build cannot make. */
int model_new(Model *m, const Plan *plan, const DatasetInfo *info, Err *e);
void model_free(Model *m);

/* Fills every parameter from a file of weights (safetensors or PyTorch's). Fails as weights_read and
 * import_network, with the path. */
int model_read(Model *m, const char *path, Err *e);

#endif
