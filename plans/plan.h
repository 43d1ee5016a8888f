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
#include "network/models/architecture.h"
#include "network/models/network.h"
#include "plans/readers.h"

enum {
    PLAN_FORMAT = 1,
    PLAN_MAX_CHANNELS = 64, /* of an image */
    PLAN_NAME_BYTES = 128,  /* names, with the NUL */
    PLAN_PATH_BYTES = 1024,
    PLAN_ORIENTATIONS_BYTES = 256
};

/* Of a plan's spacing, in mm. */
#define PLAN_LEAST_SPACING 1e-9
#define PLAN_MOST_SPACING 1e9

/* compatibility: which release's rules are followed (docs/reference.md, Compatibility). */
typedef enum PlanCompatibility {
    COMPATIBILITY_NONE,      /* nnU-Net 2.8.1's rules, fp32 accumulators */
    COMPATIBILITY_NNUNET,    /* also its half-precision accumulators and rounding */
    COMPATIBILITY_NNUNET_2_1 /* also 2.1's rules of planning, augmentation, labels and export */
} PlanCompatibility;

typedef enum PlanSwitch { SWITCH_AUTO, SWITCH_ON, SWITCH_OFF } PlanSwitch;

typedef enum PlanScheduleStep { SCHEDULE_BY_EPOCH, SCHEDULE_BY_ITERATION } PlanScheduleStep;

typedef enum PlanPrecision { PRECISION_FP32, PRECISION_BF16 } PlanPrecision;

/* recipe: where the values of `training:` come from, if a user gives no others (recipe/recipe.h). */
typedef enum PlanRecipe {
    RECIPE_AUTO,   /* time if train is given minutes, and no pretrained weights; else paper */
    RECIPE_PAPER,  /* as the network's authors train it */
    RECIPE_NNUNET, /* as nnU-Net trains its own */
    RECIPE_TIME    /* chosen for a time on a machine */
} PlanRecipe;

typedef enum PlanOrientation { ORIENTATION_STORED, ORIENTATION_CANONICAL } PlanOrientation;

/* In the file they have the names of nnU-Net's classes: ZScoreNormalization, CTNormalization … */
typedef enum PlanNormalization {
    NORMALIZE_ZSCORE,
    NORMALIZE_CT,
    NORMALIZE_NONE,
    NORMALIZE_RESCALE_0_1,
    NORMALIZE_RGB_0_1
} PlanNormalization;

/* Intensities of a channel's foreground voxels over the whole dataset (docs/reference.md, Fingerprint). */
typedef struct IntensityProperties {
    double max, mean, median, min, percentile_00_5, percentile_99_5, std;
} IntensityProperties;

typedef struct PlanResampling {
    char function[PLAN_NAME_BYTES]; /* nnU-Net's resample_data_or_seg_to_shape */
    bool is_seg;
    int order, order_z;          /* spline order in the plane, and along a separated axis */
    PlanSwitch force_separate_z; /* auto (null in the file): by the spacings (docs/reference.md, Resampling) */
} PlanResampling;

/* configurations: 2d. In-plane axes are (y,x) after transpose_forward. */
typedef struct PlanConfiguration {
    char data_identifier[PLAN_NAME_BYTES], preprocessor_name[PLAN_NAME_BYTES];
    int batch_size;                        /* global, over all ranks */
    int patch_size[2];                     /* pixels, (y,x) */
    double median_image_size_in_voxels[2]; /* (y,x); may be x.5 */
    double spacing_mm[2];                  /* target, (y,x); key: spacing */
    int channel_count;
    PlanNormalization normalization_schemes[PLAN_MAX_CHANNELS];
    bool use_mask_for_norm[PLAN_MAX_CHANNELS];
    int mask_count; /* entries of use_mask_for_norm, = channel_count */
    PlanResampling resampling_data, resampling_seg, resampling_probabilities;
    int adjacent_slices; /* on each side of a slice, that the network sees as further channels */
    int slice_axes[3],
        slice_axes_count; /* of the volume after transpose_forward, across which slices lie (plan_slice_order) */
    bool batch_dice;
    Architecture architecture; /* nnU-Net's own U-Net, and what networks that use it are built by */
} PlanConfiguration;

/* The keys of the section are those of the network's kind (network/models/network.h). */
typedef struct PlanNetwork {
    char name[PLAN_NAME_BYTES]; /* a network's; it may be one that this build lacks, until plan_check */
    NetworkConfig config;       /* of its kind; all zero where this build lacks it */
} PlanNetwork;

typedef struct PlanTraining {
    PlanRecipe recipe;
    double minutes;                /* that the recipe time was chosen for; 0: for none */
    char reasons[PLAN_PATH_BYTES]; /* what that recipe chose, and why; "": nothing */
    int epochs, iterations_per_epoch, validation_iterations;
    NetworkOptimizer optimizer;
    double learning_rate, weight_decay;
    double epsilon;  /* AdamW, Adam */
    double momentum; /* SGD, Nesterov */
    NetworkSchedule schedule;
    PlanScheduleStep schedule_step;
    int warmup_iterations;      /* of the run: the rate rises linearly */
    int schedule_epochs;        /* length of the schedule; 0: epochs */
    double final_learning_rate; /* last value of the cosine */
    double poly_power;
    double gradient_clip;         /* largest L2 norm over all gradients; 0: no clipping */
    PlanSwitch deep_supervision;  /* auto: plan_deep_supervision */
    double weight_averaging;      /* decay of the weights' exponential mean; 0: none */
    double oversample_foreground; /* share of a batch that must show foreground */
    double augmentation;          /* factor of the probabilities of the transforms, except for mirroring */
    int freeze_encoder_epochs;    /* only with pretrained weights */
    PlanPrecision precision;      /* of the network's arithmetic */
    bool recompute;               /* less memory, more time, same gradients */
    int64_t seed;
    char pretrained[PLAN_PATH_BYTES];    /* weights to start from; "": none */
    char pretrained_content[HASH_BYTES]; /* of that file, as a hash; "": not known. train fills it */
} PlanTraining;

typedef struct PlanInference {
    double step;                           /* of the sliding window, in tiles */
    bool gaussian;                         /* Gaussian importance map, else all weights are 1 */
    bool mirroring;                        /* mean over mirrored predictions */
    int mirror_axes[2], mirror_axes_count; /* 0: y, 1: x */
} PlanInference;

typedef struct Plan {
    int format;
    PlanCompatibility compatibility;
    char dataset_name[PLAN_NAME_BYTES], plans_name[PLAN_NAME_BYTES];
    double original_median_spacing_mm[3]; /* key: original_median_spacing_after_transp; (z,y,x) */
    int original_median_shape[3];         /* key: original_median_shape_after_transp; voxels, (z,y,x) */
    char image_reader_writer[PLAN_NAME_BYTES];
    PlanOrientation orientation;                /* canonical: every volume is turned to RAS+ */
    char orientations[PLAN_ORIENTATIONS_BYTES]; /* of the training images, "RAS, LPS"; "": not known */
    int transpose_forward[3], transpose_backward[3];
    PlanConfiguration configuration; /* configurations: 2d */
    char experiment_planner_used[PLAN_NAME_BYTES], label_manager[PLAN_NAME_BYTES];
    double planned_gpu_gb; /* memory in GiB of the GPU that batch and patch were planned for; 0: for none */
    int intensity_count;   /* channels with properties */
    IntensityProperties intensities[PLAN_MAX_CHANNELS]; /* foreground_intensity_properties_per_channel */
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

/* Checks the statistics that CTNormalization uses. A plan may be written before they are known to be sound: the planner tells
 * why they are not. For the plan of a model. Fails: ERR_VALUE. */
int plan_check_statistics(const Plan *plan, Err *e);

/* The network's row of the table; NULL where this build lacks it. */
const NetworkKind *plan_network_kind(const Plan *plan);

/* Another network. Its configuration is the present one where both have the same schema, else its defaults. */
void plan_set_network(Plan *plan, const char *name);

/* The optimizer, its rates, the schedule and the freezing that the authors of that network train it with. */
void plan_set_training(Plan *plan, const NetworkKind *kind);

/* Another network with its authors' training. */
void plan_choose_network(Plan *plan, const char *name);

/* The configuration that the network's functions take: the plan's, with the architecture in it where the kind uses it.
 * This build must have the network. */
void plan_network_config(const Plan *plan, NetworkConfig *config);

/* The order of axes in which volumes are read, from image_reader_writer and orientation. The plan must have been
 * checked. */
ReaderAxes plan_reader_axes(const Plan *plan);

/* Whether configuration.architecture (nnU-Net's topology) describes the network. It does so, too, where this build
 * lacks the network. */
bool plan_uses_architecture(const Plan *plan);

/* The divisor of height and width of a patch: the one of the network's kind, else the architecture's. divisor_yx (2)
 * written. */
void plan_patch_divisor(const Plan *plan, int divisor_yx[2]);

/* The axes of a volume as the slices across `axis` have them: number, row, column. The axis changes places with the first one. */
void plan_slice_order(int order[3], int axis);
void plan_copy_slice_axes(Plan *to, const Plan *from);

/* The channels of the network's input: those of the image for the slice and each of its adjacent ones, in ascending order. */
int plan_input_channels(const Plan *plan);

/* Whether some channel is normalised inside its nonzero region only. */
bool plan_uses_mask(const PlanConfiguration *c);

/* training.deep_supervision resolved. Auto: as the network's kind says. */
bool plan_deep_supervision(const Plan *plan);

#endif
