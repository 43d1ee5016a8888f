/* ChosenWeights: whether the weights that are to predict are those that an inference.yaml was chosen by. */
#ifndef INFERENCE_CHOSEN_WEIGHTS_H
#define INFERENCE_CHOSEN_WEIGHTS_H

#include "data/faults.h"
#include "inference/configuration.h"
#include "inference/model_source.h"

/* sources: of the models of c, opened, in their order. Warns where c was chosen and does not say by which weights, and
 * where another checkpoint was asked for than the one it was chosen by. Does nothing for a c that nobody chose. Fails:
 * ERR_VALUE with the files whose content is another one, and what to type; ERR_IO, ERR_NOMEM. */
int chosen_weights_expect(FaultList *warnings, const Configuration *c, const ModelSource *sources, Err *e);

#endif
