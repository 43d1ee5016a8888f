/* The gradient of the weights of a linear layer: dW (out, in) = dYᵀ X, a sum over all pixels.
 *
 * Created in an op's prepare (weight_product_new), freed in its release. product is NULL before and after. */
#ifndef NETWORK_OPS_WEIGHT_PRODUCT_H
#define NETWORK_OPS_WEIGHT_PRODUCT_H

#include "network/ops/product.h"

/* dY (pixels, out) and X (pixels, in); pixels are `pitch` elements apart. */
typedef struct WeightOperands {
    int64_t pixels, out_channels, in_channels, dy_pitch, x_pitch;
    DType dtype;             /* what it computes with */
    DType dy_dtype, x_dtype; /* dtype, or float32 */
} WeightOperands;

typedef struct WeightProduct {
    Product *product;
    int64_t out_channels, in_channels;
    int pieces;  /* of the pixels; each has its own sum, in scratch */
    bool turned; /* computes the transpose: the sums are (in, out) */
} WeightProduct;

int weight_product_new(WeightProduct *w, const WeightOperands *o, Err *e);
void weight_product_free(WeightProduct *w);
size_t weight_product_scratch(const WeightProduct *w); /* bytes; 0 if there is no product */

/* Writes dw: float32 (out, in), dense. Failures: as in onednn.h. */
void weight_product_run(WeightProduct *w, const void *dy, const void *x, float *dw, void *scratch, Err *e);

#endif
