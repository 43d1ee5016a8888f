/* The common part of the Swin-UMamba networks: their configuration, and the encoder of VMamba (Liu et al. 2024). */
#ifndef NETWORK_MODELS_VSS_ENCODER_H
#define NETWORK_MODELS_VSS_ENCODER_H

#include "network/models/network.h"

enum {
    VSS_STAGES = 4,
    VSS_CHANNELS = 96, /* of the first stage, at width 1 */
    VSS_LIST = 16      /* maximum entries of a list */
};

/* The keys of the plan have the same names. */
typedef struct VssConfig {
    double width;                                       /* multiplies every number of channels */
    int dims[VSS_LIST], dims_count;                     /* channels of the encoder's stages at width 1 */
    int depths[VSS_LIST], depths_count;                 /* blocks of the encoder's stages */
    int decoder_depths[VSS_LIST], decoder_depths_count; /* blocks of the decoder's, coarsest first */
    int d_state;                                        /* states of the selective scan */
    double drop_path;                                   /* largest rate of stochastic depth */
} VssConfig;

/* The keys, for the schema of any struct that begins with a VssConfig; formats/schema.h. */
#define VSS_STAGE_LIST(KEY, MEMBER, HIGH, DEFAULT, DOC)                                     \
    {                                                                                       \
        ROW(FIELD_INT, KEY, VssConfig, MEMBER), LIST_OF(VssConfig, MEMBER, MEMBER##_count), \
            .low = 1, .high = HIGH, .fallback = DEFAULT, .doc = DOC                         \
    }
#define VSS_SIZE_FIELDS                                                                                            \
    ROW_DOUBLE("width", VssConfig, width, 1.0 / 64, 16, "1.0", "multiplies every number of channels"),             \
        VSS_STAGE_LIST("dims", dims, 1 << 16, "96, 192, 384, 768", "channels of the encoder's stages at width 1"), \
        VSS_STAGE_LIST("depths", depths, 256, "2, 2, 9, 2", "blocks of the encoder's stages")
#define VSS_BLOCK_FIELDS                                                                  \
    ROW_INT("d_state", VssConfig, d_state, 1, 256, "16", "states of the selective scan"), \
        ROW_DOUBLE("drop_path", VssConfig, drop_path, 0, 0.99, "0.2", "largest rate of stochastic depth")

/* Members of the NetworkKinds. */
extern const struct Schema vss_schema;
int vss_check(const void *config, Err *e);
int vss_check_encoder(const VssConfig *config, Err *e); /* without the decoder's keys */
void vss_divisor(const void *config, int yx[2]);
double *vss_width(void *config);
void vss_learn(void *config, const char *parameter, int rank, const int64_t *shape);
#define VSS_CONFIG                                                                                                \
    .schema = &vss_schema, .config_bytes = NETWORK_CONFIG(VssConfig), .check = vss_check, .divisor = vss_divisor, \
    .width = vss_width, .encoder = {"vssm_encoder.", "patch_embed."}, .learn = vss_learn
/* AdamW and a cosine schedule, as the authors train all three networks. */
#define VSS_TRAINING(DEEP_SUPERVISION) \
    .training = {OPTIMIZER_ADAMW, 1e-4, 0.05, SCHEDULE_COSINE, 0.9, DEEP_SUPERVISION, .freeze_encoder_epochs = 10}

/* Channels of a stage. */
int64_t vss_channels(const VssConfig *config, int stage);

/* The encoder "vssm_encoder"; stages[i] is stage i's output before its downsampling. labels: those above 0 mask its tokens (op_mask_token);
 * NULL: nothing is masked. */
void vss_encoder(Graph *g, Ref x, int64_t patch, const VssConfig *config, const Ref *labels, Ref stages[VSS_STAGES]);

#endif
