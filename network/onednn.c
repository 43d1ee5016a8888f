#include "network/onednn.h"

#include <dnnl.h>
#include <string.h>

#include "base/memory.h"

enum { ARG_SRC, ARG_WEIGHTS, ARG_BIAS, ARG_DST, ARG_SCRATCH, ARGS };

/* args[i].arg is 0 where the primitive has no such argument. In a backward primitive the slots hold the
 * gradients that it reads or writes in that place. */
struct Dnn {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    dnnl_primitive_t primitive;
    dnnl_exec_arg_t args[ARGS];
    size_t scratch_bytes;      /* the primitive's own, rounded up, plus the packed weight gradient's */
    size_t primitive_scratch;
    dnnl_memory_t plain;       /* weights in PyTorch's layout */
    dnnl_primitive_t reorder;  /* plain → packed (or back, for weight gradients); NULL: same layout */
    size_t packed_bytes;
    void *packed;              /* owned; NULL where the reorder is not needed or the scratch serves */
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

static int describe_nhwc(dnnl_memory_desc_t *md, Shape s, Err *e)
{
    const dnnl_dims_t dims = {s.n, s.c, s.h, s.w};
    DNN(dnnl_memory_desc_init_by_tag(md, 4, dims, dnnl_f32, dnnl_nhwc));
    return 0;
}

/* The weight's extents in the logical order of the primitive (out, in, k, k), as PyTorch lays them out or any. */
static int describe_conv_weights(dnnl_memory_desc_t *md, const DnnConv *c, bool any, Err *e)
{
    const dnnl_dims_t dims = {c->out.c, c->in.c, c->kernel, c->kernel};
    const dnnl_format_tag_t plain = c->transposed ? dnnl_iohw : dnnl_oihw;
    DNN(dnnl_memory_desc_init_by_tag(md, 4, dims, dnnl_f32, any ? dnnl_format_tag_any : plain));
    return 0;
}

static int make_argument(Dnn *d, int slot, int arg, const dnnl_memory_desc_t *md, Err *e)
{
    d->args[slot].arg = arg;
    DNN(dnnl_memory_create(&d->args[slot].memory, md, d->engine, DNNL_MEMORY_NONE));
    return 0;
}

/* Where the primitive wants another layout than PyTorch's: a reorder and a place for the packed weights. */
static int make_packing(Dnn *d, const dnnl_memory_desc_t *plain, const dnnl_memory_desc_t *wanted, bool gradient, Err *e)
{
    DNN(dnnl_memory_create(&d->plain, plain, d->engine, DNNL_MEMORY_NONE));
    if (dnnl_memory_desc_equal(plain, wanted)) return 0;
    const size_t bytes = dnnl_memory_desc_get_size(wanted);
    if (gradient) {
        d->scratch_bytes += rounded(bytes);
    } else {
        d->packed_bytes = bytes;
        d->packed = mem_zalloc(1, bytes, e);
        if (!d->packed) return ERR_NOMEM;
        DNN(dnnl_memory_set_data_handle(d->args[ARG_WEIGHTS].memory, d->packed));
    }
    dnnl_primitive_desc_t pd;
    DNN(gradient ? dnnl_reorder_primitive_desc_create(&pd, wanted, d->engine, plain, d->engine, NULL)
                 : dnnl_reorder_primitive_desc_create(&pd, plain, d->engine, wanted, d->engine, NULL));
    const dnnl_status_t status = dnnl_primitive_create(&d->reorder, pd);
    dnnl_primitive_desc_destroy(pd);
    DNN(status);
    return 0;
}

/* What the slots of a primitive are called, and which layout its weights have for the user. */
typedef struct Slots {
    int src, weights, bias, dst;
    dnnl_query_t src_md, weights_md, bias_md, dst_md;
} Slots;

static const Slots forward_slots = {DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_BIAS, DNNL_ARG_DST,
                                    dnnl_query_src_md, dnnl_query_weights_md, dnnl_query_weights_md, dnnl_query_dst_md};
static const Slots data_slots = {DNNL_ARG_DIFF_SRC, DNNL_ARG_WEIGHTS, 0, DNNL_ARG_DIFF_DST,
                                 dnnl_query_diff_src_md, dnnl_query_weights_md, 0, dnnl_query_diff_dst_md};
static const Slots weights_slots = {DNNL_ARG_SRC, DNNL_ARG_DIFF_WEIGHTS, DNNL_ARG_DIFF_BIAS, DNNL_ARG_DIFF_DST,
                                    dnnl_query_src_md, dnnl_query_diff_weights_md, dnnl_query_diff_weights_md,
                                    dnnl_query_diff_dst_md};

static int fill(Dnn *d, dnnl_primitive_desc_t pd, const Slots *slots, bool bias, const dnnl_memory_desc_t *plain, Err *e)
{
    const dnnl_memory_desc_t *weights = dnnl_primitive_desc_query_md(pd, slots->weights_md, 0);
    const dnnl_memory_desc_t *scratch = dnnl_primitive_desc_query_md(pd, dnnl_query_scratchpad_md, 0);
    DNN(dnnl_primitive_create(&d->primitive, pd));
    TRY(make_argument(d, ARG_SRC, slots->src, dnnl_primitive_desc_query_md(pd, slots->src_md, 0), e));
    TRY(make_argument(d, ARG_WEIGHTS, slots->weights, weights, e));
    TRY(make_argument(d, ARG_DST, slots->dst, dnnl_primitive_desc_query_md(pd, slots->dst_md, 0), e));
    TRY(make_argument(d, ARG_SCRATCH, DNNL_ARG_SCRATCHPAD, scratch, e));
    if (bias) TRY(make_argument(d, ARG_BIAS, slots->bias, dnnl_primitive_desc_query_md(pd, slots->bias_md, 1), e));
    d->primitive_scratch = rounded(dnnl_memory_desc_get_size(scratch));
    d->scratch_bytes = d->primitive_scratch;
    return make_packing(d, plain, weights, slots == &weights_slots, e);
}

static int begin(Dnn **d, dnnl_primitive_attr_t *attr, Err *e)
{
    *d = mem_zalloc(1, sizeof **d, e);
    if (!*d) return ERR_NOMEM;
    DNN(dnnl_engine_create(&(*d)->engine, dnnl_cpu, 0));
    DNN(dnnl_stream_create(&(*d)->stream, (*d)->engine, dnnl_stream_default_flags));
    DNN(dnnl_primitive_attr_create(attr));
    DNN(dnnl_primitive_attr_set_scratchpad_mode(*attr, dnnl_scratchpad_mode_user));
    return 0;
}

/* Makes the primitive of an operation descriptor; hint is a forward descriptor that backward needs, or NULL. */
static int complete(Dnn **d, const_dnnl_op_desc_t op, dnnl_primitive_desc_t hint, const Slots *slots, bool bias,
                    const dnnl_memory_desc_t *plain, Err *e)
{
    dnnl_primitive_attr_t attr = NULL;
    dnnl_primitive_desc_t pd = NULL;
    int failed = begin(d, &attr, e);
    if (!failed) {
        const dnnl_status_t status = dnnl_primitive_desc_create(&pd, op, attr, (*d)->engine, hint);
        failed = status == dnnl_success ? fill(*d, pd, slots, bias, plain, e) : fail(status, "the primitive", e);
    }
    dnnl_primitive_desc_destroy(pd);
    dnnl_primitive_attr_destroy(attr);
    if (failed) {
        dnn_free(*d);
        *d = NULL;
    }
    return failed;
}

typedef struct ConvDescs {
    dnnl_memory_desc_t in, out, weights, plain, bias;
    dnnl_dims_t strides, padding;
} ConvDescs;

static int describe_conv(ConvDescs *m, const DnnConv *c, Err *e)
{
    const dnnl_dims_t bias_dims = {c->out.c};
    TRY(describe_nhwc(&m->in, c->in, e));
    TRY(describe_nhwc(&m->out, c->out, e));
    TRY(describe_conv_weights(&m->weights, c, true, e));
    TRY(describe_conv_weights(&m->plain, c, false, e));
    DNN(dnnl_memory_desc_init_by_tag(&m->bias, 1, bias_dims, dnnl_f32, dnnl_x));
    m->strides[0] = m->strides[1] = c->stride;
    m->padding[0] = m->padding[1] = c->padding;
    return 0;
}

/* A convolution's and a transposed convolution's descriptor are the same struct. */
static int describe_forward(dnnl_convolution_desc_t *op, const ConvDescs *m, const DnnConv *c, Err *e)
{
    const dnnl_memory_desc_t *bias = c->bias ? &m->bias : NULL;
    DNN(c->transposed ? dnnl_deconvolution_forward_desc_init(op, dnnl_forward_training, dnnl_deconvolution_direct, &m->in,
                                                             &m->weights, bias, &m->out, m->strides, m->padding, m->padding)
                      : dnnl_convolution_forward_desc_init(op, dnnl_forward_training, dnnl_convolution_direct, &m->in,
                                                           &m->weights, bias, &m->out, m->strides, m->padding, m->padding));
    return 0;
}

int dnn_conv_forward(Dnn **d, const DnnConv *c, Err *e)
{
    ConvDescs m;
    dnnl_convolution_desc_t op;
    TRY(describe_conv(&m, c, e));
    TRY(describe_forward(&op, &m, c, e));
    return complete(d, &op, NULL, &forward_slots, c->bias, &m.plain, e);
}

/* The forward descriptor that a backward one asks for; the caller destroys it. */
static int make_hint(dnnl_primitive_desc_t *hint, const ConvDescs *m, const DnnConv *c, Err *e)
{
    dnnl_convolution_desc_t op;
    dnnl_engine_t engine;
    TRY(describe_forward(&op, m, c, e));
    DNN(dnnl_engine_create(&engine, dnnl_cpu, 0));
    const dnnl_status_t status = dnnl_primitive_desc_create(hint, &op, NULL, engine, NULL);
    dnnl_engine_destroy(engine);
    DNN(status);
    return 0;
}

int dnn_conv_backward_data(Dnn **d, const DnnConv *c, Err *e)
{
    ConvDescs m;
    dnnl_convolution_desc_t op;
    dnnl_primitive_desc_t hint;
    TRY(describe_conv(&m, c, e));
    DNN(c->transposed ? dnnl_deconvolution_backward_data_desc_init(&op, dnnl_deconvolution_direct, &m.in, &m.weights,
                                                                   &m.out, m.strides, m.padding, m.padding)
                      : dnnl_convolution_backward_data_desc_init(&op, dnnl_convolution_direct, &m.in, &m.weights, &m.out,
                                                                 m.strides, m.padding, m.padding));
    TRY(make_hint(&hint, &m, c, e));
    const int failed = complete(d, &op, hint, &data_slots, false, &m.plain, e);
    dnnl_primitive_desc_destroy(hint);
    return failed;
}

int dnn_conv_backward_weights(Dnn **d, const DnnConv *c, Err *e)
{
    ConvDescs m;
    dnnl_convolution_desc_t op;
    dnnl_primitive_desc_t hint;
    TRY(describe_conv(&m, c, e));
    const dnnl_memory_desc_t *bias = c->bias ? &m.bias : NULL;
    DNN(c->transposed
            ? dnnl_deconvolution_backward_weights_desc_init(&op, dnnl_deconvolution_direct, &m.in, &m.weights, bias,
                                                            &m.out, m.strides, m.padding, m.padding)
            : dnnl_convolution_backward_weights_desc_init(&op, dnnl_convolution_direct, &m.in, &m.weights, bias, &m.out,
                                                          m.strides, m.padding, m.padding));
    TRY(make_hint(&hint, &m, c, e));
    const int failed = complete(d, &op, hint, &weights_slots, c->bias, &m.plain, e);
    dnnl_primitive_desc_destroy(hint);
    return failed;
}

int dnn_linear_forward(Dnn **d, int64_t rows, int64_t in, int64_t in_pitch, int64_t out, int64_t out_pitch, bool bias,
                       Err *e)
{
    dnnl_memory_desc_t x, w, b, y, plain;
    dnnl_matmul_desc_t op;
    const dnnl_dims_t x_dims = {rows, in}, x_strides = {in_pitch, 1}, y_dims = {rows, out}, y_strides = {out_pitch, 1};
    const dnnl_dims_t w_dims = {in, out}, b_dims = {1, out};
    DNN(dnnl_memory_desc_init_by_strides(&x, 2, x_dims, dnnl_f32, x_strides));
    DNN(dnnl_memory_desc_init_by_strides(&y, 2, y_dims, dnnl_f32, y_strides));
    DNN(dnnl_memory_desc_init_by_tag(&w, 2, w_dims, dnnl_f32, dnnl_format_tag_any));
    DNN(dnnl_memory_desc_init_by_tag(&plain, 2, w_dims, dnnl_f32, dnnl_ba));
    DNN(dnnl_memory_desc_init_by_tag(&b, 2, b_dims, dnnl_f32, dnnl_ab));
    DNN(dnnl_matmul_desc_init(&op, &x, &w, bias ? &b : NULL, &y));
    return complete(d, &op, NULL, &forward_slots, bias, &plain, e);
}

void dnn_free(Dnn *d)
{
    if (!d) return;
    for (int i = 0; i < ARGS; i++) dnnl_memory_destroy(d->args[i].memory);
    dnnl_memory_destroy(d->plain);
    dnnl_primitive_destroy(d->reorder);
    dnnl_primitive_destroy(d->primitive);
    dnnl_stream_destroy(d->stream);
    dnnl_engine_destroy(d->engine);
    mem_free(d->packed);
    mem_free(d);
}

size_t dnn_scratch_bytes(const Dnn *d) { return d->scratch_bytes; }
size_t dnn_packed_bytes(const Dnn *d) { return d ? d->packed_bytes : 0; }

static void set_data(dnnl_memory_t memory, const void *data) { dnnl_memory_set_data_handle(memory, (void *)data); }

static void reorder(Dnn *d, dnnl_memory_t from, dnnl_memory_t to)
{
    const dnnl_exec_arg_t args[] = {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}};
    dnnl_primitive_execute(d->reorder, d->stream, 2, args);
}

void dnn_pack(Dnn *d, const float *weights)
{
    if (!d->reorder) {
        set_data(d->args[ARG_WEIGHTS].memory, weights);
        return;
    }
    set_data(d->plain, weights);
    reorder(d, d->plain, d->args[ARG_WEIGHTS].memory);
}

static void execute(Dnn *d, void *scratch)
{
    dnnl_exec_arg_t args[ARGS];
    int count = 0;
    set_data(d->args[ARG_SCRATCH].memory, scratch);
    for (int i = 0; i < ARGS; i++)
        if (d->args[i].arg) args[count++] = d->args[i];
    dnnl_primitive_execute(d->primitive, d->stream, count, args);
    dnnl_stream_wait(d->stream);
}

void dnn_run_forward(Dnn *d, const float *x, const float *bias, float *y, void *scratch)
{
    set_data(d->args[ARG_SRC].memory, x);
    set_data(d->args[ARG_DST].memory, y);
    if (d->args[ARG_BIAS].arg) set_data(d->args[ARG_BIAS].memory, bias);
    execute(d, scratch);
}

void dnn_run_backward_data(Dnn *d, const float *dy, float *dx, void *scratch)
{
    set_data(d->args[ARG_SRC].memory, dx);
    set_data(d->args[ARG_DST].memory, dy);
    execute(d, scratch);
}

void dnn_run_backward_weights(Dnn *d, const float *x, const float *dy, float *dw, float *db, void *scratch)
{
    set_data(d->args[ARG_SRC].memory, x);
    set_data(d->args[ARG_DST].memory, dy);
    set_data(d->args[ARG_WEIGHTS].memory, d->reorder ? (char *)scratch + d->primitive_scratch : (void *)dw);
    if (d->args[ARG_BIAS].arg) set_data(d->args[ARG_BIAS].memory, db);
    execute(d, scratch);
    if (!d->reorder) return;
    set_data(d->plain, dw);
    reorder(d, d->args[ARG_WEIGHTS].memory, d->plain);
    dnnl_stream_wait(d->stream);
}

void dnn_gemm(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, const float *a, int64_t lda,
              const float *b, int64_t ldb, bool accumulate, float *c, int64_t ldc)
{
    dnnl_sgemm(transpose_a ? 'T' : 'N', transpose_b ? 'T' : 'N', m, n, k, 1, a, lda, b, ldb, accumulate ? 1 : 0, c, ldc);
}
