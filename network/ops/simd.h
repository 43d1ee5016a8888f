/* Vectors of floats, with the width of the SIMD level for which a file is compiled.
 *
 * A kernel is written once with `vf` (SIMD_LANES floats) in the vector extensions of GCC and Clang: `a * b + c` works
 * on whole vectors, and scalars are broadcast. The Makefile compiles it for each level. Intrinsics are used below only
 * where they are faster than the compiler's code. Only for files in network/ops and bench. The level avx512_bf16 is
 * avx512 with activations in bfloat16 (Elem); vectors stay float32. The errors given are the largest differences from
 * double precision (tests/test_simd.c). */
#ifndef NETWORK_OPS_SIMD_H
#define NETWORK_OPS_SIMD_H

#include <stdint.h>
#include <string.h>

#if defined(__AVX512F__) || defined(__AVX2__)
#include <immintrin.h>
#elif defined(SIMD_USES_NEON)
#include <arm_neon.h>
#endif

#if defined(__AVX512F__)
#define SIMD_BYTES 64
#elif defined(__AVX2__)
#define SIMD_BYTES 32
#else
#define SIMD_BYTES 16
#endif
enum { SIMD_LANES = SIMD_BYTES / 4 };

/* The vector registers of the level. */
#if defined(__AVX512F__) || defined(SIMD_USES_NEON)
#define SIMD_REGISTERS 32
#else
#define SIMD_REGISTERS 16
#endif

typedef float vf __attribute__((vector_size(SIMD_BYTES)));
typedef int32_t vi __attribute__((vector_size(SIMD_BYTES)));

#define SIMD_INLINE static inline __attribute__((always_inline))
/* Before a loop of constant length, to unroll it and so keep its arrays of vectors in registers. */
#if defined(__clang__)
#define SIMD_UNROLL _Pragma("unroll 16")
#else
#define SIMD_UNROLL _Pragma("GCC unroll 16")
#endif

/* ---- load and store ---- */

SIMD_INLINE vf v_set1(float a) { return a - (vf){0}; }

/* SIMD_LANES floats at p, which need not be aligned. */
SIMD_INLINE vf v_load(const float *p)
{
    vf a;
    memcpy(&a, p, sizeof a);
    return a;
}

SIMD_INLINE void v_store(float *p, vf a) { memcpy(p, &a, sizeof a); }

#if defined(__AVX2__) && !defined(__AVX512F__)
/* -1 in the first `count` lanes. */
SIMD_INLINE __m256i v_first_lanes(int count)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(count), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
#endif

/* The first `count` floats at p (0 … SIMD_LANES), then zeros. Does not read beyond them. A call of memcpy would make the
 * compiler keep a loop's vectors in memory: so AVX2 has masks, and NEON single lanes, which are slow, if count is not
 * SIMD_LANES. */
SIMD_INLINE vf v_load_first(const float *p, int count)
{
#if defined(__AVX512F__)
    return (vf)_mm512_maskz_loadu_ps((__mmask16)((1u << count) - 1), p);
#elif defined(__AVX2__)
    return count == SIMD_LANES ? v_load(p) : (vf)_mm256_maskload_ps(p, v_first_lanes(count));
#elif defined(SIMD_USES_NEON)
    vf a = {0};
    if (count == SIMD_LANES) return v_load(p);
    if (count > 0) a[0] = p[0];
    if (count > 1) a[1] = p[1];
    if (count > 2) a[2] = p[2];
    return a;
#else
    vf a = {0};
    if (count == SIMD_LANES) return v_load(p);
    memcpy(&a, p, (size_t)count * sizeof *p);
    return a;
#endif
}

SIMD_INLINE void v_store_first(float *p, vf a, int count)
{
#if defined(__AVX512F__)
    _mm512_mask_storeu_ps(p, (__mmask16)((1u << count) - 1), (__m512)a);
#elif defined(__AVX2__)
    if (count == SIMD_LANES) v_store(p, a);
    else _mm256_maskstore_ps(p, v_first_lanes(count), (__m256)a);
#elif defined(SIMD_USES_NEON)
    if (count == SIMD_LANES) {
        v_store(p, a);
        return;
    }
    if (count > 0) p[0] = a[0];
    if (count > 1) p[1] = a[1];
    if (count > 2) p[2] = a[2];
#else
    if (count == SIMD_LANES) v_store(p, a);
    else memcpy(p, &a, (size_t)count * sizeof *p);
#endif
}

/* ---- elements of activations: float; bfloat16 in the level avx512_bf16 ---- */

#if defined(SIMD_BF16)
typedef uint16_t Elem;

SIMD_INLINE vf v_get(const Elem *p, int count)
{
    const __m256i bits = _mm256_maskz_loadu_epi16((__mmask16)((1u << count) - 1), p);
    return (vf)_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16);
}

/* Stores the first `count` lanes; rounds half to even. */
SIMD_INLINE void v_put(Elem *p, vf a, int count)
{
    const __m256i bits = (__m256i)_mm512_cvtneps_pbh((__m512)a);
    _mm256_mask_storeu_epi16(p, (__mmask16)((1u << count) - 1), bits);
}
#else
typedef float Elem;

/* The first `count` elements at p, then zeros. */
SIMD_INLINE vf v_get(const Elem *p, int count) { return v_load_first(p, count); }

SIMD_INLINE void v_put(Elem *p, vf a, int count) { v_store_first(p, a, count); }
#endif

/* ---- select, minimum, maximum ---- */

/* The lanes of mask are 0 or -1, as comparisons of vectors return them. */
SIMD_INLINE vf v_select(vi mask, vf yes, vf no) { return (vf)((mask & (vi)yes) | (~mask & (vi)no)); }

/* NaN where b is NaN. */
SIMD_INLINE vf v_max(vf a, vf b)
{
#if defined(__AVX512F__)
    return (vf)_mm512_max_ps((__m512)a, (__m512)b);
#elif defined(__AVX2__)
    return (vf)_mm256_max_ps((__m256)a, (__m256)b);
#elif defined(SIMD_USES_NEON)
    return (vf)vmaxq_f32((float32x4_t)a, (float32x4_t)b);
#else
    return v_select(a > b, a, b);
#endif
}

SIMD_INLINE vf v_min(vf a, vf b)
{
#if defined(__AVX512F__)
    return (vf)_mm512_min_ps((__m512)a, (__m512)b);
#elif defined(__AVX2__)
    return (vf)_mm256_min_ps((__m256)a, (__m256)b);
#elif defined(SIMD_USES_NEON)
    return (vf)vminq_f32((float32x4_t)a, (float32x4_t)b);
#else
    return v_select(a < b, a, b);
#endif
}

SIMD_INLINE vf v_abs(vf a) { return (vf)((vi)a & 0x7fffffff); }

/* a·b + c, rounded once if the level has fused multiply-add. In a sum of two products the compiler may fuse either one;
 * this function chooses one, so that different places in the code compute the same bits. */
SIMD_INLINE vf v_fma(vf a, vf b, vf c)
{
#if defined(__AVX512F__)
    return (vf)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif defined(__AVX2__)
    return (vf)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#elif defined(SIMD_USES_NEON)
    return (vf)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
#else
    return a * b + c;
#endif
}

/* ---- summing lanes ---- */

SIMD_INLINE float v_sum(vf a)
{
#if defined(__AVX512F__)
    return _mm512_reduce_add_ps((__m512)a); /* adds the halves recursively, as below */
#elif defined(__AVX2__)
    float sum[SIMD_LANES];
    v_store(sum, a);
    for (int half = SIMD_LANES / 2; half; half /= 2)
        for (int i = 0; i < half; i++) sum[i] += sum[i + half];
    return sum[0];
#elif defined(SIMD_USES_NEON)
    return vaddvq_f32((float32x4_t)a);
#else
    const vf pairs = a + (vf){a[2], a[3], a[0], a[1]};
    return pairs[0] + pairs[1];
#endif
}

/* The largest lane. */
SIMD_INLINE float v_highest(vf a)
{
#if defined(__AVX512F__)
    return _mm512_reduce_max_ps((__m512)a);
#else
    float most[SIMD_LANES];
    v_store(most, a);
    for (int half = SIMD_LANES / 2; half; half /= 2)
        for (int i = 0; i < half; i++) most[i] = most[i + half] > most[i] ? most[i + half] : most[i];
    return most[0];
#endif
}

/* Sums of two lanes each within each 16 bytes: two of a, then two of b. */
SIMD_INLINE vf v_add_pairs(vf a, vf b)
{
#if defined(__AVX512F__)
    const __m512 x = (__m512)a, y = (__m512)b;
    return (vf)_mm512_shuffle_ps(x, y, 0x88) + (vf)_mm512_shuffle_ps(x, y, 0xdd);
#elif defined(__AVX2__)
    const __m256 x = (__m256)a, y = (__m256)b;
    return (vf)_mm256_shuffle_ps(x, y, 0x88) + (vf)_mm256_shuffle_ps(x, y, 0xdd);
#elif defined(SIMD_USES_NEON)
    return (vf)vpaddq_f32((float32x4_t)a, (float32x4_t)b);
#else
    return (vf){a[0], a[2], b[0], b[2]} + (vf){a[1], a[3], b[1], b[3]};
#endif
}

typedef float vf4 __attribute__((vector_size(16)));

/* The lane sums of a, b, c and d, from ab = v_add_pairs(a, b) and cd = v_add_pairs(c, d). */
SIMD_INLINE vf4 v_sum_pairs(vf ab, vf cd)
{
    const vf sums = v_add_pairs(ab, cd); /* 16 bytes: a part of each sum */
#if defined(__AVX512F__)
    const __m256 upper = _mm512_extractf32x8_ps((__m512)sums, 1);
    const __m256 half = _mm256_add_ps(_mm512_castps512_ps256((__m512)sums), upper);
    return (vf4)_mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
#elif defined(__AVX2__)
    return (vf4)_mm_add_ps(_mm256_castps256_ps128((__m256)sums), _mm256_extractf128_ps((__m256)sums, 1));
#else
    return sums;
#endif
}

/* The lane sums of a, b, c and d. */
SIMD_INLINE vf4 v_sum_each(vf a, vf b, vf c, vf d) { return v_sum_pairs(v_add_pairs(a, b), v_add_pairs(c, d)); }

/* ---- transposition ---- */

#if defined(__AVX512F__)
#define V_UNPACK(half, a, b) (vf) _mm512_unpack##half##_ps((__m512)(a), (__m512)(b))
#define V_UNPACK_PAIRS(half, a, b) (vf) _mm512_unpack##half##_pd((__m512d)(a), (__m512d)(b))
#elif defined(__AVX2__)
#define V_UNPACK(half, a, b) (vf) _mm256_unpack##half##_ps((__m256)(a), (__m256)(b))
#define V_UNPACK_PAIRS(half, a, b) (vf) _mm256_unpack##half##_pd((__m256d)(a), (__m256d)(b))
#endif

/* Transposes four vectors within each 16 bytes. */
SIMD_INLINE void v_turn_parts(vf *a)
{
#if defined(V_UNPACK)
    const vf low = V_UNPACK(lo, a[0], a[1]), high = V_UNPACK(hi, a[0], a[1]);
    const vf low_2 = V_UNPACK(lo, a[2], a[3]), high_2 = V_UNPACK(hi, a[2], a[3]);
    a[0] = V_UNPACK_PAIRS(lo, low, low_2);
    a[1] = V_UNPACK_PAIRS(hi, low, low_2);
    a[2] = V_UNPACK_PAIRS(lo, high, high_2);
    a[3] = V_UNPACK_PAIRS(hi, high, high_2);
#else
    const vf b[] = {a[0], a[1], a[2], a[3]};
    SIMD_UNROLL
    for (int i = 0; i < 4; i++) a[i] = (vf){b[0][i], b[1][i], b[2][i], b[3][i]};
#endif
}

/* Transposes SIMD_LANES vectors. */
SIMD_INLINE void v_turn(vf *a)
{
    SIMD_UNROLL
    for (int i = 0; i < SIMD_LANES; i += 4) v_turn_parts(a + i);
        /* now the 16 bytes p of a[q + i] are column 4 p + i of the rows q … q + 3 */
#if defined(__AVX512F__)
#define PARTS(a, b, which) _mm512_shuffle_f32x4((__m512)(a), (__m512)(b), which)
    SIMD_UNROLL
    for (int i = 0; i < 4; i++) {
        const __m512 low = PARTS(a[i], a[i + 4], 0x44), high = PARTS(a[i], a[i + 4], 0xee);
        const __m512 low_2 = PARTS(a[i + 8], a[i + 12], 0x44), high_2 = PARTS(a[i + 8], a[i + 12], 0xee);
        a[i] = (vf)PARTS(low, low_2, 0x88);
        a[i + 4] = (vf)PARTS(low, low_2, 0xdd);
        a[i + 8] = (vf)PARTS(high, high_2, 0x88);
        a[i + 12] = (vf)PARTS(high, high_2, 0xdd);
    }
#undef PARTS
#elif defined(__AVX2__)
    SIMD_UNROLL
    for (int i = 0; i < 4; i++) {
        const __m256 near = (__m256)a[i], far = (__m256)a[i + 4];
        a[i] = (vf)_mm256_permute2f128_ps(near, far, 0x20);
        a[i + 4] = (vf)_mm256_permute2f128_ps(near, far, 0x31);
    }
#endif
}

/* ---- the exponential, and functions that use it ---- */

#define SIMD_LOG2E 1.44269502f
#define SIMD_LN2 0.693147182f

/* 2^x = 2^power · 2^r: power is the multiple of 1/SIMD_EXP_STEPS nearest to x, r the rest. Floats near SIMD_EXP_MAGIC
 * have that distance: so x + SIMD_EXP_MAGIC rounds x to such a multiple, and its low bits are the number of steps. */
#if defined(__AVX512F__)
enum { SIMD_EXP_STEPS = 16 };
#else
enum { SIMD_EXP_STEPS = 1 };
#endif
#define SIMD_EXP_MAGIC v_set1(12582912.0f / SIMD_EXP_STEPS) /* 1.5 · 2^23 steps */

#if defined(__AVX512F__)
/* 2^(shifted - magic) · 2^r; exactly 1 at 0, so that decays near 1 are accurate. The cubic polynomial
 * step · (1 + ln(2) r + … + c r³) is computed as step + (c step) r ((r + b) r + a), with a second table for c step.
 * That saves a multiplication, and multiplications limit the speed of the scan. */
SIMD_INLINE vf v_exp2_parts(vf shifted, vf r)
{
    const vf steps = {1.0f,        1.04427373f, 1.09050775f, 1.13878858f, 1.18920711f, 1.24185777f,
                      1.29683959f, 1.35425556f, 1.41421354f, 1.4768262f,  1.54221082f, 1.61049032f,
                      1.68179286f, 1.75625217f, 1.8340081f,  1.91520655f};
    const vf c_steps = {0.0555041097f, 0.0579614826f, 0.06052766f,   0.0632074475f, 0.0660058782f, 0.0689282119f,
                        0.071979925f,  0.075166747f,  0.0784946606f, 0.0819699243f, 0.085599035f,  0.0893888324f,
                        0.093346417f,  0.0974792168f, 0.101794988f,  0.106301837f};
    const vf step = (vf)_mm512_permutexvar_ps((__m512i)shifted, (__m512)steps);
    const vf c_step = (vf)_mm512_permutexvar_ps((__m512i)shifted, (__m512)c_steps);
    const vf q = (r + 4.32808495f) * r + 12.4882135f;
    return (vf)_mm512_scalef_ps((__m512)((c_step * r) * q + step), (__m512)(shifted - SIMD_EXP_MAGIC));
}
#else
SIMD_INLINE vf v_exp2_fraction(vf r)
{
    vf q = r * 1.53243e-4f + 1.33909585e-3f;
    q = q * r + 9.61851756e-3f;
    q = q * r + 5.55035959e-2f;
    q = q * r + 2.40226476e-1f;
    q = q * r + SIMD_LN2;
    return q * r + 1.0f;
}

SIMD_INLINE vf v_exp2_parts(vf shifted, vf r)
{
    /* two factors, since 2^128 and 2^-150 are not normal floats */
    const vi power = (vi)shifted - (vi)SIMD_EXP_MAGIC, half = power >> 1;
    return v_exp2_fraction(r) * (vf)((half + 127) << 23) * (vf)((power - half + 127) << 23);
}
#endif

#if defined(__AVX2__) && !defined(__AVX512F__)
/* Replaces x[i] by 2^x[i], for -126 <= x <= 0 and `count` vectors, in turns, so that no step waits for the one before it.
 * The table has 2^(k/8), from which k/8 of the exponent's unit is subtracted: so the whole number of eighths can be added
 * to it. This takes one multiplication less than a polynomial for whole powers of 2, and no scaling. */
SIMD_INLINE void v_exp2_eighths(const int count, vf *x)
{
    const vi table = {0x3f800000, 0x3f7b95c2, 0x3f7837f0, 0x3f75fed7, 0x3f7504f3, 0x3f75672a, 0x3f7744fd, 0x3f7ac0c7};
    const vf magic = v_set1(12582912.0f / 8);
    vf step[4], q[4];
#define EACH    \
    SIMD_UNROLL \
    for (int i = 0; i < count; i++)
    EACH step[i] = x[i] + magic;
    EACH x[i] -= step[i] - magic;
    EACH step[i] = (vf)((vi)_mm256_permutevar8x32_ps((__m256)table, (__m256i)step[i]) + ((vi)step[i] << 20));
    EACH q[i] = x[i] * 0.00961765318f + 0.0555105977f;
    EACH q[i] = q[i] * x[i] + 0.24022651f;
    EACH q[i] = q[i] * x[i] + SIMD_LN2;
    EACH x[i] *= step[i];
    EACH x[i] = x[i] * q[i] + step[i];
#undef EACH
}
#endif

/* 2^x for -1e18 <= x <= 0; for x below -126 the result is at most 2^-126. 1.1 ulp. */
SIMD_INLINE vf v_exp2_negative(vf x)
{
#if defined(__AVX512F__)
    const vf shifted = x + SIMD_EXP_MAGIC;
    return v_exp2_parts(shifted, x - (shifted - SIMD_EXP_MAGIC));
#elif defined(__AVX2__)
    x = v_max(v_set1(-126.0f), x);
    v_exp2_eighths(1, &x);
    return x;
#else
    x = v_max(v_set1(-126.0f), x);
    const vf shifted = x + SIMD_EXP_MAGIC;
    const vi power = (vi)shifted << 23; /* the bits of SIMD_EXP_MAGIC are shifted out */
    const vf fraction = v_exp2_fraction(x - (shifted - SIMD_EXP_MAGIC));
#if defined(SIMD_USES_NEON)
    return (vf)((vi)fraction + power); /* adds to the exponent */
#else
    return fraction * (vf)(power + (127 << 23));
#endif
#endif
}

/* 2^(a·b) in the same range, without rounding of the product if there is fused multiply-add. */
SIMD_INLINE vf v_exp2_product(vf a, vf b)
{
#if defined(__AVX512F__)
    const vf shifted = (vf)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)SIMD_EXP_MAGIC);
    const __m512 power = (__m512)(shifted - SIMD_EXP_MAGIC);
    return v_exp2_parts(shifted, (vf)_mm512_fmsub_ps((__m512)a, (__m512)b, power));
#else
    return v_exp2_negative(a * b);
#endif
}

/* to[i] = 2^(a·b[i]) for `count` vectors (1, 2 or 4), as v_exp2_product. */
SIMD_INLINE void v_exp2_products(const int count, vf a, const float *b, vf *to)
{
#if defined(__AVX2__) && !defined(__AVX512F__)
    SIMD_UNROLL
    for (int i = 0; i < count; i++) to[i] = v_max(v_set1(-126.0f), a * v_load(b + i * SIMD_LANES));
    v_exp2_eighths(count, to);
#else
    SIMD_UNROLL
    for (int i = 0; i < count; i++) to[i] = v_exp2_product(a, v_load(b + i * SIMD_LANES));
#endif
}

/* e^x, with correct inf, 0 and NaN. 1.4 ulp. */
SIMD_INLINE vf v_exp(vf x)
{
    x = v_min(v_set1(89.0f), v_max(v_set1(-104.0f), x));
    const vf shifted = x * SIMD_LOG2E + SIMD_EXP_MAGIC;
    const vf power = shifted - SIMD_EXP_MAGIC;
    /* x - power · ln 2, with ln 2 in two parts; the first product is exact (Cody and Waite) */
    const vf r = (x - power * 0.693359375f) + power * 2.12194440e-4f;
    return v_exp2_parts(shifted, r * SIMD_LOG2E);
}

/* log(1 + e) for 0 <= e <= 1. 1 ulp. */
SIMD_INLINE vf v_log1p_unit(vf e)
{
    vf q = e * -0.00331847346f + 0.0202045888f;
    q = q * e - 0.0576644503f;
    q = q * e + 0.106805563f;
    q = q * e - 0.153553963f;
    q = q * e + 0.196954012f;
    q = q * e - 0.249585882f;
    q = q * e + 0.33330512f;
    q = q * e - 0.499999315f;
    return (e * e) * q + e;
}

/* 1 / (1 + e^-x). 3.2 ulp. */
SIMD_INLINE vf v_sigmoid(vf x) { return 1.0f / (v_exp(-x) + 1.0f); }

/* Φ(x), the distribution function of the normal distribution. *density, if not NULL: its derivative. 8 ulp from -1 on, 16
 * from -5, 70 from -12. */
SIMD_INLINE vf v_normal(vf x, vf *density)
{
    const vf z = v_abs(x), t = 1.0f / (z * 0.3f + 1.0f), e = v_exp(z * z * -0.5f);
    vf q = t * 0.0356750138f - 0.157204053f; /* Φ(-z) e^{z²/2} is a smooth function of t */
    q = q * t + 0.20635511f;
    q = q * t - 0.0536850415f;
    q = q * t + 0.128562317f;
    q = q * t + 0.0999132988f;
    q = q * t + 0.120753984f;
    q = q * t + 0.119629297f;
    const vf tail = q * t * e;
    if (density) *density = e * 0.398942280f;
    return v_select(x > 0.0f, 1.0f - tail, tail);
}

/* Softplus of x·log(2), which is log(1 + 2^x) (PyTorch's threshold of 20 makes no difference in float32). *slope, if
 * not NULL: the derivative of softplus. 2.4 ulp. */
SIMD_INLINE vf v_softplus_log2(vf x, vf *slope)
{
    const vf e = v_exp2_negative(-v_abs(x));
    if (slope) *slope = v_select(x > 0.0f, v_set1(1.0f), e) / (e + 1.0f);
    return v_max(v_set1(0.0f), x * SIMD_LN2) + v_log1p_unit(e);
}

#endif
