#include "recipe/smaller.h"

#include <string.h>

#include "network/models/unet_topology.h"

enum { SMALLEST_PATCH = 128 }; /* pixels along an axis */
static const double NARROWEST = 0.25;
enum { FEWEST_FEATURES = 8 }; /* of the first stage: a quarter of nnU-Net's */

static int replan_architecture(PlanConfiguration *c, const int size[2], Err *e)
{
    UnetTopology t;
    const double wanted[2] = {size[0], size[1]};
    TRY(unet_topology(&t, c->spacing_mm, wanted, e));
    unet_write_architecture(&c->architecture, &t, architecture_is_residual(&c->architecture));
    memcpy(c->patch_size, t.patch, sizeof c->patch_size);
    return 0;
}

static void round_patch(Plan *plan, const int size[2])
{
    int divisor[2];
    plan_patch_divisor(plan, divisor);
    for (int i = 0; i < 2; i++)
        plan->configuration.patch_size[i] = (size[i] + divisor[i] - 1) / divisor[i] * divisor[i];
}

int smaller_patch(Plan *plan, bool *done, Err *e)
{
    const int *patch = plan->configuration.patch_size, half[2] = {patch[0] / 2, patch[1] / 2};
    *done = half[0] >= SMALLEST_PATCH && half[1] >= SMALLEST_PATCH;
    if (!*done) return 0;
    if (plan_uses_architecture(plan)) return replan_architecture(&plan->configuration, half, e);
    round_patch(plan, half);
    return 0;
}

static bool halve_features(Architecture *a)
{
    if (a->features_per_stage[0] < 2 * FEWEST_FEATURES) return false;
    for (int i = 0; i < a->features_count; i++) a->features_per_stage[i] /= 2;
    return true;
}

bool smaller_width(Plan *plan)
{
    const NetworkKind *kind = plan_network_kind(plan);
    if (kind->uses_architecture) return halve_features(&plan->configuration.architecture);
    double *width = kind->width ? kind->width(&plan->network.config) : NULL;
    if (!width || *width < 2 * NARROWEST) return false;
    *width /= 2;
    return true;
}
