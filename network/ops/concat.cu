/* Concatenation along channels on a GPU; parts that are in their place are not copied (concat.c). */
#include "network/cuda/pointwise.h"

namespace
{
template <class T> void forward(Node *node, const Step *)
{
    const Tensor *out = node->out[0];
    T *place = (T *)out->data;
    for (int i = 0; i < node->input_count; i++) {
        const Tensor *in = node->in[i];
        gpu_move(place, out->pitch, (const T *)in->data, in->pitch, shape_pixels(in->shape), in->shape.c, false);
        place += in->shape.c;
    }
}

template <class T> void backward(Node *node, const Step *)
{
    const Tensor *out = node->out[0];
    const T *place = (const T *)out->grad;
    for (int i = 0; i < node->input_count; i++) {
        const Tensor *in = node->in[i];
        if (node->wants_grad[i])
            gpu_move((T *)in->grad, in->pitch, place, out->pitch, shape_pixels(in->shape), in->shape.c,
                     node->accumulate[i]);
        place += in->shape.c;
    }
}
} // namespace

GPU_IMPL(concat, .strided_in = 3, .strided_out = 1, .forward = forward<T>, .backward = backward<T>)
