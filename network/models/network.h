/* Networks by name: what a plan's `network:` section describes becomes a Graph.
 *
 * Inputs of the graph: "image" (N,H,W,C) and "labels" (N,H,W,1, int16; -1, outside, counts as background).
 * Outputs: "head0" (full resolution logits), "head1" … (coarser, official order), "loss" (a scalar: Dice +
 * (binary) cross-entropy over the heads that deep supervision weighs) and "loss0" … (each head's own). An executor
 * runs only what its outputs need: inference asks for head0 and never touches the rest. */
#ifndef NETWORK_MODELS_NETWORK_H
#define NETWORK_MODELS_NETWORK_H

#include "base/error.h"
#include "network/graph/graph.h"
#include "network/ops/ops.h"

enum { NETWORK_STAGES = 4, NETWORK_NAME = 32, NETWORK_CHANNELS = 96 /* of the first stage, of width 1 */ };

typedef struct NetworkSpec {
    char name[NETWORK_NAME];        /* "swin_umamba_d", "swin_umamba", "swin_umamba_paper" */
    int64_t height, width;          /* nominal image size (the plan's patch) */
    int64_t channels, classes;      /* of the image; of the logits, background included unless they are regions */
    int64_t dims[NETWORK_STAGES];   /* channels of the encoder's stages: 96, 192, 384, 768 */
    int64_t depths[NETWORK_STAGES]; /* VSS blocks per stage: 2, 2, 9, 2 */
    int64_t decoder_depth;          /* VSS blocks per decoder stage of swin_umamba_d: 2 */
    int64_t states;                 /* of the selective scan: 16 */
    double drop_path;               /* largest rate: 0.2 */
    bool deep_supervision;
    DiceCE loss;
    bool has_regions;               /* the logits' channels are regions: region_loss in place of loss */
    DiceBCE region_loss;
} NetworkSpec;

/* The names of the networks that this build has; NULL at the end. */
const char *const *network_names(void);

/* The official values for a network, of the given width factor (1 = official). Fails: ERR_VALUE (unknown
 * name, listing the known ones; a width that makes no whole channels). */
int network_defaults(NetworkSpec *spec, const char *name, double width, Err *e);

/* A new graph, owned by the caller. Fails: ERR_SHAPE, ERR_VALUE, ERR_NOMEM, with the place. */
int network_build(Graph **g, const NetworkSpec *spec, Err *e);

/* Height and width must be multiples of this. */
int64_t network_size_multiple(const char *name);

/* Number of heads; weights[i] of head i's loss under deep supervision: 1/2^i, the last 0, their sum 1. */
enum { NETWORK_HEADS = 4 };
void network_head_weights(int heads, double *weights);

#endif
