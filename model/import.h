/* Import: a network's parameters out of weights that were trained elsewhere.
 *
 * The names of a file tell what it is: a whole network's (ours, or an nnU-Net trainer's; the prefixes of
 * wrappers, "module." and "_orig_mod.", don't count), or a VMamba classifier's, which fills the network's encoder
 * by the official rules (load_pretrained_ckpt of SwinUMamba.py and SwinUMambaD.py): layers.I.downsample
 * becomes downsamples.I; norm.* and head.* are the classifier's own; patch_embed is taken where its
 * convolution fits, but never by a network that has a stem in front of it, except for patch_embed.norm.bias,
 * which the official list forgot. A tensor is taken if its parameter has the same shape; any floating type
 * is converted to fp32. Tensors of an optimizer (ours), and tables of integers that no parameter is named
 * like, are passed over. */
#ifndef MODEL_IMPORT_H
#define MODEL_IMPORT_H

#include <stdbool.h>

#include "base/error.h"
#include "base/text.h"
#include "network/executor/parameters.h"
#include "network/models/network.h"
#include "weights/weights.h"

typedef struct ImportReport {
    bool encoder_only;   /* the weights were a VMamba classifier's */
    int taken;           /* parameters that were filled */
    int encoder, encoder_taken; /* parameters of the encoder (as import_mark_unfrozen counts them), and of these taken */
    Text filled;         /* a character for each parameter of the graph: '1' taken, '0' not; owned */
    Text summary;        /* one line: how many were taken, and how many were left out for which reason; owned */
    Text text;           /* lines: what was left out and why, what is kept; owned */
} ImportReport;

/* Fills what fits; other parameters stay as they are. `report` is the caller's (import_report_free), empty on
 * failure. Fails, with all parameters as they were: ERR_VALUE if less than a tenth of the encoder fits, with the
 * widths of both where they differ; ERR_FORMAT if two tensors are meant for one parameter; ERR_NOMEM. */
int import_weights(Parameters *p, const NetworkKind *kind, const WeightsFile *w, ImportReport *report, Err *e);
void import_report_free(ImportReport *report);

/* Fills every parameter, to predict or to go on with training. Fails, with all parameters as they were:
 * ERR_FORMAT naming the first tensor or parameter that has no counterpart of its shape; ERR_NOMEM. */
int import_network(Parameters *p, const WeightsFile *w, Err *e);

/* Marks what trains while the encoder is frozen (freeze_encoder of the official trainers): everything but
 * the encoder that the network's kind names, less what it says is not frozen. What was not taken trains too: `filled` is an
 * ImportReport's, or NULL where all was. trained: graph_param_count entries. */
void import_mark_unfrozen(const Graph *g, const NetworkKind *kind, const char *filled, bool *trained);

#endif
