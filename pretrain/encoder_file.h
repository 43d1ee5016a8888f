/* The encoder of a pretraining as a file of weights with VMamba's names. */
#ifndef PRETRAIN_ENCODER_FILE_H
#define PRETRAIN_ENCODER_FILE_H

#include "base/error.h"

/* Writes the encoder of a checkpoint of vmamba_masked or vmamba_classifier to path: .safetensors, or .pth (.pt) as VMamba's own loader
 * reads it: {"model": state dict}. A classifier's head is written, too. Fails: as safetensors_open and weights_write; ERR_FORMAT for a
 * checkpoint without an encoder. */
int encoder_write(const char *path, const char *checkpoint, Err *e);

#endif
