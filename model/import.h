/* Import: sets a network's parameters from weights that were trained elsewhere.
 *
 * The names in a file show its kind. It contains either the weights of a network (of this program or of an nnU-Net
 * trainer; the prefixes "module." and "_orig_mod." of wrappers are ignored), or those of a VMamba classifier. These
 * fill the network's encoder by the official rules (load_pretrained_ckpt of SwinUMamba.py and SwinUMambaD.py):
 * - layers.I.downsample becomes downsamples.I;
 * - norm.* and head.* belong to the classifier and are left out;
 * - patch_embed is used if its convolution has the same shape, but not for a network with a stem before it;
 * - patch_embed.norm.bias is always used: it is missing in the official list of exceptions.
 * Repeated and unused tensors of the other networks' state dicts ("….all_modules.…", "decoder.encoder.…",
 * "….norm_cross_attn.…") are ignored.
 * A tensor is used if its parameter has the same shape; all floating types are converted to float32. Tensors of an
 * optimizer (in checkpoints of this program), and integer tensors without a parameter of that name, are ignored. */
#ifndef MODEL_IMPORT_H
#define MODEL_IMPORT_H

#include <stdbool.h>

#include "base/error.h"
#include "base/text.h"
#include "network/executor/parameters.h"
#include "network/models/network.h"
#include "weights/weights.h"

typedef struct ImportReport {
    bool encoder_only; /* the weights are those of a VMamba classifier */
    int taken;         /* number of parameters that were set */
    /* What such a file should have: the parameters that import_mark_unfrozen freezes, or, of a network without a
     * pretrained encoder, all but those of the heads. How many there are, and how many of them were set. */
    const char *expects; /* "of the encoder", "besides the heads" */
    int expected, expected_taken;
    Text filled;  /* a character for each parameter of the graph: '1' if it was set, else '0'; owned */
    Text summary; /* a line: numbers of parameters that were set, and of tensors left out for each reason; owned */
    Text text;    /* lines: tensors that were left out and why, parameters that were not set; owned */
} ImportReport;

/* Sets the parameters that have a matching tensor; others stay unchanged. `report` is owned by the caller
 * (import_report_free), and empty on failure. Fails, with all parameters unchanged: ERR_VALUE if less than a tenth of
 * the expected parameters match, with both widths if they differ; ERR_FORMAT if two tensors match one parameter;
 * ERR_NOMEM. */
int import_weights(Parameters *p, const NetworkKind *kind, const WeightsFile *w, ImportReport *report, Err *e);
void import_report_free(ImportReport *report);

/* Sets every parameter, to predict or to continue a training. Fails, with all parameters unchanged: ERR_FORMAT, with
 * the first tensor or parameter that has no counterpart of the same shape; ERR_NOMEM. */
int import_network(Parameters *p, const WeightsFile *w, Err *e);

/* The tensor of every parameter of g, for import_read: a new array of pointers into w, which the caller frees with mem_free.
 * Fails: as import_network. */
int import_match(const Array ***tensors, const Graph *g, const WeightsFile *w, Err *e);

/* Writes a tensor of a floating type as float32. */
void import_read(float *values, const Array *tensor);

/* Marks the parameters that are trained while the encoder is frozen (freeze_encoder of the official trainers): all
 * except those of the encoder (NetworkEncoder); of these only the ones that import_weights did not set. filled: of the
 * ImportReport, or NULL if all were set. trained: graph_param_count entries. */
void import_mark_unfrozen(const Graph *g, const NetworkKind *kind, const char *filled, bool *trained);

#endif
