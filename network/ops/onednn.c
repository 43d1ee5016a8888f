#include "network/ops/onednn.h"

#include "base/simd_level.h"
#include "network/ops/onednn_primitive.h"

/* ---- convolutions ---- */

typedef enum Pass { PASS_FORWARD, PASS_DATA, PASS_WEIGHTS } Pass;

static bool keeps_size(const Conv *c)
{
    return c->stride.y == 1 && c->stride.x == 1 && c->kernel.y == 2 * c->padding.y + 1 &&
           c->kernel.x == 2 * c->padding.x + 1;
}

static bool is_avx2(const DnnConv *c) { return simd_level() == SIMD_AVX2 && c->dtype == DTYPE_F32; }

/* Whether the forward pass and the gradient of the data would use oneDNN 2's kernels for AVX2, which compute 8 channels
 * at a time in both images. Those of oneDNN 3 have none of the weaknesses below. */
static bool has_old_kernels(const DnnConv *c)
{
    return DNNL_VERSION_MAJOR < 3 && is_avx2(c) && c->in.c % 8 == 0 && c->out.c % 8 == 0;
}

/* Whether the images are copied to the layout that the primitive prefers, which has blocks of 8 channels with AVX2. In
 * place, the gradient of the weights is up to 3 times as slow. The old kernels of the other passes are slower in place
 * on some CPUs (28 instead of 49 GFLOP/s on Zen 3) and as fast on others. The copies take 1 to 8 % of the time with 9
 * taps or more; with fewer taps they take more than they save. */
static bool is_blocked(const DnnConv *c, Pass pass)
{
    enum { MANY = 9 };
    const int64_t taps = c->attr.conv.kernel.y * c->attr.conv.kernel.x;
    return pass == PASS_WEIGHTS ? is_avx2(c) && taps > 1 : has_old_kernels(c) && taps >= MANY;
}

/* Whether a primitive of the other direction computes the pass, with the weights rotated by 180°. This is possible for a
 * convolution of stride 1 that keeps the image size. The forward primitive was measured to be 1.2 times as fast as that
 * of the gradient of the data, and it can add to its destination. But the old kernels with AVX2 write 32 channels at a
 * time in the forward primitive, and a rest at half the speed: then the other one is up to 1.25 times as fast. */
static bool is_turned(const DnnConv *c, Pass pass)
{
    enum { AT_ONCE = 32 };
    const int64_t taps = c->attr.conv.kernel.y * c->attr.conv.kernel.x,
                  written = pass == PASS_FORWARD ? c->out.c : c->in.c;
    const bool has_rest = taps > 1 && has_old_kernels(c) && written % AT_ONCE;
    return !c->attr.transposed && keeps_size(&c->attr.conv) && (pass == PASS_FORWARD ? has_rest : !has_rest);
}

static ConstDesc describe_image(Descs *d, Shape s, DType dtype, dnnl_format_tag_t tag)
{
    const dnnl_dims_t dims = {s.n, s.c, s.h, s.w};
    return descs_by_tag(d, 4, dims, dnn_type(dtype), tag);
}

/* Strides and padding of a convolution, as oneDNN's type. */
typedef struct ConvDims {
    dnnl_dims_t strides, padding;
} ConvDims;

/* Describes images and weights in the caller's memory, and the arguments of the forward primitive. The primitive may
 * compute in another type than that of the images. */
static void describe_conv(PrimitiveDef *p, ConvDims *dims, Descs *descs, const DnnConv *c, bool blocked)
{
    const Conv *conv = &c->attr.conv;
    const dnnl_dims_t weights = {c->out.c, c->in.c, conv->kernel.y, conv->kernel.x}, bias = {c->out.c};
    const dnnl_format_tag_t tag = blocked ? dnnl_format_tag_any : dnnl_nhwc;
    *dims = (ConvDims){{conv->stride.y, conv->stride.x}, {conv->padding.y, conv->padding.x}};
    p->src = describe_image(descs, c->in, c->in_dtype, dnnl_nhwc);
    p->dst = describe_image(descs, c->out, c->out_dtype, dnnl_nhwc);
    p->weights.plain = descs_by_tag(descs, 4, weights, dnnl_f32, c->attr.transposed ? dnnl_iohw : dnnl_oihw);
    p->args = (PrimitiveArgs){.kind = PRIMITIVE_CONV_FORWARD,
                              .transposed = c->attr.transposed,
                              .strides = dims->strides,
                              .padding = dims->padding,
                              .src = describe_image(descs, c->in, c->dtype, tag),
                              .dst = describe_image(descs, c->out, c->dtype, tag),
                              .weights = descs_by_tag(descs, 4, weights, dnn_type(c->dtype), dnnl_format_tag_any),
                              .bias = conv->bias ? descs_by_tag(descs, 1, bias, dnnl_f32, dnnl_x) : NULL};
}

/* Describes one tap of the weights, to be packed rotated by 180°: as (out, in), or as (in, out) for the gradient of the
 * data. */
static void describe_taps(PrimitiveDef *p, Descs *descs, const DnnConv *c, Pass pass)
{
    const int64_t width = c->attr.conv.kernel.x, taps = c->attr.conv.kernel.y * width, in = c->in.c, out = c->out.c;
    const int64_t of_out = in * taps;
    const bool forward = pass == PASS_FORWARD;
    const dnnl_dims_t strides = {forward ? of_out : taps, forward ? taps : of_out, width, 1};
    p->weights = (WeightLayout){.turned = c->attr.conv.kernel, .dims = {forward ? out : in, forward ? in : out, 1, 1}};
    p->weights.plain = descs_by_strides(descs, 4, p->weights.dims, dnnl_f32, strides);
}

/* A forward primitive that writes in place can write float32 at no cost. */
int dnn_conv_forward(Dnn **d, const DnnConv *c, Err *e)
{
    const bool blocked = is_blocked(c, PASS_FORWARD), turned = is_turned(c, PASS_FORWARD);
    ConvDims dims;
    Descs descs = {0};
    PrimitiveDef p = {.slots = &dnn_forward_slots, .packs = true, .bias = c->attr.conv.bias};
    describe_conv(&p, &dims, &descs, c, blocked);
    if (turned) {
        p.args.transposed = true;
        describe_taps(&p, &descs, c, PASS_FORWARD);
    }
    if (!blocked) p.args.dst = p.dst;
    return dnn_complete(d, &descs, &p, NULL, e);
}

/* The gradient of the input as a forward convolution of dy. */
static int make_turned(Dnn **d, const DnnConv *c, bool accumulate, Err *e)
{
    const bool blocked = is_blocked(c, PASS_DATA);
    const Conv conv = {.kernel = c->attr.conv.kernel, .stride = {1, 1}, .padding = c->attr.conv.padding};
    const DnnConv turned = {.attr = {.conv = conv},
                            .in = c->out,
                            .out = c->in,
                            .dtype = c->dtype,
                            .in_dtype = c->out_dtype,
                            .out_dtype = c->in_dtype};
    ConvDims dims;
    Descs descs = {0};
    PrimitiveDef p = {.slots = &dnn_forward_slots, .packs = true, .accumulate = accumulate, .can_accumulate = !blocked};
    describe_conv(&p, &dims, &descs, &turned, blocked);
    describe_taps(&p, &descs, c, PASS_DATA);
    if (!blocked) p.args.dst = p.dst;
    return dnn_complete(d, &descs, &p, NULL, e);
}

int dnn_conv_backward_data(Dnn **d, const DnnConv *c, bool accumulate, Err *e)
{
    ConvDims dims;
    Descs descs = {0};
    PrimitiveDef p = {.slots = &dnn_data_slots, .packs = true, .accumulate = accumulate};
    if (is_turned(c, PASS_DATA)) return make_turned(d, c, accumulate, e);
    describe_conv(&p, &dims, &descs, c, is_blocked(c, PASS_DATA));
    const PrimitiveArgs forward = p.args;
    p.args.kind = PRIMITIVE_CONV_BACKWARD_DATA;
    return dnn_complete(d, &descs, &p, &forward, e);
}

int dnn_conv_backward_weights(Dnn **d, const DnnConv *c, Err *e)
{
    const Conv *conv = &c->attr.conv;
    const dnnl_dims_t weights = {c->out.c, c->in.c, conv->kernel.y, conv->kernel.x};
    ConvDims dims;
    Descs descs = {0};
    PrimitiveDef p = {.slots = &dnn_weights_slots, .bias = conv->bias};
    describe_conv(&p, &dims, &descs, c, is_blocked(c, PASS_WEIGHTS));
    const PrimitiveArgs forward = p.args;
    p.args.kind = PRIMITIVE_CONV_BACKWARD_WEIGHTS;
    p.args.weights = descs_by_tag(&descs, 4, weights, dnnl_f32, dnnl_format_tag_any);
    return dnn_complete(d, &descs, &p, &forward, e);
}

/* ---- matrix products ---- */

/* The descriptor of a matrix as the product reads it: the caller's, or a dense copy if the product has another type. */
static ConstDesc taken_matrix(Descs *d, ConstDesc own, const dnnl_dims_t dims, const int64_t strides[2], DType own_type,
                              DType type)
{
    return own_type == type ? own : descs_by_tag(d, 2, dims, dnn_type(type), strides[1] == 1 ? dnnl_ab : dnnl_ba);
}

/* A batch of products, one for each piece of the depth. */
static int make_pieces(Dnn **d, const DnnProduct *m, Err *e)
{
    Descs descs = {0};
    PrimitiveDef p = {.slots = &dnn_forward_slots};
    const int64_t pieces = m->pieces, depth = m->depth / pieces;
    const dnnl_dims_t a_dims = {pieces, m->rows, depth}, b_dims = {pieces, depth, m->columns};
    const dnnl_dims_t c_dims = {pieces, m->rows, m->columns};
    const dnnl_dims_t a_strides = {depth * m->a_strides[1], m->a_strides[0], m->a_strides[1]};
    const dnnl_dims_t b_strides = {depth * m->b_strides[0], m->b_strides[0], m->b_strides[1]};
    const dnnl_dims_t c_strides = {m->rows * m->c_pitch, m->c_pitch, 1};
    p.src = descs_by_strides(&descs, 3, a_dims, dnn_type(m->dtype), a_strides);
    p.weights.plain = descs_by_strides(&descs, 3, b_dims, dnn_type(m->dtype), b_strides);
    p.dst = descs_by_strides(&descs, 3, c_dims, dnnl_f32, c_strides);
    p.args = (PrimitiveArgs){.kind = PRIMITIVE_MATMUL, .src = p.src, .weights = p.weights.plain, .dst = p.dst};
    return dnn_complete(d, &descs, &p, NULL, e);
}

int dnn_product(Dnn **d, const DnnProduct *m, Err *e)
{
    const bool overwrites = DNNL_VERSION_MAJOR == 2 && DNNL_VERSION_MINOR < 6 && m->dtype == DTYPE_BF16;
    if (overwrites) return err_set(e, ERR_UNSUPPORTED, "oneDNN 2.5 writes into the gaps between rows of bfloat16");
    if (m->rows > INT32_MAX) /* oneDNN would divide by zero */
        return err_set(e, ERR_SHAPE, "%lld pixels in a batch: expected at most 2^31 - 1; give a smaller batch or patch",
                       (long long)m->rows);
    Descs descs = {0};
    PrimitiveDef p = {.slots = &dnn_forward_slots,
                      .packs = m->weights,
                      .bias = m->bias,
                      .accumulate = m->accumulate,
                      .can_accumulate = true};
    const DType b_type = m->weights ? DTYPE_F32 : m->b_dtype;
    if (m->pieces > 1) return make_pieces(d, m, e);
    const dnnl_dims_t a_dims = {m->rows, m->depth}, b_dims = {m->depth, m->columns}, c_dims = {m->rows, m->columns};
    const dnnl_dims_t c_strides = {m->c_pitch, 1}, bias_dims = {1, m->columns};
    const dnnl_dims_t a_strides = {m->a_strides[0], m->a_strides[1]}, b_strides = {m->b_strides[0], m->b_strides[1]};
    p.src = descs_by_strides(&descs, 2, a_dims, dnn_type(m->a_dtype), a_strides);
    p.weights.plain = descs_by_strides(&descs, 2, b_dims, dnn_type(b_type), b_strides);
    p.dst = descs_by_strides(&descs, 2, c_dims, dnn_type(m->c_dtype), c_strides);
    p.args = (PrimitiveArgs){
        .kind = PRIMITIVE_MATMUL,
        .src = taken_matrix(&descs, p.src, a_dims, m->a_strides, m->a_dtype, m->dtype),
        .weights = m->weights ? descs_by_tag(&descs, 2, b_dims, dnn_type(m->dtype), dnnl_format_tag_any)
                              : taken_matrix(&descs, p.weights.plain, b_dims, m->b_strides, b_type, m->dtype),
        .bias = m->bias ? descs_by_tag(&descs, 2, bias_dims, dnnl_f32, dnnl_ab) : NULL,
        .dst = p.dst};
    return dnn_complete(d, &descs, &p, NULL, e);
}
