#include "network/ops/onednn.h"

#include <stdio.h>

#include "base/memory.h"
#include "base/simd_level.h"
#include "network/ops/onednn_version.h"

enum { ARG_SRC, ARG_WEIGHTS, ARG_BIAS, ARG_DST, ARG_SCRATCH, ARGS };

/* A copy into another type or layout, or one that adds. */
typedef struct Reorder {
    dnnl_primitive_t primitive;  /* NULL: not needed */
    dnnl_memory_t from, to;
    int64_t offset;              /* packing: floats from the start of the weights to where it reads */
} Reorder;

/* args[i].arg is 0 where the primitive has no such argument. In a backward primitive the slots hold the
 * gradients that it reads or writes in that place. */
struct Dnn {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    dnnl_primitive_t primitive;
    dnnl_exec_arg_t args[ARGS];
    size_t scratch_bytes;      /* the primitive's own, then what follows, each rounded up */
    size_t place[ARGS];        /* in scratch, of arguments that are not the caller's own memory */
    Reorder feed[ARGS];        /* the caller's → scratch, before: activations of another type */
    Reorder drain[ARGS];       /* scratch → the caller's, after: packed gradients of weights, sums */
    Reorder *pack;             /* the weights' pieces → packed */
    int pack_count;            /* 0: the primitive takes them as they are */
    void *packed;
    size_t packed_bytes;
};

/* oneDNN reports by status; what fails here is memory or an unknown shape, never data. */
#define DNN(call)                                                                                  \
    do {                                                                                           \
        const dnnl_status_t status_ = (call);                                                      \
        if (status_ != dnnl_success) return fail(status_, #call, e);                               \
    } while (0)

static int fail(dnnl_status_t status, const char *call, Err *e)
{
    if (status == dnnl_out_of_memory) return err_set(e, ERR_NOMEM, "oneDNN: out of memory");
    return err_set(e, ERR_UNSUPPORTED, "oneDNN refused %.60s (status %d)", call, (int)status);
}

static size_t rounded(size_t bytes) { return (bytes + MEM_ALIGN - 1) / MEM_ALIGN * MEM_ALIGN; }

static dnnl_data_type_t type_of(DType dtype) { return dtype == DTYPE_BF16 ? dnnl_bf16 : dnnl_f32; }

/* ---- descriptors of memory ---- */

/* The descriptors that the making of a primitive needs. A failure stays in status, and what could not be made is NULL:
 * so only descs_check has to be looked at. */
typedef struct Descs {
    Desc *made;
    int count, room;
    dnnl_status_t status;
} Descs;

static void descs_free(Descs *d)
{
    for (int i = 0; i < d->count; i++) version_free_desc(d->made[i]);
    mem_free(d->made);
}

static int descs_check(const Descs *d, Err *e) { return d->status == dnnl_success ? 0 : fail(d->status, "a layout", e); }

/* A place for one more; NULL after a failure. */
static Desc *next_desc(Descs *d)
{
    const size_t size = sizeof *d->made, larger = d->room ? 2 * (size_t)d->room : 16;
    if (d->status != dnnl_success) return NULL;
    if (d->count == d->room) {
        if (mem_grow((void **)&d->made, (size_t)d->room * size, larger * size, NULL)) {
            d->status = dnnl_out_of_memory;
            return NULL;
        }
        d->room = (int)larger;
    }
    return &d->made[d->count];
}

static ConstDesc keep(Descs *d, dnnl_status_t status)
{
    d->status = status;
    return status == dnnl_success ? d->made[d->count++] : NULL;
}

static ConstDesc descs_by_tag(Descs *d, int rank, const dnnl_dims_t dims, dnnl_data_type_t type, dnnl_format_tag_t tag)
{
    Desc *place = next_desc(d);
    return place ? keep(d, version_desc_by_tag(place, rank, dims, type, tag)) : NULL;
}

static ConstDesc descs_by_strides(Descs *d, int rank, const dnnl_dims_t dims, dnnl_data_type_t type,
                                  const dnnl_dims_t strides)
{
    Desc *place = next_desc(d);
    return place ? keep(d, version_desc_by_strides(place, rank, dims, type, strides)) : NULL;
}

static ConstDesc descs_part(Descs *d, ConstDesc whole, const dnnl_dims_t dims, const dnnl_dims_t offsets)
{
    Desc *place = next_desc(d);
    return place ? keep(d, version_desc_part(place, whole, dims, offsets)) : NULL;
}

/* ---- the parts of a primitive ---- */

static int make_attr(dnnl_primitive_attr_t *attr, dnnl_scratchpad_mode_t scratch, bool accumulate, Err *e)
{
    dnnl_post_ops_t ops = NULL;
    DNN(dnnl_primitive_attr_create(attr));
    DNN(dnnl_primitive_attr_set_scratchpad_mode(*attr, scratch));
    if (!accumulate) return 0;
    DNN(dnnl_post_ops_create(&ops));
    dnnl_status_t status = version_append_sum(ops);
    if (status == dnnl_success) status = dnnl_primitive_attr_set_post_ops(*attr, ops);
    dnnl_post_ops_destroy(ops);
    DNN(status);
    return 0;
}

static int make_reorder(const Dnn *d, Reorder *r, ConstDesc from, ConstDesc to,
                        bool accumulate, Err *e)
{
    dnnl_primitive_attr_t attr = NULL;
    dnnl_primitive_desc_t pd = NULL;
    DNN(dnnl_memory_create(&r->from, from, d->engine, DNNL_MEMORY_NONE));
    DNN(dnnl_memory_create(&r->to, to, d->engine, DNNL_MEMORY_NONE));
    const int failed = make_attr(&attr, dnnl_scratchpad_mode_library, accumulate, e); /* it needs none, or a little */
    dnnl_status_t status = dnnl_success;
    if (!failed) status = dnnl_reorder_primitive_desc_create(&pd, from, d->engine, to, d->engine, attr);
    if (!failed && status == dnnl_success) status = dnnl_primitive_create(&r->primitive, pd);
    dnnl_primitive_desc_destroy(pd);
    dnnl_primitive_attr_destroy(attr);
    if (failed) return failed;
    DNN(status);
    return 0;
}

static void free_reorder(Reorder *r)
{
    dnnl_primitive_destroy(r->primitive);
    dnnl_memory_destroy(r->from);
    dnnl_memory_destroy(r->to);
}

/* Gives the argument a place in scratch. */
static void reserve(Dnn *d, int slot, ConstDesc md)
{
    d->place[slot] = d->scratch_bytes;
    d->scratch_bytes += rounded(dnnl_memory_desc_get_size(md));
}

/* An argument that the caller has as `own`: if the primitive wants it otherwise, it goes through scratch. */
static int make_argument(Dnn *d, int slot, int arg, ConstDesc md, ConstDesc own,
                         bool is_input, bool accumulate, Err *e)
{
    d->args[slot].arg = arg;
    DNN(dnnl_memory_create(&d->args[slot].memory, md, d->engine, DNNL_MEMORY_NONE));
    if (!accumulate && dnnl_memory_desc_equal(md, own)) return 0;
    reserve(d, slot, md);
    return is_input ? make_reorder(d, &d->feed[slot], own, md, false, e)
                    : make_reorder(d, &d->drain[slot], md, own, accumulate, e);
}

/* How weights come: the descriptor of a piece, and which piece is which. */
typedef struct WeightLayout {
    ConstDesc plain;
    PairYX turned;             /* a kernel's size: a piece for each of its taps, turned by 180°; 0: one piece */
    dnnl_dims_t dims;          /* of a piece, where there are several */
} WeightLayout;

/* Where the weights' packed copy lies, and what fills it. */
static int make_packing(Dnn *d, Descs *descs, const WeightLayout *own, ConstDesc wanted, Err *e)
{
    const int width = (int)own->turned.x, taps = (int)own->turned.y * width, pieces = taps ? taps : 1;
    if (!taps && dnnl_memory_desc_equal(own->plain, wanted)) return 0;
    d->packed_bytes = dnnl_memory_desc_get_size(wanted);
    d->packed = mem_zalloc(1, d->packed_bytes, e);
    d->pack = mem_zalloc((size_t)pieces, sizeof *d->pack, e);
    if (!d->packed || !d->pack) return ERR_NOMEM;
    DNN(dnnl_memory_set_data_handle(d->args[ARG_WEIGHTS].memory, d->packed));
    for (int tap = 0; tap < pieces; tap++) {
        Reorder *r = &d->pack[d->pack_count++];
        ConstDesc piece = wanted;
        if (taps) {
            const dnnl_dims_t place = {0, 0, tap / width, tap % width};
            piece = descs_part(descs, wanted, own->dims, place);
            r->offset = taps - 1 - tap;
        }
        TRY(descs_check(descs, e));
        TRY(make_reorder(d, r, own->plain, piece, false, e));
        DNN(dnnl_memory_set_data_handle(r->to, d->packed));
    }
    return 0;
}

/* What the slots of a primitive are called. */
typedef struct Slots {
    int src, weights, bias, dst;
    dnnl_query_t src_md, weights_md, dst_md;
    bool src_is_input, weights_are_input, dst_is_input;
} Slots;

static const Slots forward_slots = {DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_BIAS, DNNL_ARG_DST,
                                    dnnl_query_src_md, dnnl_query_weights_md, dnnl_query_dst_md, true, true, false};
static const Slots data_slots = {DNNL_ARG_DIFF_SRC, DNNL_ARG_WEIGHTS, 0, DNNL_ARG_DIFF_DST,
                                 dnnl_query_diff_src_md, dnnl_query_weights_md, dnnl_query_diff_dst_md, false, true, true};
static const Slots weights_slots = {DNNL_ARG_SRC, DNNL_ARG_DIFF_WEIGHTS, DNNL_ARG_DIFF_BIAS, DNNL_ARG_DIFF_DST,
                                    dnnl_query_src_md, dnnl_query_diff_weights_md, dnnl_query_diff_dst_md,
                                    true, false, true};

/* A primitive to be, and how the caller has its arguments. */
typedef struct PrimitiveDef {
    PrimitiveArgs args;            /* as the primitive takes them */
    const Slots *slots;
    ConstDesc src, dst;
    WeightLayout weights;
    bool packs, bias;              /* packs: the weights are packed once */
    bool accumulate;               /* the result is added */
    bool can_accumulate;           /* … by the primitive itself */
} PrimitiveDef;

static int fill(Dnn *d, Descs *descs, dnnl_primitive_desc_t pd, const PrimitiveDef *p, Err *e)
{
    const Slots *s = p->slots;
    const bool through = p->accumulate && !p->can_accumulate;
    ConstDesc weights = dnnl_primitive_desc_query_md(pd, s->weights_md, 0);
    ConstDesc scratch = dnnl_primitive_desc_query_md(pd, dnnl_query_scratchpad_md, 0);
    DNN(dnnl_primitive_create(&d->primitive, pd));
    d->args[ARG_SCRATCH].arg = DNNL_ARG_SCRATCHPAD;
    DNN(dnnl_memory_create(&d->args[ARG_SCRATCH].memory, scratch, d->engine, DNNL_MEMORY_NONE));
    reserve(d, ARG_SCRATCH, scratch);
    TRY(make_argument(d, ARG_SRC, s->src, dnnl_primitive_desc_query_md(pd, s->src_md, 0), p->src, s->src_is_input,
                      through && !s->src_is_input, e));
    TRY(make_argument(d, ARG_DST, s->dst, dnnl_primitive_desc_query_md(pd, s->dst_md, 0), p->dst, s->dst_is_input,
                      through && !s->dst_is_input, e));
    TRY(make_argument(d, ARG_WEIGHTS, s->weights, weights, p->packs ? weights : p->weights.plain,
                      s->weights_are_input, false, e));
    if (p->bias) {
        ConstDesc bias = dnnl_primitive_desc_query_md(pd, s->weights_md, 1);
        TRY(make_argument(d, ARG_BIAS, s->bias, bias, bias, true, false, e));
    }
    return p->packs ? make_packing(d, descs, &p->weights, weights, e) : 0;
}

/* oneDNN uses no instructions beyond the limit of our own code. It takes the limit before it makes its first primitive,
 * and refuses it later: then it has it already. */
static void limit_instructions(void)
{
    static const dnnl_cpu_isa_t isa[SIMD_LEVELS] = {
        [SIMD_PORTABLE] = dnnl_cpu_isa_sse41, [SIMD_AVX2] = dnnl_cpu_isa_avx2,
        [SIMD_AVX512] = dnnl_cpu_isa_avx512_core, [SIMD_AVX512_BF16] = dnnl_cpu_isa_all};
    SimdLevel limit;
    if (simd_level_limit(&limit)) dnnl_set_max_cpu_isa(isa[limit]);
}

static int begin(Dnn **d, Err *e)
{
    limit_instructions();
    *d = mem_zalloc(1, sizeof **d, e);
    if (!*d) return ERR_NOMEM;
    DNN(dnnl_engine_create(&(*d)->engine, dnnl_cpu, 0));
    DNN(dnnl_stream_create(&(*d)->stream, (*d)->engine, dnnl_stream_default_flags));
    return 0;
}

/* A backward primitive asks for the descriptor of the forward one. */
static int make_primitive(Dnn *d, Descs *descs, const PrimitiveDef *p, const PrimitiveArgs *forward, Err *e)
{
    dnnl_primitive_attr_t attr = NULL;
    dnnl_primitive_desc_t hint = NULL, pd = NULL;
    dnnl_status_t status = dnnl_success;
    int failed = make_attr(&attr, dnnl_scratchpad_mode_user, p->accumulate && p->can_accumulate, e);
    if (!failed && forward) status = version_primitive_desc(&hint, d->engine, forward, NULL, NULL);
    if (!failed && status == dnnl_success) status = version_primitive_desc(&pd, d->engine, &p->args, attr, hint);
    if (!failed) failed = status == dnnl_success ? fill(d, descs, pd, p, e) : fail(status, "the primitive", e);
    dnnl_primitive_desc_destroy(pd);
    dnnl_primitive_desc_destroy(hint);
    dnnl_primitive_attr_destroy(attr);
    return failed;
}

/* Gives back the descriptors, which a primitive does not need once it is made. */
static int complete(Dnn **d, Descs *descs, const PrimitiveDef *p, const PrimitiveArgs *forward, Err *e)
{
    int failed = descs_check(descs, e);
    *d = NULL;
    if (!failed) failed = begin(d, e);
    if (!failed) failed = make_primitive(*d, descs, p, forward, e);
    if (failed) {
        dnn_free(*d);
        *d = NULL;
    }
    descs_free(descs);
    return failed;
}

/* ---- convolutions ---- */

static ConstDesc describe_image(Descs *d, Shape s, DType dtype)
{
    const dnnl_dims_t dims = {s.n, s.c, s.h, s.w};
    return descs_by_tag(d, 4, dims, type_of(dtype), dnnl_nhwc);
}

/* A convolution's dimensions, as oneDNN counts them. */
typedef struct ConvDims {
    dnnl_dims_t strides, padding;
} ConvDims;

/* The images and weights as the caller has them; args: the forward primitive's. What it computes with may have another
 * type than the images: float32 results cost a forward primitive nothing. */
static void describe_conv(PrimitiveDef *p, ConvDims *dims, Descs *descs, const DnnConv *c)
{
    const Conv *conv = &c->attr.conv;
    const dnnl_dims_t weights = {c->out.c, c->in.c, conv->kernel.y, conv->kernel.x}, bias = {c->out.c};
    *dims = (ConvDims){{conv->stride.y, conv->stride.x}, {conv->padding.y, conv->padding.x}};
    p->src = describe_image(descs, c->in, c->in_dtype);
    p->dst = describe_image(descs, c->out, c->out_dtype);
    p->weights.plain = descs_by_tag(descs, 4, weights, dnnl_f32, c->attr.transposed ? dnnl_iohw : dnnl_oihw);
    p->args = (PrimitiveArgs){
        .kind = PRIMITIVE_CONV_FORWARD, .transposed = c->attr.transposed, .strides = dims->strides, .padding = dims->padding,
        .src = describe_image(descs, c->in, c->dtype), .dst = describe_image(descs, c->out, c->dtype),
        .weights = descs_by_tag(descs, 4, weights, type_of(c->dtype), dnnl_format_tag_any),
        .bias = conv->bias ? descs_by_tag(descs, 1, bias, dnnl_f32, dnnl_x) : NULL};
}

int dnn_conv_forward(Dnn **d, const DnnConv *c, Err *e)
{
    ConvDims dims;
    Descs descs = {0};
    PrimitiveDef p = {.slots = &forward_slots, .packs = true, .bias = c->attr.conv.bias};
    describe_conv(&p, &dims, &descs, c);
    p.args.dst = p.dst;
    return complete(d, &descs, &p, NULL, e);
}

/* Gradients of a convolution of stride 1 that keeps the size are a forward convolution of dy with weights turned
 * by 180°, inputs and outputs exchanged: seen to be 1.2 times as fast as the backward primitive, and it adds. */
static int make_turned(Dnn **d, const DnnConv *c, bool accumulate, Err *e)
{
    const Conv conv = {.kernel = c->attr.conv.kernel, .stride = {1, 1}, .padding = c->attr.conv.padding};
    const DnnConv turned = {.attr = {.conv = conv}, .in = c->out, .out = c->in, .dtype = c->dtype,
                            .in_dtype = c->out_dtype, .out_dtype = c->in_dtype};
    const int64_t taps = conv.kernel.y * conv.kernel.x;
    const dnnl_dims_t tap = {c->in.c, c->out.c, 1, 1}, strides = {taps, c->in.c * taps, conv.kernel.x, 1};
    ConvDims dims;
    Descs descs = {0};
    PrimitiveDef p = {.slots = &forward_slots, .packs = true, .accumulate = accumulate, .can_accumulate = true};
    describe_conv(&p, &dims, &descs, &turned);
    p.args.dst = p.dst;
    p.weights = (WeightLayout){.plain = descs_by_strides(&descs, 4, tap, dnnl_f32, strides), .turned = conv.kernel,
                               .dims = {c->in.c, c->out.c, 1, 1}};
    return complete(d, &descs, &p, NULL, e);
}

static bool keeps_size(const Conv *c)
{
    return c->stride.y == 1 && c->stride.x == 1 && c->kernel.y == 2 * c->padding.y + 1 &&
           c->kernel.x == 2 * c->padding.x + 1;
}

int dnn_conv_backward_data(Dnn **d, const DnnConv *c, bool accumulate, Err *e)
{
    ConvDims dims;
    Descs descs = {0};
    PrimitiveDef p = {.slots = &data_slots, .packs = true, .accumulate = accumulate};
    if (!c->attr.transposed && keeps_size(&c->attr.conv)) return make_turned(d, c, accumulate, e);
    describe_conv(&p, &dims, &descs, c);
    const PrimitiveArgs forward = p.args;
    p.args.kind = PRIMITIVE_CONV_BACKWARD_DATA;
    return complete(d, &descs, &p, &forward, e);
}

int dnn_conv_backward_weights(Dnn **d, const DnnConv *c, Err *e)
{
    const Conv *conv = &c->attr.conv;
    const dnnl_dims_t weights = {c->out.c, c->in.c, conv->kernel.y, conv->kernel.x};
    ConvDims dims;
    Descs descs = {0};
    PrimitiveDef p = {.slots = &weights_slots, .bias = conv->bias};
    describe_conv(&p, &dims, &descs, c);
    const PrimitiveArgs forward = p.args;
    p.args.kind = PRIMITIVE_CONV_BACKWARD_WEIGHTS;
    p.args.weights = descs_by_tag(&descs, 4, weights, dnnl_f32, dnnl_format_tag_any);
    return complete(d, &descs, &p, &forward, e);
}

/* ---- matrix products ---- */

/* A matrix of the caller's as a product of another type takes it: a dense copy. */
static ConstDesc taken_matrix(Descs *d, ConstDesc own, const dnnl_dims_t dims, const int64_t strides[2], DType own_type,
                              DType type)
{
    return own_type == type ? own : descs_by_tag(d, 2, dims, type_of(type), strides[1] == 1 ? dnnl_ab : dnnl_ba);
}

/* One product for each piece of the depth. */
static int make_pieces(Dnn **d, const DnnProduct *m, Err *e)
{
    Descs descs = {0};
    PrimitiveDef p = {.slots = &forward_slots};
    const int64_t pieces = m->pieces, depth = m->depth / pieces;
    const dnnl_dims_t a_dims = {pieces, m->rows, depth}, b_dims = {pieces, depth, m->columns};
    const dnnl_dims_t c_dims = {pieces, m->rows, m->columns};
    const dnnl_dims_t a_strides = {depth * m->a_strides[1], m->a_strides[0], m->a_strides[1]};
    const dnnl_dims_t b_strides = {depth * m->b_strides[0], m->b_strides[0], m->b_strides[1]};
    const dnnl_dims_t c_strides = {m->rows * m->c_pitch, m->c_pitch, 1};
    p.src = descs_by_strides(&descs, 3, a_dims, type_of(m->dtype), a_strides);
    p.weights.plain = descs_by_strides(&descs, 3, b_dims, type_of(m->dtype), b_strides);
    p.dst = descs_by_strides(&descs, 3, c_dims, dnnl_f32, c_strides);
    p.args = (PrimitiveArgs){.kind = PRIMITIVE_MATMUL, .src = p.src, .weights = p.weights.plain, .dst = p.dst};
    return complete(d, &descs, &p, NULL, e);
}

int dnn_product(Dnn **d, const DnnProduct *m, Err *e)
{
    Descs descs = {0};
    PrimitiveDef p = {.slots = &forward_slots, .packs = m->weights, .bias = m->bias, .accumulate = m->accumulate,
                      .can_accumulate = true};
    const DType b_type = m->weights ? DTYPE_F32 : m->b_dtype;
    if (m->pieces > 1) return make_pieces(d, m, e);
    const dnnl_dims_t a_dims = {m->rows, m->depth}, b_dims = {m->depth, m->columns}, c_dims = {m->rows, m->columns};
    const dnnl_dims_t c_strides = {m->c_pitch, 1}, bias_dims = {1, m->columns};
    const dnnl_dims_t a_strides = {m->a_strides[0], m->a_strides[1]}, b_strides = {m->b_strides[0], m->b_strides[1]};
    p.src = descs_by_strides(&descs, 2, a_dims, type_of(m->a_dtype), a_strides);
    p.weights.plain = descs_by_strides(&descs, 2, b_dims, type_of(b_type), b_strides);
    p.dst = descs_by_strides(&descs, 2, c_dims, type_of(m->c_dtype), c_strides);
    p.args = (PrimitiveArgs){
        .kind = PRIMITIVE_MATMUL, .src = taken_matrix(&descs, p.src, a_dims, m->a_strides, m->a_dtype, m->dtype),
        .weights = m->weights ? descs_by_tag(&descs, 2, b_dims, type_of(m->dtype), dnnl_format_tag_any)
                              : taken_matrix(&descs, p.weights.plain, b_dims, m->b_strides, b_type, m->dtype),
        .bias = m->bias ? descs_by_tag(&descs, 2, bias_dims, dnnl_f32, dnnl_ab) : NULL, .dst = p.dst};
    return complete(d, &descs, &p, NULL, e);
}

/* ---- running ---- */

void dnn_free(Dnn *d)
{
    if (!d) return;
    for (int i = 0; i < ARGS; i++) {
        dnnl_memory_destroy(d->args[i].memory);
        free_reorder(&d->feed[i]);
        free_reorder(&d->drain[i]);
    }
    for (int i = 0; i < d->pack_count; i++) free_reorder(&d->pack[i]);
    dnnl_primitive_destroy(d->primitive);
    dnnl_stream_destroy(d->stream);
    dnnl_engine_destroy(d->engine);
    mem_free(d->pack);
    mem_free(d->packed);
    mem_free(d);
}

void dnn_version(char text[DNN_VERSION_BYTES])
{
    const dnnl_version_t *v = dnnl_version();
    snprintf(text, DNN_VERSION_BYTES, "oneDNN %d.%d.%d", v->major, v->minor, v->patch);
}

size_t dnn_scratch_bytes(const Dnn *d) { return d->scratch_bytes; }
size_t dnn_packed_bytes(const Dnn *d) { return d ? d->packed_bytes : 0; }

/* Running keeps the first failure in e; after that nothing runs. */
static void note(dnnl_status_t status, const char *what, Err *e)
{
    if (status != dnnl_success && !e->code) fail(status, what, e);
}

static void set_data(dnnl_memory_t memory, const void *data, Err *e)
{
    note(dnnl_memory_set_data_handle(memory, (void *)data), "an argument", e);
}

static void run_primitive(const Dnn *d, dnnl_primitive_t primitive, int count, const dnnl_exec_arg_t *args, Err *e)
{
    if (!e->code) note(dnnl_primitive_execute(primitive, d->stream, count, args), "to run", e);
}

static void run_reorder(const Dnn *d, const Reorder *r, Err *e)
{
    const dnnl_exec_arg_t args[] = {{DNNL_ARG_FROM, r->from}, {DNNL_ARG_TO, r->to}};
    run_primitive(d, r->primitive, 2, args, e);
}

void dnn_pack(Dnn *d, const float *weights, Err *e)
{
    if (!d->pack_count) set_data(d->args[ARG_WEIGHTS].memory, weights, e);
    for (int i = 0; i < d->pack_count; i++) {
        set_data(d->pack[i].from, weights + d->pack[i].offset, e);
        run_reorder(d, &d->pack[i], e);
    }
    note(dnnl_stream_wait(d->stream), "to finish", e);
}

/* Binds an argument to the caller's memory, or to its place in scratch. */
static void bind(Dnn *d, int slot, const void *data, char *scratch, Err *e)
{
    const bool feeds = d->feed[slot].primitive, drains = d->drain[slot].primitive;
    if (!d->args[slot].arg) return;
    if (!feeds && !drains) {
        set_data(d->args[slot].memory, data, e);
        return;
    }
    const void *own = scratch + d->place[slot];
    set_data(d->args[slot].memory, own, e);
    if (feeds) {
        set_data(d->feed[slot].from, data, e);
        set_data(d->feed[slot].to, own, e);
        run_reorder(d, &d->feed[slot], e);
    } else {
        set_data(d->drain[slot].from, own, e);
        set_data(d->drain[slot].to, data, e);
    }
}

static void execute(Dnn *d, void *scratch, Err *e)
{
    dnnl_exec_arg_t args[ARGS];
    int count = 0;
    set_data(d->args[ARG_SCRATCH].memory, (char *)scratch + d->place[ARG_SCRATCH], e);
    for (int i = 0; i < ARGS; i++)
        if (d->args[i].arg) args[count++] = d->args[i];
    run_primitive(d, d->primitive, count, args, e);
    for (int i = 0; i < ARGS; i++)
        if (d->drain[i].primitive) run_reorder(d, &d->drain[i], e);
    note(dnnl_stream_wait(d->stream), "to finish", e);
}

void dnn_run_forward(Dnn *d, const void *x, const float *bias, void *y, void *scratch, Err *e)
{
    dnn_run_product(d, x, NULL, bias, y, scratch, e);
}

void dnn_run_product(Dnn *d, const void *a, const void *b, const float *bias, void *c, void *scratch, Err *e)
{
    bind(d, ARG_SRC, a, scratch, e);
    if (b) bind(d, ARG_WEIGHTS, b, scratch, e);
    bind(d, ARG_BIAS, bias, scratch, e);
    bind(d, ARG_DST, c, scratch, e);
    execute(d, scratch, e);
}

/* A turned convolution reads dy as its source. */
void dnn_run_backward_data(Dnn *d, const void *dy, void *dx, void *scratch, Err *e)
{
    const bool turned = d->args[ARG_SRC].arg == DNNL_ARG_SRC;
    bind(d, ARG_SRC, turned ? dy : dx, scratch, e);
    bind(d, ARG_DST, turned ? dx : dy, scratch, e);
    execute(d, scratch, e);
}

void dnn_run_backward_weights(Dnn *d, const void *x, const void *dy, float *dw, float *db, void *scratch, Err *e)
{
    bind(d, ARG_SRC, x, scratch, e);
    bind(d, ARG_DST, dy, scratch, e);
    bind(d, ARG_WEIGHTS, dw, scratch, e);
    bind(d, ARG_BIAS, db, scratch, e);
    execute(d, scratch, e);
}
