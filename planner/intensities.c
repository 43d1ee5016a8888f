#include "planner/intensities.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/memory.h"
#include "planner/order_statistics.h"

enum { SEED = 1234, TABLE = 1 << 16, MAX_VALUES = 2 << 20 }; /* 16 MiB of distinct values */
static const double percents[3] = {0.5, 50, 99.5};

void draw_begin(DrawStream *s)
{
    mt_seed(&s->generator, SEED);
    s->next = DRAW_BLOCK;
}

void draw_counts(DrawStream *s, int64_t n, int64_t draws, uint32_t *counts)
{
    const uint32_t max = (uint32_t)(n - 1);
    const uint32_t mask = mt_mask(max);
    if (!max) {
        counts[0] += (uint32_t)draws;
        return;
    }
    /* Rejected numbers (above max) are counted too, in entries of counts that are not used: that is faster than a
     * branch. A chunk holds at most as many numbers as draws are left, so that there are not too many draws. */
    while (draws > 0) {
        if (s->next == DRAW_BLOCK) {
            mt_fill(&s->generator, s->block, DRAW_BLOCK);
            s->next = 0;
        }
        const int left = DRAW_BLOCK - s->next, chunk = draws < left ? (int)draws : left;
        const uint32_t *number = s->block + s->next;
        int64_t taken = 0;
        for (int i = 0; i < chunk; i++) {
            const uint32_t index = number[i] & mask;
            counts[index]++;
            taken += index <= max;
        }
        s->next += chunk;
        draws -= taken;
    }
}

Moments moments_of_draws(const float *values, const uint32_t *counts, int64_t n)
{
    Moments m = {.low = INFINITY, .high = -INFINITY};
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        if (!counts[i]) continue;
        m.count += counts[i];
        sum += (double)counts[i] * values[i];
        m.low = values[i] < m.low ? values[i] : m.low;
        m.high = values[i] > m.high ? values[i] : m.high;
    }
    m.mean = m.count > 0 ? sum / m.count : 0;
    for (int64_t i = 0; i < n; i++) {
        const double difference = values[i] - m.mean;
        m.squares += counts[i] * (difference * difference);
    }
    return m;
}

Moments moments_join(Moments a, Moments b)
{
    if (!(b.count > 0)) return a;
    if (!(a.count > 0)) return b;
    const double count = a.count + b.count, difference = b.mean - a.mean;
    return (Moments){count, a.mean + difference * (b.count / count),
                     a.squares + b.squares + difference * difference * (a.count * b.count / count), fminf(a.low, b.low),
                     fmaxf(a.high, b.high)};
}

/* The bits of a float as an integer with the same order. */
static uint32_t key_of(float value)
{
    uint32_t bits;
    value += 0.0f; /* -0 becomes 0 */
    memcpy(&bits, &value, sizeof bits);
    return bits >> 31 ? ~bits : bits | 0x80000000u;
}

static float value_of(uint32_t key)
{
    const uint32_t bits = key >> 31 ? key & 0x7fffffffu : ~key;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

int pool_new(PoolChannel *p, Err *e)
{
    *p = (PoolChannel){0};
    p->table = mem_zalloc(TABLE, sizeof *p->table, e);
    p->wanted = mem_zalloc(TABLE, sizeof *p->wanted, e);
    if (p->table && p->wanted) return 0;
    pool_free(p);
    return ERR_NOMEM;
}

void pool_free(PoolChannel *p)
{
    mem_free(p->table);
    mem_free(p->wanted);
    mem_free(p->values);
    *p = (PoolChannel){0};
}

static int compare_keys(const void *a, const void *b)
{
    const uint32_t x = ((const ValueCount *)a)->key, y = ((const ValueCount *)b)->key;
    return (x > y) - (x < y);
}

/* Sorts the list and joins equal values. */
static void compact(PoolChannel *p)
{
    if (p->sorted == p->count) return;
    qsort(p->values, (size_t)p->count, sizeof *p->values, compare_keys);
    int64_t kept = 0;
    for (int64_t i = 1; i < p->count; i++) {
        if (p->values[i].key == p->values[kept].key) p->values[kept].count += p->values[i].count;
        else p->values[++kept] = p->values[i];
    }
    p->count = p->sorted = p->count ? kept + 1 : 0;
}

static int make_room(PoolChannel *p, Err *e)
{
    compact(p);
    if (p->count < p->capacity / 2) return 0;
    const int64_t capacity = 2 * p->capacity + 1024;
    if (capacity > MAX_VALUES && !p->selective) {
        p->overflowed = true;
        p->count = p->sorted = 0;
        return 0;
    }
    TRY(mem_grow((void **)&p->values, (size_t)p->count * sizeof *p->values, (size_t)capacity * sizeof *p->values, e));
    p->capacity = capacity;
    return 0;
}

/* Lists a value, unless there are too many. */
static int list_value(PoolChannel *p, ValueCount value, Err *e)
{
    if (p->overflowed) return 0;
    if (p->count == p->capacity) TRY(make_room(p, e));
    if (!p->overflowed) p->values[p->count++] = value;
    return 0;
}

int pool_add(PoolChannel *p, const float *values, const uint32_t *counts, int64_t n, Err *e)
{
    for (int64_t i = 0; i < n; i++) {
        if (!counts[i]) continue;
        const uint32_t key = key_of(values[i]), upper = key >> 16;
        if (!p->selective) {
            p->table[upper] += counts[i];
            p->draws += counts[i];
        }
        if (!p->selective || p->wanted[upper]) TRY(list_value(p, (ValueCount){key, counts[i]}, e));
    }
    return 0;
}

/* ---- pools of several processes ---- */

void pool_pack(Text *bytes, const PoolChannel *p)
{
    text_add_bytes(bytes, (const char *)&p->draws, sizeof p->draws);
    text_add_bytes(bytes, (const char *)&p->count, sizeof p->count);
    text_add_bytes(bytes, (const char *)&p->overflowed, sizeof p->overflowed);
    text_add_bytes(bytes, (const char *)p->table, TABLE * sizeof *p->table);
    if (p->count) text_add_bytes(bytes, (const char *)p->values, (size_t)p->count * sizeof *p->values);
}

int pool_join(PoolChannel *p, const char **at, Err *e)
{
    uint64_t draws, row;
    int64_t count;
    bool overflowed;
    *at = bytes_take(&draws, *at, sizeof draws);
    *at = bytes_take(&count, *at, sizeof count);
    *at = bytes_take(&overflowed, *at, sizeof overflowed);
    p->draws += draws;
    for (int i = 0; i < TABLE; i++) {
        *at = bytes_take(&row, *at, sizeof row);
        p->table[i] += row;
    }
    for (int64_t i = 0; i < count; i++) {
        ValueCount value;
        *at = bytes_take(&value, *at, sizeof value);
        TRY(list_value(p, value, e));
    }
    if (!overflowed) return 0;
    p->overflowed = true;
    p->count = p->sorted = 0;
    return 0;
}

void pool_pack_wanted(Text *bytes, const PoolChannel *p)
{
    text_add_bytes(bytes, (const char *)p->wanted, POOL_WANTED_BYTES);
}

void pool_take_wanted(PoolChannel *p, const char *wanted)
{
    _Static_assert(POOL_WANTED_BYTES == TABLE * sizeof *p->wanted, "the bytes of the table");
    memcpy(p->wanted, wanted, POOL_WANTED_BYTES);
    p->selective = true;
}

/* ---- percentiles ---- */

bool pool_needs_second_pass(const PoolChannel *p) { return p->overflowed; }

/* The row of the table that contains the value of a rank; *before: number of draws below that row. */
static uint32_t row_of_rank(const PoolChannel *p, uint64_t rank, uint64_t *before)
{
    uint32_t row = 0;
    *before = 0;
    while (*before + p->table[row] <= rank) *before += p->table[row++];
    return row;
}

void pool_begin_second_pass(PoolChannel *p)
{
    uint64_t before;
    for (int i = 0; i < 3; i++) {
        const PercentileRank rank = percentile_rank((int64_t)p->draws, percents[i]);
        p->wanted[row_of_rank(p, (uint64_t)rank.low, &before)] = true;
        p->wanted[row_of_rank(p, (uint64_t)rank.high, &before)] = true;
    }
    p->selective = true;
    p->overflowed = false;
    p->count = p->sorted = 0; /* of a channel whose values all had room: they come again */
}

static double value_at(const PoolChannel *p, int64_t rank)
{
    uint64_t before;
    const uint32_t row = row_of_rank(p, (uint64_t)rank, &before);
    int64_t i = 0;
    while (p->values[i].key >> 16 < row) i++;
    while (before + p->values[i].count <= (uint64_t)rank) before += p->values[i++].count;
    return value_of(p->values[i].key);
}

void pool_percentiles(PoolChannel *p, bool as_float, double percentiles[3])
{
    compact(p);
    for (int i = 0; i < 3; i++) {
        const PercentileRank rank = percentile_rank((int64_t)p->draws, percents[i]);
        const double a = value_at(p, rank.low), b = value_at(p, rank.high);
        percentiles[i] = percentile_between(a, b, as_float ? (float)(b - a) : b - a, rank.part);
    }
}
