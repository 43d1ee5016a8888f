/* Model: the network of a plan and its weights. The number of classes is not in the plan; it comes from the dataset.
 *
 *   Model m = {0};
 *   model_new(&m, &plan, &info, e);                       // to train
 *   parameters_initialize(m.parameters, seed);            // or from a file: model/import.h
 *   … executors of m.graph with m.parameters …
 *   model_free(&m);                                       // after its executors
 *
 *   model_open(&m, &plan, &info, "checkpoint_final.safetensors", e);    // to predict
 *   … executors read and pack the parameters (parameters.h) … model_free(&m); */
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
    struct ModelWeights *weights; /* after model_open: the open file; owned */
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

/* The same without parameters: the network's definition only. */
int model_define(Model *m, const Plan *plan, const DatasetInfo *info, Err *e);

/* The same for inference with the weights of a file (safetensors or PyTorch), which is checked and stays open until
 * model_free: the parameters have it as their source, and are not in memory. A file that another replaces under its name
 * stays the source; if its own content changes, reading the parameters fails (ERR_IO). Fails also: as weights_read and
 * import_network, and for NaN or infinity (ERR_VALUE), with the path. */
int model_open(Model *m, const Plan *plan, const DatasetInfo *info, const char *path, Err *e);

#endif
