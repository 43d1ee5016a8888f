/* Networks: a row of the table (networks.c) and a plan's values become a Graph.
 *
 * A network is one file: a NetworkKind with all that plan, planner, trainer and network_info need to know of it, and a
 * line in networks.c. Its configuration, the keys of the plan's `network:` beside `name`, is a struct of its own.
 *
 * Inputs of the graph: "image" (N,H,W,C) and "labels" (N,H,W,1, int16; -1, outside, counts as background).
 * Outputs: "head0" (full resolution logits), "head1" … (coarser, official order), "loss" (a scalar: Dice +
 * (binary) cross-entropy over the heads that deep supervision weighs) and "loss0" … (each head's own). An executor
 * runs only what its outputs need: inference asks for head0 and never touches the rest. A builder may give the graph an
 * output "counted": a value that nothing reads, but that the official counts of multiply-adds include. */
#ifndef NETWORK_MODELS_NETWORK_H
#define NETWORK_MODELS_NETWORK_H

#include <stddef.h>

#include "base/error.h"
#include "base/text.h"
#include "network/graph/graph.h"
#include "network/ops/ops.h"

enum { NETWORK_HEADS = 8 /* most */, NETWORK_CONFIG_BYTES = 2048 };

struct Schema; /* formats/schema.h */

/* The configuration of some network: a place for its struct, which holds all its values itself. */
typedef union NetworkConfig {
    max_align_t aligned;
    unsigned char bytes[NETWORK_CONFIG_BYTES];
} NetworkConfig;

/* What a builder makes: logits of `classes` channels each, [0] at full resolution. */
typedef struct Heads {
    int64_t classes;
    int count;
    Ref of[NETWORK_HEADS];
} Heads;

typedef enum NetworkOptimizer { OPTIMIZER_ADAMW, OPTIMIZER_SGD } NetworkOptimizer;
typedef enum NetworkSchedule { SCHEDULE_COSINE, SCHEDULE_POLY } NetworkSchedule;
typedef enum NetworkDeepSupervision {
    DEEP_SUPERVISION_ON,
    DEEP_SUPERVISION_OFF,
    DEEP_SUPERVISION_PRETRAINED  /* on, but not for a network that is trained from random weights */
} NetworkDeepSupervision;

/* How its authors train a network: the values that `--network` brings along for the plan's `training:`. */
typedef struct NetworkTraining {
    NetworkOptimizer optimizer;
    double learning_rate, weight_decay;
    NetworkSchedule schedule;
    double poly_power;
    NetworkDeepSupervision deep_supervision;
    int freeze_encoder_epochs;
} NetworkTraining;

/* The parameters that pretrained weights of an encoder fill, and that are frozen in a run's first epochs. */
typedef struct NetworkEncoder {
    const char *prefix;    /* of their names; NULL: the network has no such encoder */
    const char *unfrozen;  /* those with this in their name are not frozen; may be NULL */
} NetworkEncoder;

typedef struct NetworkKind {
    const char *name, *about;           /* about: one line for --help */
    const struct Schema *schema;        /* the keys of the configuration; defaults are the authors' values */
    size_t config_bytes;                /* NETWORK_CONFIG(STRUCT) */
    bool uses_architecture;             /* the struct begins with an Architecture, which the plan's `architecture` fills;
                                         * patch and batch are planned by nnU-Net's own rules */
    int (*check)(const void *config, Err *e);               /* whether its values fit each other: ERR_VALUE */
    void (*divisor)(const void *config, int yx[2]);         /* what height and width must be multiples of */
    void (*build)(Graph *g, Ref image, const void *config, Heads *heads);  /* how parameters start, too: InitPolicy */
    NetworkTraining training;
    NetworkEncoder encoder;
    const char *const *trainers;        /* nnU-Net trainers of this network, the beginnings of their names; NULL at the
                                         * end. Of all networks the longest beginning counts. May be NULL */
    /* Learns a value of the configuration from a parameter of an nnU-Net checkpoint, whose plan does not have it. It is
     * called for every parameter. NULL: nothing can be learnt. */
    void (*learn)(void *config, const char *parameter, int rank, const int64_t *shape);
} NetworkKind;

/* The size of a configuration's struct; does not compile where NetworkConfig has no room for it. */
#define NETWORK_CONFIG(STRUCT) \
    (sizeof(STRUCT) + 0 * sizeof(struct { \
        _Static_assert(sizeof(STRUCT) <= NETWORK_CONFIG_BYTES, "NETWORK_CONFIG_BYTES is too small"); \
        char unused; \
    }))

/* The networks of this build; the first is the default. NULL at the end. */
const NetworkKind *const *network_kinds(void);

/* By name; NULL where this build lacks it. */
const NetworkKind *network_kind(const char *name);

/* Of an nnU-Net trainer's class; NULL where it is not known. */
const NetworkKind *network_of_trainer(const char *trainer);

/* Adds "a, b, c" to text. */
void network_add_names(Text *text);

/* Adds a line "  NAME   what it is" for each network to text: for --help. */
void network_add_help(Text *text);

/* Says that there is no such network, which there are, and the nearest. Returns ERR_VALUE. */
int network_unknown(const char *name, Err *e);

/* What network_build takes. */
typedef struct NetworkSpec {
    const NetworkKind *kind;
    NetworkConfig config;
    int64_t height, width;          /* nominal image size (the plan's patch) */
    int64_t channels, classes;      /* of the image; of the logits, background included unless they are regions */
    bool deep_supervision;
    DiceCE loss;
    bool has_regions;               /* the logits' channels are regions: region_loss in place of loss */
    DiceBCE region_loss;
} NetworkSpec;

/* A network with its authors' configuration; sizes are the caller's to fill in. Fails: ERR_VALUE (network_unknown). */
int network_defaults(NetworkSpec *spec, const char *name, Err *e);

/* Sets keys of the configuration, in YAML: "{width: 0.5, drop_path: 0}". Fails: ERR_FORMAT, ERR_NOMEM. */
int network_configure(NetworkSpec *spec, const char *keys, Err *e);

/* A new graph, owned by the caller. Fails: ERR_SHAPE, ERR_VALUE, ERR_NOMEM, with the place. */
int network_build(Graph **g, const NetworkSpec *spec, Err *e);

/* The outputs "head0" … of a graph; heads (NETWORK_HEADS) written. Returns how many. */
int network_heads(const Graph *g, Ref *heads);

/* weights[i] of head i's loss under deep supervision: 1/2^i, the last 0 (but a single one 1), their sum 1. */
void network_head_weights(int heads, double *weights);

#endif
