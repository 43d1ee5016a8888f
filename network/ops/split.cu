/* Split along channels on a GPU; parts that are in their place are not copied (split.c). */
#include "network/cuda/pointwise.h"

namespace
{
template <class T> void forward(Node *node, const Step *)
{
    const Tensor *in = node->in[0];
    const T *place = (const T *)in->data;
    for (int i = 0; i < node->output_count; i++) {
        const Tensor *out = node->out[i];
        gpu_move((T *)out->data, out->pitch, place, in->pitch, shape_pixels(in->shape), out->shape.c, false);
        place += out->shape.c;
    }
}

template <class T> void backward(Node *node, const Step *)
{
    const Tensor *in = node->in[0];
    const int64_t pixels = shape_pixels(in->shape);
    T *place = (T *)in->grad;
    for (int i = 0; i < node->output_count; i++) {
        const Tensor *out = node->out[i];
        if (out->grad)
            gpu_move(place, in->pitch, (const T *)out->grad, out->pitch, pixels, out->shape.c, node->accumulate[0]);
        else if (!node->accumulate[0]) gpu_clear(place, in->pitch, pixels, out->shape.c); /* a part without gradient */
        place += out->shape.c;
    }
}
} // namespace

GPU_IMPL(split, .strided_in = 1, .strided_out = 3, .forward = forward<T>, .backward = backward<T>)
