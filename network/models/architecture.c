#include "network/models/architecture.h"

#include <string.h>

static bool ends_with(const char *text, const char *end)
{
    const size_t length = strlen(text), tail = strlen(end);
    return length >= tail && !strcmp(text + length - tail, end);
}

int architecture_check(const Architecture *a, Err *e)
{
    static const char where[] = "configurations.2d.architecture";
    const struct {
        const char *key, *found, *known;
    } names[] = {{"network_class_name", a->network_class_name, "PlainConvUNet"},
                 {"conv_op", a->conv_op, "Conv2d"},
                 {"norm_op", a->norm_op, "InstanceNorm2d"},
                 {"nonlin", a->nonlin, "LeakyReLU"}};
    for (int i = 0; i < 4; i++)
        if (!ends_with(names[i].found, names[i].known))
            return err_set(e, ERR_UNSUPPORTED, "%s.%s: found \"%s\", only %s is supported", where, names[i].key,
                           names[i].found, names[i].known);
    if (*a->dropout_op) return err_set(e, ERR_UNSUPPORTED, "%s.dropout_op: only null is supported", where);
    if (!a->norm_affine || a->norm_epsilon != 1e-5 || a->nonlin_slope != 0.01)
        return err_set(e, ERR_UNSUPPORTED,
                       "%s: eps %g, affine %s, negative_slope %g: only 1e-05, true, 0.01 "
                       "are supported",
                       where, a->norm_epsilon, a->norm_affine ? "true" : "false", a->nonlin_slope);
    const struct {
        const char *key;
        int count, expected;
    } lists[] = {{"features_per_stage", a->features_count, a->n_stages},
                 {"kernel_sizes", a->kernels_count, a->n_stages},
                 {"strides", a->strides_count, a->n_stages},
                 {"n_conv_per_stage", a->convs_count, a->n_stages},
                 {"n_conv_per_stage_decoder", a->decoder_convs_count, a->n_stages - 1}};
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
