/* Attributes, parameters and saved memory of attention (attention.c). */
#ifndef NETWORK_OPS_ATTENTION_H
#define NETWORK_OPS_ATTENTION_H

#include <stdint.h>

typedef struct Attention {
    int64_t heads;
    int64_t window, shift; /* window 0: all pixels */
    int biased;            /* parts with a bias: 3: q, k, v; 2: k, v; 0: none */
} Attention;

enum { ATTENTION_BIAS, ATTENTION_TABLE };
enum { ATTENTION_SAVED_LOGS };
enum { PART_Q, PART_K, PART_V };

/* The rows of the table of position biases. */
static inline int64_t attention_table_rows(const Attention *a) { return (2 * a->window - 1) * (2 * a->window - 1); }

#endif
