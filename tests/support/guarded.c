#include "tests/support/guarded.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"

enum { GUARD = 16 }; /* a whole vector */

static const float guard = -1.2345e30f;

Guarded guarded_unset(int64_t count)
{
    float *block = mem_alloc((size_t)(count + 2 * GUARD) * sizeof(float), NULL);
    if (!block) return (Guarded){NULL, count};
    for (int64_t i = 0; i < count + 2 * GUARD; i++) block[i] = i < GUARD || i >= GUARD + count ? guard : NAN;
    return (Guarded){block + GUARD, count};
}

Guarded guarded_random(int64_t count, uint32_t seed, uint32_t stream)
{
    const Guarded g = guarded_unset(count);
    Rng rng = rng_make(seed, 0, 0, stream, RNG_TEST);
    for (int64_t i = 0; g.data && i < count; i++) g.data[i] = (float)rng_normal(&rng);
    return g;
}

Guarded guarded_copy(const Guarded *g)
{
    const Guarded copy = guarded_unset(g->count);
    if (copy.data) memcpy(copy.data, g->data, (size_t)g->count * sizeof(float));
    return copy;
}

void guarded_free(Guarded *g)
{
    if (g->data) mem_free(g->data - GUARD);
    *g = (Guarded){0};
}

bool guarded_intact(const Guarded *g)
{
    bool intact = g->data != NULL;
    for (int i = 0; intact && i < GUARD; i++) intact = g->data[i - GUARD] == guard && g->data[g->count + i] == guard;
    return intact;
}
