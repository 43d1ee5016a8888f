#include "base/random.h"

#include <math.h>

static void philox_block(const uint32_t key_in[2], const uint32_t counter[4], uint32_t out[4])
{
    uint32_t k0 = key_in[0], k1 = key_in[1];
    uint32_t x0 = counter[0], x1 = counter[1], x2 = counter[2], x3 = counter[3];
    for (int round = 0; round < 10; round++) {
        const uint64_t p0 = (uint64_t)0xD2511F53u * x0, p1 = (uint64_t)0xCD9E8D57u * x2;
        const uint32_t y0 = (uint32_t)(p1 >> 32) ^ x1 ^ k0, y2 = (uint32_t)(p0 >> 32) ^ x3 ^ k1;
        x1 = (uint32_t)p1;
        x3 = (uint32_t)p0;
        x0 = y0;
        x2 = y2;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    out[0] = x0;
    out[1] = x1;
    out[2] = x2;
    out[3] = x3;
}

Rng rng_make(uint64_t seed, uint32_t epoch, uint32_t iteration, uint32_t item, RngPurpose purpose)
{
    /* counter[0] runs; the other three words and the key hold the coordinates. */
    const uint64_t mixed = (seed ^ ((uint64_t)purpose << 56)) * 0x9E3779B97F4A7C15u;
    return (Rng){.key = {(uint32_t)mixed, (uint32_t)(mixed >> 32)}, .counter = {0, epoch, iteration, item}};
}

uint32_t rng_u32(Rng *r)
{
    if (!r->left) {
        philox_block(r->key, r->counter, r->block);
        r->counter[0]++;
        r->left = 4;
    }
    return r->block[4 - r->left--];
}

static double to_unit(uint32_t a, uint32_t b)
{
    return ((double)(a >> 5) * 67108864.0 + (double)(b >> 6)) / 9007199254740992.0;
}

double rng_uniform(Rng *r)
{
    const uint32_t a = rng_u32(r), b = rng_u32(r);
    return to_unit(a, b);
}

double rng_range(Rng *r, double low, double high) { return low + (high - low) * rng_uniform(r); }

uint32_t rng_below(Rng *r, uint32_t n)
{
    /* Lemire's multiplication, rejecting the few values that would be drawn more often. */
    const uint32_t reject_below = (uint32_t)(-n) % n;
    for (;;) {
        const uint64_t product = (uint64_t)rng_u32(r) * n;
        if ((uint32_t)product >= reject_below) return (uint32_t)(product >> 32);
    }
}

double rng_normal(Rng *r)
{
    if (r->has_spare) {
        r->has_spare = 0;
        return r->spare_normal;
    }
    const double radius = sqrt(-2.0 * log(1.0 - rng_uniform(r)));
    const double angle = 2.0 * 3.14159265358979323846 * rng_uniform(r);
    r->spare_normal = radius * sin(angle);
    r->has_spare = 1;
    return radius * cos(angle);
}

void mt_seed(Mt19937 *m, uint32_t seed)
{
    m->state[0] = seed;
    for (uint32_t i = 1; i < 624; i++) m->state[i] = 1812433253u * (m->state[i - 1] ^ (m->state[i - 1] >> 30)) + i;
    m->index = 624;
}

static uint32_t mt_twist(uint32_t here, uint32_t next, uint32_t far)
{
    const uint32_t y = (here & 0x80000000u) | (next & 0x7fffffffu);
    return far ^ (y >> 1) ^ (-(y & 1) & 0x9908b0dfu);
}

/* In three stretches without a wrap, so that the loops become vector code. */
static void mt_refill(Mt19937 *m)
{
    uint32_t *s = m->state;
    for (int i = 0; i < 227; i++) s[i] = mt_twist(s[i], s[i + 1], s[i + 397]);
    for (int i = 227; i < 623; i++) s[i] = mt_twist(s[i], s[i + 1], s[i - 227]);
    s[623] = mt_twist(s[623], s[0], s[396]);
    m->index = 0;
}

static uint32_t mt_temper(uint32_t y)
{
    y ^= y >> 11;
    y ^= (y << 7) & 0x9d2c5680u;
    y ^= (y << 15) & 0xefc60000u;
    return y ^ (y >> 18);
}

uint32_t mt_u32(Mt19937 *m)
{
    if (m->index == 624) mt_refill(m);
    return mt_temper(m->state[m->index++]);
}

void mt_fill(Mt19937 *m, uint32_t *numbers, int64_t n)
{
    while (n > 0) {
        if (m->index == 624) mt_refill(m);
        const int left = 624 - m->index, some = n < left ? (int)n : left;
        const uint32_t *restrict state = m->state + m->index;
        uint32_t *restrict out = numbers; /* restrict: so that this becomes vector code */
        for (int i = 0; i < some; i++) out[i] = mt_temper(state[i]);
        m->index += some;
        numbers += some;
        n -= some;
    }
}

double mt_uniform(Mt19937 *m)
{
    const uint32_t a = mt_u32(m), b = mt_u32(m);
    return to_unit(a, b);
}

uint32_t mt_mask(uint32_t max)
{
    for (int shift = 1; shift < 32; shift *= 2) max |= max >> shift;
    return max;
}

uint32_t mt_bounded(Mt19937 *m, uint32_t max)
{
    const uint32_t mask = mt_mask(max);
    if (!max) return 0;
    for (;;) {
        const uint32_t value = mt_u32(m) & mask;
        if (value <= max) return value;
    }
}

void mt_shuffle(Mt19937 *m, int64_t *values, int64_t n)
{
    for (int64_t i = n - 1; i > 0; i--) {
        const int64_t j = mt_bounded(m, (uint32_t)i), held = values[i];
        values[i] = values[j];
        values[j] = held;
    }
}
