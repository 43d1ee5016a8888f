/* ChosenWeights: checks that the weights for a prediction are those by which an inference.yaml was chosen. */
#ifndef INFERENCE_CHOSEN_WEIGHTS_H
#define INFERENCE_CHOSEN_WEIGHTS_H

#include "data/faults.h"
#include "inference/configuration.h"
#include "inference/model_source.h"

/* sources: the opened models of c, in their order. Warns if c does not record the weights it was chosen by, and if another
 * checkpoint than that is requested. Does nothing for a c that is not a choice of find_best_configuration. Fails:
 * ERR_VALUE with the files whose content has changed, and the command to type; ERR_IO, ERR_NOMEM. */
int chosen_weights_expect(FaultList *warnings, const Configuration *c, const ModelSource *const *sources, Err *e);

#endif
