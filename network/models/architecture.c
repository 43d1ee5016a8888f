#include "network/models/architecture.h"

#include <string.h>

static bool ends_with(const char *text, const char *end)
{
    const size_t length = strlen(text), tail = strlen(end);
    return length >= tail && !strcmp(text + length - tail, end);
}

static const char where[] = "configurations.2d.architecture";
static const char plain[] = "PlainConvUNet", residual[] = "ResidualEncoderUNet";

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

bool architecture_is_residual(const Architecture *a) { return ends_with(a->network_class_name, residual); }

static int check_names(const Architecture *a, Err *e)
{
    const struct {
        const char *key, *found, *known;
    } names[] = {{"conv_op", a->conv_op, "Conv2d"},
                 {"norm_op", a->norm_op, "InstanceNorm2d"},
                 {"nonlin", a->nonlin, "LeakyReLU"}};
    if (!ends_with(a->network_class_name, plain) && !architecture_is_residual(a))
        return err_set(e, ERR_UNSUPPORTED, "%s.network_class_name: found \"%s\", only %s and %s are supported", where,
                       a->network_class_name, plain, residual);
    for (int i = 0; i < 3; i++)
        if (!ends_with(names[i].found, names[i].known))
            return err_set(e, ERR_UNSUPPORTED, "%s.%s: found \"%s\", only %s is supported", where, names[i].key,
                           names[i].found, names[i].known);
    if (*a->dropout_op) return err_set(e, ERR_UNSUPPORTED, "%s.dropout_op: only null is supported", where);
    if (!a->norm_affine || a->norm_epsilon != 1e-5 || a->nonlin_slope != 0.01)
        return err_set(e, ERR_UNSUPPORTED,
                       "%s: eps %g, affine %s, negative_slope %g: only 1e-05, true, 0.01 "
                       "are supported",
                       where, a->norm_epsilon, a->norm_affine ? "true" : "false", a->nonlin_slope);
    return 0;
}

int architecture_check(const Architecture *a, Err *e)
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
        {"n_conv_per_stage_decoder", a->decoder_convs_count, a->n_stages - 1}};
    TRY(check_names(a, e));
    if (a->n_stages < 2) return err_set(e, ERR_VALUE, "%s.n_stages: found %d, expected 2 or more", where, a->n_stages);
    for (int i = 0; i < 5; i++)
        if (lists[i].count != lists[i].expected)
            return err_set(e, ERR_VALUE, "%s.%s: found %d entries, expected %d (n_stages: %d)", where, lists[i].key,
                           lists[i].count, lists[i].expected, a->n_stages);
    return 0;
}

void architecture_divisor(const Architecture *a, int yx[2])
{
    for (int axis = 0; axis < 2; axis++) {
        yx[axis] = 1;
        for (int i = 0; i < a->strides_count; i++) yx[axis] *= a->strides[i][axis];
    }
}
