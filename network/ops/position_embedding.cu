/* Learned position embedding on a GPU; position_embedding.c has the equations. */
#include "network/cuda/pointwise.h"

namespace
{
template <class T> struct AddEmbedding {
    Plane<T> y;
    Plane<const T> x;
    const float *embedding;
    int64_t places, channels;
    template <int N> __device__ void at(int64_t pixel, int64_t c) const
    {
        Lanes<N> v = gpu_load<N>(x.at(pixel, c));
        const Lanes<N> p = gpu_load<N>(embedding + pixel % places * channels + c);
        for (int i = 0; i < N; i++) v.of[i] += p.of[i];
        gpu_store(y.at(pixel, c), v);
    }
};

/* dp of a place: the images in order. */
template <class T> struct SumImages {
    float *sum;
    Plane<const T> g;
    int64_t images, places, channels;
    template <int N> __device__ void at(int64_t place, int64_t c) const
    {
        Lanes<N> total = {};
        for (int64_t n = 0; n < images; n++) {
            const Lanes<N> v = gpu_load<N>(g.at(n * places + place, c));
            for (int i = 0; i < N; i++) total.of[i] += v.of[i];
        }
        gpu_store(sum + place * channels + c, total);
    }
};

GpuShape pixels_of(const Node *node, int64_t rows)
{
    GpuShape s = gpu_pixels_of_node(node);
    s.rows = rows;
    s.dense = false; /* the functors need the pixel */
    return s;
}

template <class T> void forward(Node *node, const Step *)
{
    const Tensor *in = node->in[0], *out = node->out[0];
    const GpuShape s = pixels_of(node, shape_pixels(in->shape));
    gpu_each(s, AddEmbedding<T>{gpu_data<T>(out, s), gpu_data<const T>(in, s), node->param[0],
                                in->shape.h * in->shape.w, in->shape.c});
}

template <class T> void backward(Node *node, const Step *)
{
    const Tensor *in = node->in[0], *out = node->out[0];
    const Shape shape = in->shape;
    GpuShape s = pixels_of(node, shape.h * shape.w);
    gpu_narrow(&s, node->param_grad[0], s.columns);
    if (node->param_grad[0])
        gpu_each(s, SumImages<T>{node->param_grad[0], gpu_grad<const T>(out, s), shape.n, shape.h * shape.w, shape.c});
    if (node->wants_grad[0])
        gpu_move((T *)in->grad, in->pitch, (const T *)out->grad, out->pitch, shape_pixels(shape), shape.c,
                 node->accumulate[0]);
}
} // namespace

GPU_IMPL(position_embedding, .strided_in = 1, .strided_out = 1, .forward = forward<T>, .backward = backward<T>)
