/* A checkpoint of nnU-Net's U-Net in the form of nnUNetTrainer.save_checkpoint. */
#ifndef INFERENCE_NNUNET_CHECKPOINT_H
#define INFERENCE_NNUNET_CHECKPOINT_H

#include "base/error.h"
#include "model/model.h"
#include "plans/plan.h"

/* Writes the weights of the file `from` to `path` (.pth): network_weights under all names of the network's state dict
 * (PyTorch lists the layers of a block again as all_modules, and the encoder in the decoder; the repeated tensors share
 * their numbers), trainer_name, init_args, inference_allowed_mirroring_axes, current_epoch, _best_ema, and an optimizer
 * state and curves without content: nnU-Net predicts with it, but cannot continue the training. model: the
 * plan's network, without weights. Fails: as weights_read, import_network, pth_write_weights, with the path. */
int nnunet_checkpoint_write(const char *path, const char *from, const Model *model, const Plan *plan, int fold, Err *e);

#endif
