/* A primitive of oneDNN: creation, arguments, scratch memory, execution (onednn_primitive.h). */
#include "network/ops/onednn_primitive.h"

#include <stdio.h>

#include "base/memory.h"
#include "base/simd_level.h"

enum { ARG_SRC, ARG_WEIGHTS, ARG_BIAS, ARG_DST, ARG_SCRATCH, ARGS };

/* A copy that changes type or layout, or adds. */
typedef struct Reorder {
    dnnl_primitive_t primitive; /* NULL: not needed */
    dnnl_memory_t from, to;
    int64_t offset; /* packing: index of the first weight that it reads */
} Reorder;

/* args[i].arg is 0 if the primitive has no such argument. In a backward primitive a slot holds the gradient of the
 * corresponding forward argument. */
struct Dnn {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    dnnl_primitive_t primitive;
    dnnl_exec_arg_t args[ARGS];
    size_t scratch_bytes; /* scratchpad of the primitive, then the arguments in scratch, each rounded up */
    size_t place[ARGS];   /* offsets in scratch, of arguments that need a copy */
    Reorder feed[ARGS];   /* before running: from the caller's memory to scratch (activations of another type) */
    Reorder drain[ARGS];  /* after running: from scratch to the caller's memory (gradients of weights, sums) */
    Reorder *pack;        /* from the pieces of the weights to packed */
    int pack_count;       /* 0: the primitive uses the weights in their own layout */
    size_t packed_bytes;
};

/* oneDNN returns a status. Failures come from lack of memory or an unsupported shape, never from the data. */
#define DNN(call)                                                    \
    do {                                                             \
        const dnnl_status_t status_ = (call);                        \
        if (status_ != dnnl_success) return fail(status_, #call, e); \
    } while (0)

static int fail(dnnl_status_t status, const char *call, Err *e)
{
    if (status == dnnl_out_of_memory) return err_set(e, ERR_NOMEM, "oneDNN: out of memory");
    return err_set(e, ERR_UNSUPPORTED, "oneDNN failed: %.60s (status %d)", call, (int)status);
}

static size_t rounded(size_t bytes) { return (bytes + MEM_ALIGN - 1) / MEM_ALIGN * MEM_ALIGN; }

/* ---- memory descriptors ---- */

static void descs_free(Descs *d)
{
    for (int i = 0; i < d->count; i++) version_free_desc(d->made[i]);
    mem_free(d->made);
}

static int descs_check(const Descs *d, Err *e)
{
    return d->status == dnnl_success ? 0 : fail(d->status, "a layout", e);
}

/* Memory for one more descriptor; NULL after a failure. */
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

ConstDesc descs_by_tag(Descs *d, int rank, const dnnl_dims_t dims, dnnl_data_type_t type, dnnl_format_tag_t tag)
{
    Desc *place = next_desc(d);
    return place ? keep(d, version_desc_by_tag(place, rank, dims, type, tag)) : NULL;
}

ConstDesc descs_by_strides(Descs *d, int rank, const dnnl_dims_t dims, dnnl_data_type_t type, const dnnl_dims_t strides)
{
    Desc *place = next_desc(d);
    return place ? keep(d, version_desc_by_strides(place, rank, dims, type, strides)) : NULL;
}

static ConstDesc descs_part(Descs *d, ConstDesc whole, const dnnl_dims_t dims, const dnnl_dims_t offsets)
{
    Desc *place = next_desc(d);
    return place ? keep(d, version_desc_part(place, whole, dims, offsets)) : NULL;
}

/* ---- parts of a primitive ---- */

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

static int make_reorder(const Dnn *d, Reorder *r, ConstDesc from, ConstDesc to, bool accumulate, Err *e)
{
    dnnl_primitive_attr_t attr = NULL;
    dnnl_primitive_desc_t pd = NULL;
    DNN(dnnl_memory_create(&r->from, from, d->engine, DNNL_MEMORY_NONE));
    DNN(dnnl_memory_create(&r->to, to, d->engine, DNNL_MEMORY_NONE));
    const int failed = make_attr(&attr, dnnl_scratchpad_mode_library, accumulate, e); /* they need little */
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

/* Reserves scratch memory for the argument. */
static void reserve(Dnn *d, int slot, ConstDesc md)
{
    d->place[slot] = d->scratch_bytes;
    d->scratch_bytes += rounded(dnnl_memory_desc_get_size(md));
}

/* An argument that the caller has in layout `own`. If the primitive needs another layout or type, it is copied through
 * scratch memory. */
static int make_argument(Dnn *d, int slot, int arg, ConstDesc md, ConstDesc own, bool is_input, bool accumulate, Err *e)
{
    d->args[slot].arg = arg;
    DNN(dnnl_memory_create(&d->args[slot].memory, md, d->engine, DNNL_MEMORY_NONE));
    if (!accumulate && dnnl_memory_desc_equal(md, own)) return 0;
    reserve(d, slot, md);
    return is_input ? make_reorder(d, &d->feed[slot], own, md, false, e)
                    : make_reorder(d, &d->drain[slot], md, own, accumulate, e);
}

/* Creates the reorders that fill the packed copy of the weights. */
static int make_packing(Dnn *d, Descs *descs, const WeightLayout *own, ConstDesc wanted, Err *e)
{
    const int width = (int)own->turned.x, taps = (int)own->turned.y * width, pieces = taps ? taps : 1;
    if (!taps && dnnl_memory_desc_equal(own->plain, wanted)) return 0;
    d->packed_bytes = rounded(dnnl_memory_desc_get_size(wanted));
    d->pack = mem_zalloc((size_t)pieces, sizeof *d->pack, e);
    if (!d->pack) return ERR_NOMEM;
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
    }
    return 0;
}

const Slots dnn_forward_slots = {
    DNNL_ARG_SRC,          DNNL_ARG_WEIGHTS,  DNNL_ARG_BIAS, DNNL_ARG_DST, dnnl_query_src_md,
    dnnl_query_weights_md, dnnl_query_dst_md, true,          true,         false};
const Slots dnn_data_slots = {DNNL_ARG_DIFF_SRC,
                              DNNL_ARG_WEIGHTS,
                              0,
                              DNNL_ARG_DIFF_DST,
                              dnnl_query_diff_src_md,
                              dnnl_query_weights_md,
                              dnnl_query_diff_dst_md,
                              false,
                              true,
                              true};
const Slots dnn_weights_slots = {DNNL_ARG_SRC,
                                 DNNL_ARG_DIFF_WEIGHTS,
                                 DNNL_ARG_DIFF_BIAS,
                                 DNNL_ARG_DIFF_DST,
                                 dnnl_query_src_md,
                                 dnnl_query_diff_weights_md,
                                 dnnl_query_diff_dst_md,
                                 true,
                                 false,
                                 true};

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
    TRY(make_argument(d, ARG_WEIGHTS, s->weights, weights, p->packs ? weights : p->weights.plain, s->weights_are_input,
                      false, e));
    if (p->bias) {
        ConstDesc bias = dnnl_primitive_desc_query_md(pd, s->weights_md, 1);
        TRY(make_argument(d, ARG_BIAS, s->bias, bias, bias, true, false, e));
    }
    return p->packs ? make_packing(d, descs, &p->weights, weights, e) : 0;
}

/* Limits oneDNN to the SIMD level of our own code. The limit can only be set before the first primitive is created:
 * later calls fail, but then it is already set. oneDNN has such limits for x86-64 only. */
static void limit_instructions(void)
{
#if defined(__x86_64__)
    static const dnnl_cpu_isa_t isa[SIMD_LEVELS] = {[SIMD_PORTABLE] = dnnl_cpu_isa_sse41,
                                                    [SIMD_AVX2] = dnnl_cpu_isa_avx2,
                                                    [SIMD_AVX512] = dnnl_cpu_isa_avx512_core,
                                                    [SIMD_AVX512_BF16] = dnnl_cpu_isa_avx512_core_bf16};
    SimdLevel limit;
    if (simd_level_limit(&limit)) dnnl_set_max_cpu_isa(isa[limit]);
#endif
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

/* forward: the arguments of the forward primitive, which a backward primitive needs as a hint; else NULL. */
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

int dnn_complete(Dnn **d, Descs *descs, const PrimitiveDef *p, const PrimitiveArgs *forward, Err *e)
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
    mem_free(d);
}

void dnn_version(char text[DNN_VERSION_BYTES])
{
    const dnnl_version_t *v = dnnl_version();
    snprintf(text, DNN_VERSION_BYTES, "oneDNN %d.%d.%d", v->major, v->minor, v->patch);
}

size_t dnn_scratch_bytes(const Dnn *d) { return d->scratch_bytes; }
size_t dnn_packed_bytes(const Dnn *d) { return d ? d->packed_bytes : 0; }

/* Stores a failure in e. All run functions do nothing if e is already set. */
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

void dnn_pack(Dnn *d, const float *weights, void *packed, Err *e)
{
    set_data(d->args[ARG_WEIGHTS].memory, d->pack_count ? packed : weights, e);
    for (int i = 0; i < d->pack_count; i++) {
        set_data(d->pack[i].from, weights + d->pack[i].offset, e);
        set_data(d->pack[i].to, packed, e);
        run_reorder(d, &d->pack[i], e);
    }
    note(dnnl_stream_wait(d->stream), "to finish", e);
}

/* Binds an argument to the caller's memory, or to its scratch memory. */
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

/* A convolution with rotated weights (make_turned) reads dy as its source. */
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
