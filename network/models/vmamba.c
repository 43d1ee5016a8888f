/* VMamba (Liu et al. 2024) alone, to train the encoder of the Swin-UMamba networks: by masked images (Xie et al. 2022, SimMIM), which need no
 * labels, or as its authors do, as a classifier of images.
 *
 *   image ─ patch embed 4×4 ─ masked tokens ─ stages 0 … 3 ─ norm ─ linear to 32×32 pixels ─ L1 at the masked pixels
 *   image ─ patch embed 4×4 ───────────────── stages 0 … 3 ─ norm ─ mean over the image ─ linear to classes ─ cross-entropy */
#include "formats/schema.h"
#include "network/models/blocks.h"
#include "network/models/vss_encoder.h"

enum { STRIDE = 32 }; /* of the last stage, in pixels */

/* ---- masked images ---- */

typedef struct MaskedConfig {
    VssConfig encoder;
    int mask_size;
    double mask_share;
} MaskedConfig;

static const Field masked_fields[] = {
    VSS_SIZE_FIELDS, VSS_BLOCK_FIELDS,
    ROW_INT("mask_size", MaskedConfig, mask_size, 4, 1 << 12, "32",
            "side of a masked square, in pixels; a multiple of 4"),
    ROW_DOUBLE("mask_share", MaskedConfig, mask_share, 0.01, 0.99, "0.6", "share of the squares that are masked")};
static const Schema masked_schema = {"network", masked_fields, sizeof masked_fields / sizeof *masked_fields, NULL};

static int check_masked(const void *config, Err *e)
{
    const MaskedConfig *c = config;
    TRY(vss_check_encoder(&c->encoder, e));
    if (c->mask_size % 4 == 0) return 0;
    return err_set(e, ERR_VALUE, "network.mask_size: %d, expected a multiple of 4, the size of a token", c->mask_size);
}

static NetworkMask mask_of(const void *config)
{
    const MaskedConfig *c = config;
    return (NetworkMask){c->mask_size, c->mask_share};
}

/* The output of the last stage, normed as for VMamba's head. */
static Ref encode(Graph *g, Ref image, const VssConfig *config, const Ref *mask)
{
    Ref stages[VSS_STAGES];
    graph_init_policy(g, (InitPolicy){INIT_KAIMING_UNIFORM, INIT_KAIMING_UNIFORM, INIT_TRUNC_NORMAL, INIT_ZERO});
    vss_encoder(g, image, 4, config, mask, stages);
    scope_in(g, "vssm_encoder");
    return scope_out(g, op_layer_norm(g, "norm", stages[VSS_STAGES - 1]));
}

static void build_masked(Graph *g, Ref image, Ref labels, const NetworkSpec *spec)
{
    const MaskedConfig *c = (const void *)&spec->config;
    const Ref x = encode(g, image, &c->encoder, &labels);
    const Ref blocks = op_linear(g, "decoder.0", x, (int64_t)STRIDE * STRIDE * spec->channels, true);
    const Ref pixels = op_depth_to_space(g, blocks, STRIDE);
    graph_output(g, "loss", op_masked_l1_loss(g, "loss", pixels, labels, image));
}

#define VMAMBA_TRAINING .training = {OPTIMIZER_ADAMW, 1e-3, 0.05, SCHEDULE_COSINE, 0.9, DEEP_SUPERVISION_OFF}
#define VMAMBA_ENCODER .divisor = vss_divisor, .encoder = {"vssm_encoder."}

const NetworkKind network_vmamba_masked = {
    .name = "vmamba_masked",
    .about = "VMamba, which learns to complete masked images",
    .schema = &masked_schema,
    .config_bytes = NETWORK_CONFIG(MaskedConfig),
    .check = check_masked,
    .build_pretraining = build_masked,
    .mask = mask_of,
    VMAMBA_ENCODER,
    VMAMBA_TRAINING,
};

/* ---- classes of images ---- */

typedef struct ClassifierConfig {
    VssConfig encoder;
    double label_smoothing;
} ClassifierConfig;

static const Field classifier_fields[] = {VSS_SIZE_FIELDS, VSS_BLOCK_FIELDS,
                                          ROW_DOUBLE("label_smoothing", ClassifierConfig, label_smoothing, 0, 1, "0.1",
                                                     "share of the target that all classes have")};
static const Schema classifier_schema = {"network", classifier_fields,
                                         sizeof classifier_fields / sizeof *classifier_fields, NULL};

static int check_classifier(const void *config, Err *e)
{
    return vss_check_encoder(&((const ClassifierConfig *)config)->encoder, e);
}

static void build_classifier(Graph *g, Ref image, Ref labels, const NetworkSpec *spec)
{
    const ClassifierConfig *c = (const void *)&spec->config;
    const PairYX whole = {spec->height / STRIDE, spec->width / STRIDE};
    const int64_t classes = spec->classes - 1; /* without the background */
    const Ref mean = op_average_pool(g, encode(g, image, &c->encoder, NULL), whole);
    scope_in(g, "vssm_encoder");
    const Ref logits = scope_out(g, op_linear(g, "head", mean, classes, true));
    graph_output(g, "loss", op_class_loss(g, "loss", logits, labels, c->label_smoothing));
    graph_output(g, "counts", op_image_class_counts(g, "counts", logits, labels));
}

const NetworkKind network_vmamba_classifier = {
    .name = "vmamba_classifier",
    .about = "VMamba, which learns the classes of images",
    .schema = &classifier_schema,
    .config_bytes = NETWORK_CONFIG(ClassifierConfig),
    .check = check_classifier,
    .build_pretraining = build_classifier,
    VMAMBA_ENCODER,
    VMAMBA_TRAINING,
};
