#include "network/models/architecture.h"

#include <string.h>

#include "network/models/network.h"

/* The name of a class without its module. */
static const char *class_of(const char *path)
{
    const char *dot = strrchr(path, '.');
    return dot ? dot + 1 : path;
}

static bool is_class(const char *path, const char *name) { return !strcmp(class_of(path), name); }

static const char where[] = "configurations.2d.architecture.arch_kwargs";
static const char plain[] = "PlainConvUNet", residual[] = "ResidualEncoderUNet", all_residual[] = "ResidualUNet";
static const char relu[] = "ReLU", basic[] = "BasicBlockD", bottleneck[] = "BottleneckD";

void architecture_defaults(Architecture *a)
{
    *a = (Architecture){.network_class_name = "dynamic_network_architectures.architectures.unet.PlainConvUNet",
                        .conv_bias = true,
                        .conv_op = "torch.nn.modules.conv.Conv2d",
                        .norm_op = "torch.nn.modules.instancenorm.InstanceNorm2d",
                        .nonlin = "torch.nn.LeakyReLU",
                        .norm_epsilon = 1e-5,
                        .nonlin_slope = 0.01,
                        .norm_affine = true};
}

bool architecture_has_residual_decoder(const Architecture *a) { return is_class(a->network_class_name, all_residual); }

bool architecture_is_residual(const Architecture *a)
{
    return is_class(a->network_class_name, residual) || architecture_has_residual_decoder(a);
}

bool architecture_has_bottlenecks(const Architecture *a) { return is_class(a->block, bottleneck); }

double architecture_slope(const Architecture *a) { return is_class(a->nonlin, relu) ? 0 : a->nonlin_slope; }

/* values: ARCHITECTURE_STAGES entries of `width` numbers. */
static void spread(int *values, int width, int *count, int entries)
{
    if (*count || !*values || entries < 1) return;
    *count = entries;
    memset(values + entries * width, 0, (size_t)((ARCHITECTURE_STAGES - entries) * width) * sizeof *values);
}

void architecture_spread(Architecture *a)
{
    spread(a->features_per_stage, 1, &a->features_count, a->n_stages);
    spread(a->kernel_sizes[0], 2, &a->kernels_count, a->n_stages);
    spread(a->strides[0], 2, &a->strides_count, a->n_stages);
    spread(a->n_conv_per_stage, 1, &a->convs_count, a->n_stages);
    spread(a->n_blocks_per_stage, 1, &a->blocks_count, a->n_stages);
    spread(a->n_conv_per_stage_decoder, 1, &a->decoder_convs_count, a->n_stages - 1);
    spread(a->bottleneck_channels, 1, &a->bottlenecks_count, a->n_stages);
}

/* ---- checks ---- */

static int check_names(const Architecture *a, Err *e)
{
    const struct {
        const char *key, *found, *known, *also;
    } names[] = {{"conv_op", a->conv_op, "Conv2d", NULL},
                 {"norm_op", a->norm_op, "InstanceNorm2d", NULL},
                 {"nonlin", a->nonlin, "LeakyReLU", relu}};
    if (!is_class(a->network_class_name, plain) && !architecture_is_residual(a))
        return err_set(
            e, ERR_UNSUPPORTED,
            "configurations.2d.architecture.network_class_name: found \"%s\", only %s, %s and %s are supported",
            a->network_class_name, plain, residual, all_residual);
    for (int i = 0; i < 3; i++)
        if (!is_class(names[i].found, names[i].known) && !(names[i].also && is_class(names[i].found, names[i].also)))
            return err_set(e, ERR_UNSUPPORTED, "%s.%s: found \"%s\", only %s%s%s is supported", where, names[i].key,
                           names[i].found, names[i].known, names[i].also ? " or " : "",
                           names[i].also ? names[i].also : "");
    if (*a->dropout_op)
        return err_set(e, ERR_UNSUPPORTED, "%s.dropout_op: found \"%s\", only null is supported", where, a->dropout_op);
    if (a->norm_epsilon != 1e-5)
        return err_set(e, ERR_UNSUPPORTED, "%s.norm_op_kwargs.eps: found %g, only 1e-05 is supported", where,
                       a->norm_epsilon);
    return 0;
}

/* Arguments that only some of the classes have. */
static int check_class(const Architecture *a, Err *e)
{
    const bool blocks = architecture_is_residual(a);
    const struct {
        const char *key;
        bool is_set, of_residual;
    } own[] = {{"block", *a->block, true},
               {"bottleneck_channels", a->bottlenecks_count, true},
               {"stem_channels", a->stem_channels, true},
               {"nonlin_first", a->nonlin_first, false}};
    for (int i = 0; i < 4; i++)
        if (own[i].is_set && own[i].of_residual != blocks)
            return err_set(e, ERR_VALUE, "%s.%s: %s has no such argument: remove it", where, own[i].key,
                           class_of(a->network_class_name));
    if (!*a->block || is_class(a->block, basic) || is_class(a->block, bottleneck)) return 0;
    return err_set(e, ERR_UNSUPPORTED, "%s.block: found \"%s\", only %s and %s are supported", where, a->block, basic,
                   bottleneck);
}

static int check_lists(const Architecture *a, Err *e)
{
    const bool blocks = architecture_is_residual(a);
    const struct {
        const char *key;
        int count, expected;
    } lists[] = {
        {"features_per_stage", a->features_count, a->n_stages},
        {"kernel_sizes", a->kernels_count, a->n_stages},
        {"strides", a->strides_count, a->n_stages},
        {blocks ? "n_blocks_per_stage" : "n_conv_per_stage", blocks ? a->blocks_count : a->convs_count, a->n_stages},
        {"n_conv_per_stage_decoder", a->decoder_convs_count, a->n_stages - 1},
        {"bottleneck_channels", a->bottlenecks_count, architecture_has_bottlenecks(a) ? a->n_stages : -1}};
    for (int i = 0; i < 6; i++)
        if (lists[i].expected >= 0 && lists[i].count != lists[i].expected)
            return err_set(e, ERR_VALUE, "%s.%s: found %d entries, expected %d (n_stages: %d)", where, lists[i].key,
                           lists[i].count, lists[i].expected, a->n_stages);
    return 0;
}

/* The decoder ends at the size of stage 0, so this must be the image's; even kernels would change the size. */
static int check_sizes(const Architecture *a, Err *e)
{
    if (a->strides[0][0] != 1 || a->strides[0][1] != 1)
        return err_set(e, ERR_VALUE, "%s.strides: the first is %dx%d, expected 1x1", where, a->strides[0][0],
                       a->strides[0][1]);
    for (int i = 0; i < a->n_stages; i++)
        if (a->kernel_sizes[i][0] % 2 == 0 || a->kernel_sizes[i][1] % 2 == 0)
            return err_set(e, ERR_UNSUPPORTED, "%s.kernel_sizes: found %dx%d, only odd sizes are supported", where,
                           a->kernel_sizes[i][0], a->kernel_sizes[i][1]);
    return 0;
}

/* The product along each axis is the divisor of the image's size. */
static int check_strides(const Architecture *a, Err *e)
{
    for (int axis = 0; axis < 2; axis++) {
        int64_t product = 1;
        for (int i = 0; i < a->n_stages && product <= NETWORK_DIVISOR; i++) product *= a->strides[i][axis];
        if (product > NETWORK_DIVISOR)
            return err_set(
                e, ERR_VALUE,
                "%s.strides: their product along axis %s is above %d, so that no patch has a size for it: give "
                "smaller strides or fewer stages",
                where, axis ? "x" : "y", NETWORK_DIVISOR);
    }
    return 0;
}

int architecture_check(const Architecture *a, Err *e)
{
    TRY(check_names(a, e));
    TRY(check_class(a, e));
    if (a->n_stages < 2) return err_set(e, ERR_VALUE, "%s.n_stages: found %d, expected 2 or more", where, a->n_stages);
    TRY(check_lists(a, e));
    TRY(check_sizes(a, e));
    return check_strides(a, e);
}

void architecture_divisor(const Architecture *a, int yx[2])
{
    for (int axis = 0; axis < 2; axis++) {
        yx[axis] = 1;
        for (int i = 0; i < a->strides_count; i++) yx[axis] *= a->strides[i][axis];
    }
}
