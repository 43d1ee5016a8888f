/* Plan: everything that decides how a dataset is preprocessed, trained and predicted.
 *
 * The file (plans.yaml) has nnU-Net's plan keys and ours (network:, training:, inference:, compatibility:, format:).
 * Plan is a plain struct without owned memory: copy it freely, nothing to free; its limits are the constants below.
 * Field names are the file's keys; the tables in plan_schema.c describe each key, for reading and writing.
 *
 *   Plan plan;
 *   plan_defaults(&plan);
 *   TRY(plan_read(&plan, "nnUNetPlans.json", &notes, e));       // nnU-Net's own, either form, or ours
 *   TRY(plan_override(&plan, "abdomen_mri.yaml", &notes, e));   // only the keys to change
 *   TRY(plan_check(&plan, e));
 *   TRY(plan_write(&plan, "plans.yaml", e)); */
#ifndef PLANS_PLAN_H
#define PLANS_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/text.h"
#include "plans/readers.h"

enum {
    PLAN_FORMAT = 1,
    PLAN_MAX_CHANNELS = 64,   /* of an image */
    PLAN_MAX_STAGES = 16,     /* of a network */
    PLAN_NAME_BYTES = 128,    /* names, with the NUL */
    PLAN_PATH_BYTES = 1024,
    PLAN_ORIENTATIONS_BYTES = 256
};

/* Of a plan's spacing, in mm. */
#define PLAN_LEAST_SPACING 1e-9
#define PLAN_MOST_SPACING 1e9

/* compatibility: which release's rules are followed (docs/reference.md, Compatibility). */
typedef enum PlanCompatibility {
    COMPATIBILITY_NONE,       /* nnU-Net 2.8.1's rules, fp32 accumulators */
    COMPATIBILITY_NNUNET,     /* also its half-precision accumulators and rounding */
    COMPATIBILITY_NNUNET_2_1  /* also 2.1's rules of planning, augmentation, labels and export */
} PlanCompatibility;

typedef enum PlanSwitch { SWITCH_AUTO, SWITCH_ON, SWITCH_OFF } PlanSwitch;

typedef enum PlanOrientation { ORIENTATION_STORED, ORIENTATION_CANONICAL } PlanOrientation;

/* In the file they have the names of nnU-Net's classes: ZScoreNormalization, CTNormalization … */
typedef enum PlanNormalization {
    NORMALIZE_ZSCORE, NORMALIZE_CT, NORMALIZE_NONE, NORMALIZE_RESCALE_0_1, NORMALIZE_RGB_0_1
} PlanNormalization;

typedef enum PlanOptimizer { OPTIMIZER_ADAMW, OPTIMIZER_SGD } PlanOptimizer;
typedef enum PlanSchedule { SCHEDULE_COSINE, SCHEDULE_POLY } PlanSchedule;

/* Intensities of a channel's foreground voxels over the whole dataset (docs/reference.md, Fingerprint). */
typedef struct IntensityProperties {
    double max, mean, median, min, percentile_00_5, percentile_99_5, std;
} IntensityProperties;

typedef struct PlanResampling {
    char function[PLAN_NAME_BYTES];   /* nnU-Net's resample_data_or_seg_to_shape */
    bool is_seg;
    int order, order_z;               /* spline order in the plane, and along a separated axis */
    PlanSwitch force_separate_z;      /* auto (null in the file): by the spacings (docs/reference.md, Resampling) */
} PlanResampling;

/* nnU-Net's own U-Net; the other networks are described by PlanNetwork. */
typedef struct PlanArchitecture {
    char network_class_name[PLAN_NAME_BYTES];
    int n_stages;
    int features_per_stage[PLAN_MAX_STAGES];
    int kernel_sizes[PLAN_MAX_STAGES][2];
    int strides[PLAN_MAX_STAGES][2];
    int n_conv_per_stage[PLAN_MAX_STAGES];          /* n_stages */
    int n_conv_per_stage_decoder[PLAN_MAX_STAGES];  /* n_stages - 1 */
    bool conv_bias;
    char conv_op[PLAN_NAME_BYTES], norm_op[PLAN_NAME_BYTES];
    char dropout_op[PLAN_NAME_BYTES], nonlin[PLAN_NAME_BYTES]; /* "" is the file's null */
    double norm_epsilon, nonlin_slope;
    bool norm_affine;
    int features_count, kernels_count, strides_count, convs_count, decoder_convs_count; /* list lengths */
    int base_features, max_features; /* only in older plans; converted to features_per_stage when read */
} PlanArchitecture;

/* configurations: 2d. In-plane axes are (y,x) after transpose_forward. */
typedef struct PlanConfiguration {
    char data_identifier[PLAN_NAME_BYTES], preprocessor_name[PLAN_NAME_BYTES];
    int batch_size;                            /* global, over all ranks */
    int patch_size[2];                         /* pixels, (y,x) */
    double median_image_size_in_voxels[2];     /* (y,x); may be x.5 */
    double spacing_mm[2];                      /* target, (y,x); key: spacing */
    int channel_count;
    PlanNormalization normalization_schemes[PLAN_MAX_CHANNELS];
    bool use_mask_for_norm[PLAN_MAX_CHANNELS];
    int mask_count;                            /* entries of use_mask_for_norm, = channel_count */
    PlanResampling resampling_data, resampling_seg, resampling_probabilities;
    bool batch_dice;
    PlanArchitecture architecture;
} PlanConfiguration;

typedef struct PlanNetwork {
    char name[PLAN_NAME_BYTES];           /* swin_umamba_d, swin_umamba, swin_umamba_paper, nnunet … */
    double width;                         /* multiplies every number of channels */
    int dims[PLAN_MAX_STAGES], dims_count;       /* channels of the encoder's stages at width 1 */
    int depths[PLAN_MAX_STAGES], depths_count;   /* blocks of the encoder's stages */
    int decoder_depths[PLAN_MAX_STAGES], decoder_depths_count; /* blocks of the decoder's, coarsest first */
    int d_state;                          /* states of the selective scan */
    double drop_path;                     /* largest rate of stochastic depth */
} PlanNetwork;

typedef struct PlanTraining {
    int epochs, iterations_per_epoch, validation_iterations;
    PlanOptimizer optimizer;
    double learning_rate, weight_decay;
    double epsilon;                /* AdamW */
    double momentum;               /* SGD, Nesterov */
    PlanSchedule schedule;         /* per epoch */
    int schedule_epochs;           /* length of the schedule; 0: epochs */
    double final_learning_rate;    /* last value of the cosine */
    double poly_power;
    double gradient_clip;          /* largest L2 norm over all gradients; 0: no clipping */
    PlanSwitch deep_supervision;   /* auto: plan_deep_supervision */
    double oversample_foreground;  /* share of a batch that must show foreground */
    int freeze_encoder_epochs;     /* only with pretrained weights */
    bool recompute;                /* less memory, more time, same gradients */
    int64_t seed;
    char pretrained[PLAN_PATH_BYTES];  /* weights to start from; "": none */
    char pretrained_content[HASH_BYTES]; /* of that file, as a hash; "": not known. train fills it */
} PlanTraining;

typedef struct PlanInference {
    double step;                   /* of the sliding window, in tiles */
    bool gaussian;                 /* Gaussian importance map, else all weights are 1 */
    bool mirroring;                /* mean over mirrored predictions */
    int mirror_axes[2], mirror_axes_count;  /* 0: y, 1: x */
} PlanInference;

typedef struct Plan {
    int format;
    PlanCompatibility compatibility;
    char dataset_name[PLAN_NAME_BYTES], plans_name[PLAN_NAME_BYTES];
    double original_median_spacing_mm[3];   /* key: original_median_spacing_after_transp; (z,y,x) */
    int original_median_shape[3];           /* key: original_median_shape_after_transp; voxels, (z,y,x) */
    char image_reader_writer[PLAN_NAME_BYTES];
    PlanOrientation orientation;            /* canonical: every volume is turned to RAS+ */
    char orientations[PLAN_ORIENTATIONS_BYTES];  /* of the training images, "RAS, LPS"; "": not known */
    int transpose_forward[3], transpose_backward[3];
    PlanConfiguration configuration;        /* configurations: 2d */
    char experiment_planner_used[PLAN_NAME_BYTES], label_manager[PLAN_NAME_BYTES];
    int intensity_count;                    /* channels with properties */
    IntensityProperties intensities[PLAN_MAX_CHANNELS];  /* foreground_intensity_properties_per_channel */
    PlanNetwork network;
    PlanTraining training;
    PlanInference inference;
} Plan;

/* Every field's default; fields that depend on the dataset (spacing, patch size …) are zero or empty. */
void plan_defaults(Plan *plan);

/* Reads a whole plan over the defaults: ours, or nnU-Net's in either of its forms (`architecture`; the older flat
 * UNet_class_name, pool_op_kernel_sizes …). *plan is not changed on failure. Keys that nnU-Net writes and we do not
 * use are accepted and added to `notes` (may be NULL), a line each. Fails: ERR_IO; ERR_FORMAT with
 * "file:line:column: what", for an unknown key with the nearest known one; ERR_UNSUPPORTED for a later format. */
int plan_read(Plan *plan, const char *path, Text *notes, Err *e);

/* As plan_read, from memory; `name` stands for the file in messages. */
int plan_parse(Plan *plan, const char *name, const char *text, size_t length, Err *e);

/* Reads a file that holds only the keys to change. A list is replaced as a whole. As plan_read. */
int plan_override(Plan *plan, const char *path, Text *notes, Err *e);

/* The same from memory; name stands for the file in messages. text (length) borrowed. */
int plan_override_text(Plan *plan, const char *name, const char *text, size_t length, Err *e);

/* Writes atomically: YAML, or JSON where the path ends in .json. Doubles read back exactly. */
int plan_write(const Plan *plan, const char *path, Err *e);

/* Appends the YAML that plan_write writes to text; two plans are equal if their texts are. Fails: ERR_NOMEM. */
int plan_text(const Plan *plan, Text *text, Err *e);

/* Checks that the values agree with each other and are supported: lists as long as the channels, the network's
 * name, a patch that is a multiple of the network's divisor, … Fails: ERR_VALUE or ERR_UNSUPPORTED. */
int plan_check(const Plan *plan, Err *e);

/* Takes the network, and with it the optimizer, its rates and the schedule that the authors train it with:
 * SGD and poly for nnU-Net's own and what is built on its trainer, else the defaults. */
void plan_choose_network(Plan *plan, const char *name);

/* The order of axes in which volumes are read, from image_reader_writer and orientation. The plan must have been
 * checked. */
ReaderAxes plan_reader_axes(const Plan *plan);

/* Whether configuration.architecture (nnU-Net's topology) describes the network: nnunet, umamba_bot,
 * umamba_enc. The others are described by plan->network alone. */
bool plan_uses_architecture(const Plan *plan);

/* The divisor of height and width of a patch: the product of the strides per axis where the architecture decides,
 * else 32 (five halvings). divisor_yx (2) written. */
void plan_patch_divisor(const Plan *plan, int divisor_yx[2]);

/* Whether some channel is normalised inside its nonzero region only. */
bool plan_uses_mask(const PlanConfiguration *c);

/* training.deep_supervision resolved. Auto: off for swin_umamba_d without pretrained weights, as its authors train
 * it from scratch (Liu et al. 2024, section 4); else on. */
bool plan_deep_supervision(const Plan *plan);

#endif
