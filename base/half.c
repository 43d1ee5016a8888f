#include "base/half.h"

#include <math.h>
#include <string.h>

double half_to_double(uint16_t half)
{
    const int exponent = half >> 10 & 31, fraction = half & 1023;
    double magnitude;
    if (exponent == 31) magnitude = fraction ? NAN : INFINITY;
    else if (exponent) magnitude = ldexp(1024 + fraction, exponent - 25);
    else magnitude = ldexp(fraction, -24);
    return half & 0x8000 ? -magnitude : magnitude;
}

uint16_t half_from_double(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    const uint16_t sign = (uint16_t)(bits >> 48 & 0x8000);
    const double magnitude = fabs(value);
    if (isnan(value)) return sign | 0x7e00;
    if (magnitude >= 65520.0) return sign | 0x7c00; /* half-way between the largest half and the next power of two */
    if (magnitude < 0x1p-14) return sign | (uint16_t)nearbyint(magnitude * 0x1p24); /* subnormal */
    const int exponent = (int)(bits >> 52 & 2047) - 1023;
    /* The fraction with its leading bit, in units of the last place; a carry moves into the exponent. */
    const int fraction = (int)nearbyint(ldexp(magnitude, 10 - exponent));
    return sign | (uint16_t)(((exponent + 15) << 10) + fraction - 1024);
}

float half_rounded(double value) { return (float)half_to_double(half_from_double(value)); }
