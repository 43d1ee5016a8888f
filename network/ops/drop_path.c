#include "network/ops/drop_path.h"

#include "base/random.h"

static uint64_t hash_of(const char *name)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (; *name; name++) hash = (hash ^ (unsigned char)*name) * 0x100000001b3u;
    return hash;
}

bool drop_path_is_off(const Node *node) { return *(const double *)node->attr == 0 || !node->train; }

float drop_path_scale(const Node *node, const Step *step, int64_t sample)
{
    const double rate = *(const double *)node->attr;
    if (drop_path_is_off(node)) return 1;
    Rng rng = rng_make(step->seed ^ hash_of(node->name), step->epoch, step->iteration,
                       step->first_item + (uint32_t)sample, RNG_DROP_PATH);
    return rng_uniform(&rng) < rate ? 0 : (float)(1 / (1 - rate));
}
