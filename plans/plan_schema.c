#include "plans/plan_schema.h"

#include "plans/plan.h"

#define SCHEMA(NAME, FIELDS, UNUSED)                         \
    {                                                        \
        NAME, FIELDS, sizeof FIELDS / sizeof *FIELDS, UNUSED \
    }

enum { MOST_PIXELS = 1 << 20, MOST_FEATURES = 1 << 16, MOST_BLOCKS = 256, MOST_STEP = 64 };

static const char *const compatibilities[] = {"none", "nnunet", "nnunet_2_1", NULL};
static const char *const optimizers[] = {"adamw", "sgd", "adam", NULL};
static const char *const schedules[] = {"cosine", "poly", NULL};
static const char *const schedule_steps[] = {"epoch", "iteration", NULL};
static const char *const precisions[] = {"fp32", "bf16", NULL};
static const char *const recipes[] = {"auto", "paper", "nnunet", "time", NULL};
static const char *const orientations[] = {"stored", "canonical", NULL};
static const char *const switches[] = {"auto", "true", "false", NULL};
static const char *const nullable_flags[] = {"null", "true", "false", NULL};
static const char *const normalizations[] = {"ZScoreNormalization",      "CTNormalization",      "NoNormalization",
                                             "RescaleTo01Normalization", "RGBTo01Normalization", NULL};

/* ---- nnU-Net's keys */

#define PROPERTY(MEMBER)                                                               \
    {                                                                                  \
        ROW(FIELD_DOUBLE, #MEMBER, IntensityProperties, MEMBER), .use = FIELD_REQUIRED \
    }
static const Field intensity_fields[] = {PROPERTY(max),
                                         PROPERTY(mean),
                                         PROPERTY(median),
                                         PROPERTY(min),
                                         PROPERTY(percentile_00_5),
                                         PROPERTY(percentile_99_5),
                                         PROPERTY(std)};
const Schema intensity_properties_schema =
    SCHEMA("foreground_intensity_properties_per_channel", intensity_fields, NULL);

static const Field resampling_fields[] = {
    ROW_BOOL("is_seg", PlanResampling, is_seg, NULL, NULL), ROW_INT("order", PlanResampling, order, 0, 5, NULL, NULL),
    ROW_INT("order_z", PlanResampling, order_z, 0, 5, NULL, NULL),
    ROW_CHOICE("force_separate_z", PlanResampling, force_separate_z, nullable_flags, "null", NULL)};
static const char *const resampling_unused[] = {"memefficient_seg_resampling", "num_threads", "device", "mode", NULL};
static const Schema resampling_schema = SCHEMA("resampling_fn_kwargs", resampling_fields, resampling_unused);

/* Lists of an entry for each stage; a single value stands for all stages, as in the classes' arguments. */
#define OF_STAGES(KEY, MEMBER, COUNT) \
    ROW(FIELD_INT, KEY, Architecture, MEMBER), LIST_OF(Architecture, MEMBER, COUNT), .spreads = true, .low = 1
#define COUNTS(KEY, MEMBER, COUNT, HIGH)            \
    {                                               \
        OF_STAGES(KEY, MEMBER, COUNT), .high = HIGH \
    }
#define PAIRS(KEY, MEMBER, COUNT)                                    \
    {                                                                \
        OF_STAGES(KEY, MEMBER, COUNT), .inner = 2, .high = MOST_STEP \
    }
/* A list that only some of the classes have. */
#define OWN_COUNTS(KEY, MEMBER, COUNT, HIGH)                            \
    {                                                                   \
        OF_STAGES(KEY, MEMBER, COUNT), .high = HIGH, .use = FIELD_SPARE \
    }
static const Field norm_fields[] = {ROW_DOUBLE("eps", Architecture, norm_epsilon, 0, 1, "1e-5", NULL),
                                    ROW_BOOL("affine", Architecture, norm_affine, "true", NULL)};
static const Schema norm_schema = SCHEMA("norm_op_kwargs", norm_fields, NULL);
static const Field nonlin_fields[] = {ROW_DOUBLE("negative_slope", Architecture, nonlin_slope, 0, 1, "0.01", NULL)};
static const char *const nonlin_unused[] = {"inplace", NULL};
static const Schema nonlin_schema = SCHEMA("nonlin_kwargs", nonlin_fields, nonlin_unused);

static const Field arch_kwargs_fields[] = {
    ROW_INT("n_stages", Architecture, n_stages, 0, ARCHITECTURE_STAGES, NULL, NULL),
    COUNTS("features_per_stage", features_per_stage, features_count, MOST_FEATURES),
    ROW_STRING("conv_op", Architecture, conv_op, "torch.nn.modules.conv.Conv2d", NULL),
    PAIRS("kernel_sizes", kernel_sizes, kernels_count),
    PAIRS("strides", strides, strides_count),
    OWN_COUNTS("n_conv_per_stage", n_conv_per_stage, convs_count, MOST_BLOCKS),
    OWN_COUNTS("n_blocks_per_stage", n_blocks_per_stage, blocks_count, MOST_BLOCKS),
    COUNTS("n_conv_per_stage_decoder", n_conv_per_stage_decoder, decoder_convs_count, MOST_BLOCKS),
    {ROW(FIELD_STRING, "block", Architecture, block), .capacity = ARCHITECTURE_NAME, .use = FIELD_SPARE},
    OWN_COUNTS("bottleneck_channels", bottleneck_channels, bottlenecks_count, MOST_FEATURES),
    {ROW(FIELD_INT, "stem_channels", Architecture, stem_channels), .low = 1, .high = MOST_FEATURES, .use = FIELD_SPARE},
    {ROW(FIELD_BOOL, "nonlin_first", Architecture, nonlin_first), .use = FIELD_SPARE},
    ROW_BOOL("conv_bias", Architecture, conv_bias, "true", NULL),
    ROW_STRING("norm_op", Architecture, norm_op, "torch.nn.modules.instancenorm.InstanceNorm2d", NULL),
    {.key = "norm_op_kwargs", .type = FIELD_GROUP, .schema = &norm_schema}, /* of the same struct */
    ROW_STRING("dropout_op", Architecture, dropout_op, NULL, NULL),
    ROW_STRING("nonlin", Architecture, nonlin, "torch.nn.LeakyReLU", NULL),
    {.key = "nonlin_kwargs", .type = FIELD_GROUP, .schema = &nonlin_schema}};
/* deep_supervision is set by training and prediction, there as well as here. */
static const char *const arch_kwargs_unused[] = {"dropout_op_kwargs", "deep_supervision", NULL};
static const Schema arch_kwargs_schema =
    SCHEMA("configurations.2d.architecture.arch_kwargs", arch_kwargs_fields, arch_kwargs_unused);

static const Field architecture_fields[] = {
    ROW_STRING("network_class_name", Architecture, network_class_name,
               "dynamic_network_architectures.architectures.unet.PlainConvUNet", NULL),
    {.key = "arch_kwargs", .type = FIELD_GROUP, .schema = &arch_kwargs_schema}}; /* of the same struct */
static const char *const architecture_unused[] = {"_kw_requires_import", NULL};
static const Schema architecture_schema =
    SCHEMA("configurations.2d.architecture", architecture_fields, architecture_unused);

/* Keys that nnU-Net's older planners wrote into the configuration itself, mapped to their fields of `architecture`. */
#define C PlanConfiguration
#define LEGACY_LIST(KEY, MEMBER, COUNT, HIGH)                                                         \
    ROW(FIELD_INT, KEY, C, architecture.MEMBER), LIST_OF(C, architecture.MEMBER, architecture.COUNT), \
        .low = 1, .high = HIGH, .use = FIELD_LEGACY
#define RESAMPLE "resample_data_or_seg_to_shape"
#define RESAMPLING(WHAT)                                                               \
    ROW_STRING("resampling_fn_" #WHAT, C, resampling_##WHAT.function, RESAMPLE, NULL), \
        ROW_GROUP("resampling_fn_" #WHAT "_kwargs", C, resampling_##WHAT, &resampling_schema)
static const Field configuration_fields[] = {
    ROW_STRING("data_identifier", C, data_identifier, "nnUNetPlans_2d", NULL),
    ROW_STRING("preprocessor_name", C, preprocessor_name, "DefaultPreprocessor", NULL),
    {ROW(FIELD_INT, "batch_size", C, batch_size), .use = FIELD_REQUIRED, .low = 1, .high = 1 << 20},
    {ROW(FIELD_INT, "patch_size", C, patch_size), .use = FIELD_REQUIRED, EXACTLY(2), .low = 1, .high = MOST_PIXELS,
     .doc = "pixels, height and width"},
    {ROW(FIELD_DOUBLE, "median_image_size_in_voxels", C, median_image_size_in_voxels), EXACTLY(2), .low = 0,
     .high = 1e9},
    {ROW(FIELD_DOUBLE, "spacing", C, spacing_mm), .use = FIELD_REQUIRED, EXACTLY(2), .low = PLAN_LEAST_SPACING,
     .high = PLAN_MOST_SPACING, .doc = "mm, along height and width"},
    {ROW(FIELD_CHOICE, "normalization_schemes", C, normalization_schemes), .use = FIELD_REQUIRED,
     LIST_OF(C, normalization_schemes, channel_count), .choices = normalizations},
    {ROW(FIELD_BOOL, "use_mask_for_norm", C, use_mask_for_norm), .use = FIELD_REQUIRED,
     LIST_OF(C, use_mask_for_norm, mask_count)},
    RESAMPLING(data),
    RESAMPLING(seg),
    RESAMPLING(probabilities),
    ROW_INT("adjacent_slices", C, adjacent_slices, 0, PLAN_MAX_CHANNELS / 2, "0",
            "slices on each side that the network sees as further channels"),
    {ROW(FIELD_INT, "slice_axes", C, slice_axes), LIST_OF(C, slice_axes, slice_axes_count), .low = 0, .high = 2,
     .fallback = "0", .doc = "axes across which slices lie; prediction averages over them"},
    ROW_BOOL("batch_dice", C, batch_dice, "true", NULL),
    ROW_GROUP("architecture", C, architecture, &architecture_schema),
    {ROW(FIELD_STRING, "UNet_class_name", C, architecture.network_class_name), .capacity = PLAN_NAME_BYTES,
     .use = FIELD_LEGACY},
    {ROW(FIELD_INT, "UNet_base_num_features", C, architecture.base_features), .low = 1, .high = MOST_FEATURES,
     .use = FIELD_LEGACY},
    {ROW(FIELD_INT, "unet_max_num_features", C, architecture.max_features), .low = 1, .high = MOST_FEATURES,
     .use = FIELD_LEGACY},
    {LEGACY_LIST("n_conv_per_stage_encoder", n_conv_per_stage, convs_count, MOST_BLOCKS)},
    {LEGACY_LIST("n_conv_per_stage_decoder", n_conv_per_stage_decoder, decoder_convs_count, MOST_BLOCKS)},
    {LEGACY_LIST("pool_op_kernel_sizes", strides, strides_count, MOST_STEP), .inner = 2},
    {LEGACY_LIST("conv_kernel_sizes", kernel_sizes, kernels_count, MOST_STEP), .inner = 2}};
#undef C
static const char *const configuration_unused[] = {"num_pool_per_axis", "next_stage", "previous_stage", "inherits_from",
                                                   NULL};
static const Schema configuration_schema = SCHEMA("configurations.2d", configuration_fields, configuration_unused);

static const Field configurations_fields[] = {
    {.key = "2d", .type = FIELD_GROUP, .use = FIELD_REQUIRED, .offset = 0, .schema = &configuration_schema}};
static const char *const any_key[] = {"*", NULL};
static const Schema configurations_schema = SCHEMA("configurations", configurations_fields, any_key);

/* ---- our keys */

#define T PlanTraining
static const Field training_fields[] = {
    ROW_CHOICE(
        "recipe", T, recipe, recipes, "auto",
        "source of the values below: paper, nnunet, time (chosen for these minutes), or auto: paper, but time with train --minutes"),
    ROW_DOUBLE("minutes", T, minutes, 0, 1e6, "0", "of the recipe time; 0: none"),
    ROW_STRING("reasons", T, reasons, NULL, "what the recipe time chose"),
    ROW_INT("epochs", T, epochs, 1, 1000000, "1000", NULL),
    ROW_INT("iterations_per_epoch", T, iterations_per_epoch, 1, 1000000, "250", NULL),
    ROW_INT("validation_iterations", T, validation_iterations, 0, 1000000, "50", "batches after each epoch"),
    ROW_CHOICE("optimizer", T, optimizer, optimizers, "adamw",
               "adamw, sgd with Nesterov's momentum, or adam with the decay in the gradient"),
    ROW_DOUBLE("learning_rate", T, learning_rate, 0, 100, "1e-4", NULL),
    ROW_DOUBLE("weight_decay", T, weight_decay, 0, 100, "0.05", NULL),
    ROW_DOUBLE("epsilon", T, epsilon, 0, 1, "1e-5", "of adamw and adam"),
    ROW_DOUBLE("momentum", T, momentum, 0, 1, "0.99", "of sgd"),
    ROW_CHOICE("schedule", T, schedule, schedules, "cosine", "schedule of the learning rate: cosine or poly"),
    ROW_CHOICE("schedule_step", T, schedule_step, schedule_steps, "epoch",
               "whether the learning rate changes with each epoch or each iteration"),
    ROW_INT("warmup_iterations", T, warmup_iterations, 0, 1000000000, "0",
            "first iterations of the run, in which the learning rate rises linearly"),
    ROW_INT("schedule_epochs", T, schedule_epochs, 0, 1000000, "0", "epochs of the schedule; 0: as many as epochs"),
    ROW_DOUBLE("final_learning_rate", T, final_learning_rate, 0, 100, "1e-6", "last value of the cosine"),
    ROW_DOUBLE("poly_power", T, poly_power, 0, 10, "0.9", NULL),
    ROW_DOUBLE("gradient_clip", T, gradient_clip, 0, 1e12, "12", "largest norm of all gradients; 0: no clipping"),
    ROW_CHOICE("deep_supervision", T, deep_supervision, switches, "auto",
               "auto: as the authors of the network train it"),
    ROW_DOUBLE("weight_averaging", T, weight_averaging, 0, 0.999999, "0",
               "decay of an exponential mean of the weights, which is then validated and predicted with; 0: none"),
    ROW_DOUBLE("oversample_foreground", T, oversample_foreground, 0, 1, "0.33",
               "share of a batch that must show foreground"),
    ROW_DOUBLE(
        "augmentation", T, augmentation, 0, 2, "1",
        "factor of the probabilities of all transforms except mirroring; 1: those of nnU-Net, 0: only mirroring"),
    ROW_INT("freeze_encoder_epochs", T, freeze_encoder_epochs, 0, 1000000, "10", "only with pretrained weights"),
    ROW_CHOICE("precision", T, precision, precisions, "fp32",
               "number format of the network's arithmetic: fp32, or bf16 where the machine has it"),
    ROW_BOOL("recompute", T, recompute, "false", "less memory, more time, same gradients"),
    {ROW(FIELD_INT64, "seed", T, seed), .low = 0, .high = 9007199254740992.0, .fallback = "0"},
    ROW_STRING("pretrained", T, pretrained, NULL, "weights to start from"),
    ROW_STRING("pretrained_content", T, pretrained_content, NULL, "hash of that file, filled by train")};
static const Schema training_schema = SCHEMA("training", training_fields, NULL);
#undef T

#define I PlanInference
static const Field inference_fields[] = {
    ROW_DOUBLE("step", I, step, 0.01, 1, "0.5", "step of the sliding window, in tiles"),
    ROW_BOOL("gaussian", I, gaussian, "true", "Gaussian weights of tiles"),
    ROW_BOOL("mirroring", I, mirroring, "false", "mean over mirrored predictions"),
    {ROW(FIELD_INT, "mirror_axes", I, mirror_axes), LIST_OF(I, mirror_axes, mirror_axes_count), .low = 0, .high = 1,
     .fallback = "0, 1", .doc = "0: height, 1: width"}};
static const Schema inference_schema = SCHEMA("inference", inference_fields, NULL);
#undef I

static const Field plan_fields[] = {
    ROW_INT("format", Plan, format, 1, 1 << 20, "1", NULL),
    ROW_CHOICE("compatibility", Plan, compatibility, compatibilities, "none", "none, nnunet or nnunet_2_1"),
    ROW_STRING("dataset_name", Plan, dataset_name, NULL, NULL),
    ROW_STRING("plans_name", Plan, plans_name, "nnUNetPlans", NULL),
    {ROW(FIELD_DOUBLE, "original_median_spacing_after_transp", Plan, original_median_spacing_mm), EXACTLY(3), .low = 0,
     .high = 1e12},
    {ROW(FIELD_INT, "original_median_shape_after_transp", Plan, original_median_shape), EXACTLY(3), .low = 0,
     .high = 1 << 30},
    ROW_STRING("image_reader_writer", Plan, image_reader_writer, "SimpleITKIO", NULL),
    ROW_CHOICE("orientation", Plan, orientation, orientations, "stored",
               "canonical: volumes are reoriented to RAS, results back to the file's axes"),
    ROW_STRING("orientations", Plan, orientations, NULL, "orientations of the training images"),
    {ROW(FIELD_INT, "transpose_forward", Plan, transpose_forward), .use = FIELD_REQUIRED, EXACTLY(3), .low = 0,
     .high = 2, .fallback = "0, 1, 2"},
    {ROW(FIELD_INT, "transpose_backward", Plan, transpose_backward), .use = FIELD_REQUIRED, EXACTLY(3), .low = 0,
     .high = 2, .fallback = "0, 1, 2"},
    {ROW(FIELD_GROUP, "configurations", Plan, configuration), .use = FIELD_REQUIRED, .schema = &configurations_schema},
    ROW_STRING("experiment_planner_used", Plan, experiment_planner_used, "ExperimentPlanner", NULL),
    ROW_STRING("label_manager", Plan, label_manager, "LabelManager", NULL),
    {ROW(FIELD_DOUBLE, "planned_gpu_gb", Plan, planned_gpu_gb), .low = 0, .high = 1 << 20, .use = FIELD_SPARE,
     .doc = "GiB of the GPU that it was planned for"},
    {ROW(FIELD_INDEXED, "foreground_intensity_properties_per_channel", Plan, intensities), .use = FIELD_REQUIRED,
     LIST_OF(Plan, intensities, intensity_count), .schema = &intensity_properties_schema,
     .item_bytes = sizeof(IntensityProperties)},
    ROW_VARIANT("network", Plan, network, &plan_network_section),
    ROW_GROUP("training", Plan, training, &training_schema),
    ROW_GROUP("inference", Plan, inference, &inference_schema)};
const Schema plan_schema = SCHEMA("", plan_fields, NULL);
