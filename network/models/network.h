/* Networks: builds a Graph from an entry of the table of networks (networks.c) and the values of a plan.
 *
 * A network consists of one file and a line in networks.c. The file defines a NetworkKind, with everything that plans,
 * planner, trainer and network_info need. It has its own configuration struct, for the keys of the plan's `network:`
 * other than `name`.
 *
 * Networks of pretraining are kinds, too (build_pretraining).
 *
 * Inputs of the graph: "image" (N,H,W,C) and "labels" (N,H,W,1, int16; -1, outside the image, counts as background).
 * Outputs: "head0" (logits at full resolution), "head1" … (coarser, in the official order), "loss" (a scalar: Dice +
 * (binary) cross-entropy, summed over the heads with the weights of deep supervision) and "loss0" … (of each head). An
 * executor runs only the nodes that its outputs depend on: inference requests only head0. A builder may add an output
 * "counted": a value that no node reads, but that the official counts of multiply-adds include. */
#ifndef NETWORK_MODELS_NETWORK_H
#define NETWORK_MODELS_NETWORK_H

#include <stddef.h>

#include "base/error.h"
#include "base/text.h"
#include "network/graph/graph.h"
#include "network/ops/ops.h"

enum {
    NETWORK_HEADS = 9, /* maximum */
    NETWORK_CONFIG_BYTES = 2048,
    NETWORK_DIVISOR = 4096 /* maximum of `divisor`: its square has CLASS_COUNTS_PIXELS pixels */
};

struct Schema; /* formats/schema.h */

/* Memory for the configuration struct of any network. These structs own no memory. */
typedef union NetworkConfig {
    max_align_t aligned;
    unsigned char bytes[NETWORK_CONFIG_BYTES];
} NetworkConfig;

/* The outputs of a builder: logits with `classes` channels each; [0] at full resolution. */
typedef struct Heads {
    int64_t classes;
    int count;
    Ref of[NETWORK_HEADS];
} Heads;

typedef enum NetworkOptimizer { OPTIMIZER_ADAMW, OPTIMIZER_SGD, OPTIMIZER_ADAM } NetworkOptimizer;
typedef enum NetworkSchedule { SCHEDULE_COSINE, SCHEDULE_POLY } NetworkSchedule;
typedef enum NetworkDeepSupervision {
    DEEP_SUPERVISION_ON,
    DEEP_SUPERVISION_OFF,
    DEEP_SUPERVISION_PRETRAINED /* on, but not for a network that is trained from random weights */
} NetworkDeepSupervision;

/* How the authors train a network: the values of the plan's `training:` that the planner sets with `--network`. */
typedef struct NetworkTraining {
    NetworkOptimizer optimizer;
    double learning_rate, weight_decay;
    NetworkSchedule schedule;
    double poly_power;
    NetworkDeepSupervision deep_supervision;
    int freeze_encoder_epochs;
} NetworkTraining;

/* The parameters of the encoder: pretrained weights are for them, and they are frozen in the first epochs. */
typedef struct NetworkEncoder {
    const char *prefix;   /* of their names; NULL: the network has no pretrained encoder */
    const char *unfrozen; /* parameters with this in their names are not frozen; may be NULL */
} NetworkEncoder;

/* What a network that learns from masked images does not see of a training patch: squares of `size` pixels, this share of them. */
typedef struct NetworkMask {
    int size;
    double share;
} NetworkMask;

typedef struct NetworkSpec NetworkSpec;

typedef struct NetworkKind {
    const char *name, *about;    /* about: a line for --help, at most 56 characters */
    const struct Schema *schema; /* the keys of the configuration; defaults are the authors' values */
    size_t config_bytes;         /* NETWORK_CONFIG(STRUCT) */
    bool uses_architecture;      /* the struct begins with an Architecture, read from the plan's `architecture`;
                                         * patch and batch size are planned by nnU-Net's rules */
    /* Completes a configuration that no plan has filled, for images of this size. NULL: it is always complete. */
    int (*complete)(void *config, int64_t height, int64_t width, Err *e);
    int (*check)(const void *config, Err *e);       /* checks that the values are consistent; ERR_VALUE */
    void (*divisor)(const void *config, int yx[2]); /* what height and width must be multiples of */
    double *(*width)(void *config);                 /* the factor of all its channels; NULL: it has none */
    void (*build)(Graph *g, Ref image, const void *config, Heads *heads); /* also sets the InitPolicy */
    /* Networks that only train an encoder (pretrain) have this instead of `build`. It defines the output "loss", and "counts" if the labels
     * are classes of images. They are found by name, but not in network_kinds. */
    void (*build_pretraining)(Graph *g, Ref image, Ref labels, const NetworkSpec *spec);
    NetworkMask (*mask)(
        const void *config); /* its labels are then 1 where a patch is masked. NULL: those of the cases */
    NetworkTraining training;
    NetworkEncoder encoder;
    const char *const *trainers; /* prefixes of the names of nnU-Net trainers for this network, a whole name with "$" at
                                  * its end; NULL at the end. The longest match of all networks decides. May be NULL */
    /* Infers values of the configuration that an nnU-Net plan does not contain from the shapes of the checkpoint's
     * parameters. Called for every parameter. NULL: there are no such values. */
    void (*learn)(void *config, const char *parameter, int rank, const int64_t *shape);
} NetworkKind;

/* The size of a configuration struct. Does not compile if the struct is larger than NetworkConfig. */
#define NETWORK_CONFIG(STRUCT)                                                                                         \
    (sizeof(STRUCT) + 0 * sizeof(struct {                                                                              \
                          _Static_assert(sizeof(STRUCT) <= NETWORK_CONFIG_BYTES, "NETWORK_CONFIG_BYTES is too small"); \
                          char unused;                                                                                 \
                      }))

/* The networks of this build; the first is the default. NULL at the end. */
const NetworkKind *const *network_kinds(void);

/* By name, those of pretraining, too; NULL if there is none. */
const NetworkKind *network_kind(const char *name);

/* By name, without those of pretraining. */
const NetworkKind *network_of_segmentation(const char *name);

/* The network of an nnU-Net trainer class; NULL if it is not known. */
const NetworkKind *network_of_trainer(const char *trainer);

/* Adds "a, b, c" to text. */
void network_add_names(Text *text);

/* Adds a line "  NAME   what it is" for each network to text: for --help. */
void network_add_help(Text *text);

/* Sets the error for an unknown network: lists all networks and suggests the nearest name. Returns ERR_VALUE. */
int network_unknown(const char *name, Err *e);

/* The arguments of network_build. */
struct NetworkSpec {
    const NetworkKind *kind;
    NetworkConfig config;
    int64_t height, width;     /* nominal image size: the plan's patch size */
    int64_t channels, classes; /* of the image; of the logits (including the background, except with regions) */
    bool deep_supervision;
    DiceCE loss;
    bool has_regions; /* the logits' channels are regions: use region_loss instead of loss */
    DiceBCE region_loss;
};

/* Sets the kind and the authors' configuration of a network; the caller fills in the sizes. Fails: ERR_VALUE
 * (network_unknown). */
int network_defaults(NetworkSpec *spec, const char *name, Err *e);

/* Sets keys of the configuration, in YAML: "{width: 0.5, drop_path: 0}". Fails: ERR_FORMAT, ERR_NOMEM. */
int network_configure(NetworkSpec *spec, const char *keys, Err *e);

/* Builds the graph, owned by the caller. Fails: ERR_SHAPE, ERR_VALUE, ERR_NOMEM, with the node or value. */
int network_build(Graph **g, const NetworkSpec *spec, Err *e);

/* Writes the outputs "head0" … of a graph to heads (NETWORK_HEADS entries). Returns their number. */
int network_heads(const Graph *g, Ref *heads);

/* The weights of the heads' losses with deep supervision: weights[i] is proportional to 1/2^i, the last is 0 (a single
 * one is 1); their sum is 1. */
void network_head_weights(int heads, double *weights);

#endif
