/* Random numbers.
 *
 * Rng: a pure function of (seed, epoch, iteration, item, purpose), counter-based (Philox4x32-10,
 * Salmon et al. 2011), so that any thread can draw any item's numbers and nothing is stored in a
 * checkpoint. Mt19937: NumPy's legacy RandomState, bit for bit, where nnU-Net's own choices are
 * matched (splits, fingerprint sampling, class locations; docs/reference.md, Random numbers). Both are plain values. */
#ifndef BASE_RANDOM_H
#define BASE_RANDOM_H

#include <stdint.h>

/* The purpose of a stream: streams of two purposes are independent. */
typedef enum RngPurpose {
    RNG_INIT,
    RNG_SAMPLE,
    RNG_AUGMENT,
    RNG_DROP_PATH,
    RNG_PHANTOM,
    RNG_BOOTSTRAP,
    RNG_TEST,
    RNG_MASK
} RngPurpose;

typedef struct Rng {
    uint32_t key[2];
    uint32_t counter[4];
    uint32_t block[4];
    int left; /* numbers of block not yet given */
    double spare_normal;
    int has_spare;
} Rng;

Rng rng_make(uint64_t seed, uint32_t epoch, uint32_t iteration, uint32_t item, RngPurpose purpose);
uint32_t rng_u32(Rng *r);
double rng_uniform(Rng *r);                        /* [0,1), 53 bits */
double rng_range(Rng *r, double low, double high); /* [low,high) */
uint32_t rng_below(Rng *r, uint32_t n);            /* 0 … n-1, unbiased; n >= 1 */
double rng_normal(Rng *r);                         /* mean 0, variance 1 (Box-Muller) */

typedef struct Mt19937 {
    uint32_t state[624];
    int index;
} Mt19937;

void mt_seed(Mt19937 *m, uint32_t seed); /* RandomState(seed) */
uint32_t mt_u32(Mt19937 *m);
void mt_fill(Mt19937 *m, uint32_t *numbers, int64_t n);  /* n times mt_u32, faster */
double mt_uniform(Mt19937 *m);                           /* random_sample(): 53 bits */
uint32_t mt_mask(uint32_t max);                          /* the smallest 2^k - 1 >= max */
uint32_t mt_bounded(Mt19937 *m, uint32_t max);           /* 0 … max by masked rejection */
void mt_shuffle(Mt19937 *m, int64_t *values, int64_t n); /* shuffle(); n < 2^32 */

#endif
