#include "tests/support/guarded.h"

#include <string.h>

#include "base/memory.h"
#include "base/random.h"

enum { GUARD = 256 }; /* bytes on each side */

const uint32_t guard_value = 0x7fc0ffa5;

static size_t padded(size_t bytes)
{
    return (bytes + sizeof guard_value - 1) / sizeof guard_value * sizeof guard_value;
}

static char *block_of(const Guarded *g) { return (char *)g->data - GUARD; }

Guarded guarded_unset(size_t bytes)
{
    char *block = mem_alloc(padded(bytes) + 2 * GUARD, NULL);
    if (!block) return (Guarded){NULL, bytes};
    for (size_t i = 0; i < padded(bytes) + 2 * GUARD; i += sizeof guard_value)
        memcpy(block + i, &guard_value, sizeof guard_value);
    return (Guarded){block + GUARD, bytes};
}

Guarded guarded_random(int64_t count, uint32_t seed, uint32_t stream)
{
    const Guarded g = guarded_unset((size_t)count * sizeof(float));
    Rng rng = rng_make(seed, 0, 0, stream, RNG_TEST);
    for (int64_t i = 0; g.data && i < count; i++) ((float *)g.data)[i] = (float)rng_normal(&rng);
    return g;
}

Guarded guarded_copy(const Guarded *g)
{
    const Guarded copy = guarded_unset(g->bytes);
    if (copy.data) memcpy(copy.data, g->data, g->bytes);
    return copy;
}

void guarded_free(Guarded *g)
{
    if (g->data) mem_free(block_of(g));
    *g = (Guarded){0};
}

static bool holds_guard(const char *block, size_t first, size_t end)
{
    for (size_t i = first; i < end; i++)
        if (block[i] != ((const char *)&guard_value)[i % sizeof guard_value]) return false;
    return true;
}

bool guarded_intact(const Guarded *g)
{
    if (!g->data) return false;
    return holds_guard(block_of(g), 0, GUARD) &&
           holds_guard(block_of(g), GUARD + g->bytes, padded(g->bytes) + 2 * GUARD);
}
