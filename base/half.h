/* IEEE 754 half precision (binary16) kept as uint16_t; conversions round half to even, as NumPy's do. */
#ifndef BASE_HALF_H
#define BASE_HALF_H

#include <stdint.h>

double half_to_double(uint16_t half);    /* exact; fits a float exactly too */
float half_rounded(double value);        /* the nearest half, as a float */
uint16_t half_from_double(double value); /* rounded once; overflow gives infinity, NaN stays NaN */

#endif
