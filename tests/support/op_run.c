#include "tests/support/op_run.h"

#include <string.h>

#include "base/memory.h"

/* A new buffer of the run, and its memory on the device. copied: see OpBuffer. */
static void *new_buffer(OpRun *r, size_t bytes, bool copied, Err *e)
{
    const Guarded g = guarded_unset(bytes);
    if (!g.data) return err_set(e, ERR_NOMEM, "no memory for a buffer of %zu bytes", bytes), NULL;
    OpBuffer *there = &r->there[r->buffer_count];
    r->buffers[r->buffer_count++] = g;
    if (!r->device) return g.data;
    *there = (OpBuffer){r->device->alloc(r->device, bytes ? bytes : 1, e), copied};
    return there->memory ? g.data : NULL;
}

static void *guarded(OpRun *r, size_t bytes, Err *e) { return new_buffer(r, bytes, true, e); }
static void *working(OpRun *r, size_t bytes, Err *e) { return new_buffer(r, bytes, false, e); }

enum { SHIFT = 4 };

typedef struct Layout {
    int64_t pitch;
    size_t start; /* bytes before the first pixel */
} Layout;

/* Of tensor i of inputs and then outputs. free: it may be a part of another. */
static Layout layout_of(const Tensor *t, int i, bool free, OpRunOptions o)
{
    const int64_t pitch = t->shape.c + o.gaps[i % 3];
    if (!free) return (Layout){t->shape.c, 0};
    return (Layout){o.whole_vectors ? (pitch + 7) / 8 * 8 : pitch, o.shifted ? SHIFT : 0};
}

static void *guarded_behind(OpRun *r, size_t start, size_t bytes, Err *e)
{
    char *data = guarded(r, start + bytes, e);
    return data ? data + start : NULL;
}

/* dtype: of a tensor that is not of labels. */
static int make_tensor(OpRun *r, Tensor *t, const Tensor *like, DType dtype, Layout l, bool gradient, Err *e)
{
    const bool labels = like->dtype == DTYPE_I16;
    *t = (Tensor){.shape = like->shape, .dtype = labels ? DTYPE_I16 : dtype, .pitch = l.pitch};
    const size_t bytes = (size_t)(shape_pixels(t->shape) * t->pitch) * dtype_size(t->dtype);
    t->data = guarded_behind(r, l.start, bytes, e);
    if (gradient && !labels) t->grad = guarded_behind(r, l.start, bytes, e);
    return t->data && (t->grad || !gradient || labels) ? 0 : ERR_NOMEM;
}

static int make_tensors(OpRun *r, const Node *like, OpRunOptions o, Err *e)
{
    Node *n = &r->node;
    for (int i = 0; i < n->input_count; i++) {
        const DType dtype = o.float_in && !i ? DTYPE_F32 : n->impl->dtype;
        const Layout l = layout_of(like->in[i], i, n->impl->strided_in >> i & 1, o);
        TRY(make_tensor(r, &r->in[i], like->in[i], dtype, l, o.backward && !(o.unwanted >> i & 1), e));
        n->in[i] = &r->in[i];
        n->wants_grad[i] = r->in[i].grad != NULL;
        n->accumulate[i] = o.accumulate >> i & 1;
    }
    for (int i = 0; i < n->output_count; i++) {
        const DType dtype = o.float_out && !i ? DTYPE_F32 : n->impl->dtype;
        const Layout l = layout_of(like->out[i], n->input_count + i, n->impl->strided_out >> i & 1, o);
        TRY(make_tensor(r, &r->out[i], like->out[i], dtype, l, o.backward && !(o.unseeded >> i & 1), e));
        n->out[i] = &r->out[i];
    }
    if (o.overwrite >= 0) r->out[0].data = r->in[o.overwrite].data;
    if (o.overwrite_grad >= 0) r->in[o.overwrite_grad].grad = r->out[0].grad;
    return 0;
}

static int make_params(OpRun *r, OpRunOptions o, Err *e)
{
    Node *n = &r->node;
    for (int i = 0; i < n->param_count; i++) {
        const size_t bytes = (size_t)n->param_info[i]->count * sizeof(float);
        n->param[i] = r->param[i] = guarded(r, bytes, e);
        if (!n->param[i]) return ERR_NOMEM;
        if (!n->trains_param[i]) continue;
        n->param_grad[i] = guarded_behind(r, o.shifted_params ? SHIFT : 0, bytes, e);
        if (!n->param_grad[i]) return ERR_NOMEM;
    }
    return 0;
}

static int make_memory(OpRun *r, Err *e)
{
    Node *n = &r->node;
    const size_t scratch = n->scratch_bytes[0] > n->scratch_bytes[1] ? n->scratch_bytes[0] : n->scratch_bytes[1];
    for (int i = 0; n->has_backward && i < NODE_SAVED; i++) {
        n->saved[i] = n->saved_bytes[i] ? working(r, n->saved_bytes[i], e) : NULL;
        if (n->saved_bytes[i] && !n->saved[i]) return ERR_NOMEM;
    }
    n->packed = working(r, n->packed_bytes, e);
    if (n->packed) memset(n->packed, 0, n->packed_bytes);
    void *packed = r->there[r->buffer_count - 1].memory;
    if (n->packed_bytes && r->device) TRY(r->device->clear(r->device, packed, n->packed_bytes, e));
    n->scratch = working(r, scratch, e);
    return n->packed && n->scratch ? 0 : ERR_NOMEM;
}

static int build(OpRun *r, const Node *like, OpRunOptions o, Err *e)
{
    Node *n = &r->node;
    n->has_backward = o.backward;
    for (int i = 0; i < n->param_count; i++) {
        n->trains_param[i] = o.backward && !(o.untrained >> i & 1);
        n->trains_params = n->trains_params || n->trains_param[i];
    }
    TRY(make_tensors(r, like, o, e));
    TRY(make_params(r, o, e));
    if (n->impl->prepare) TRY(n->impl->prepare(n, e));
    r->prepared = true;
    return make_memory(r, e);
}

int op_run_new(OpRun *r, const Node *like, const OpImpl *impl, OpRunOptions o, Err *e)
{
    *r = (OpRun){.node = {.op = like->op,
                          .impl = impl,
                          .name = like->name,
                          .attr = like->attr,
                          .input_count = like->input_count,
                          .output_count = like->output_count,
                          .param_count = like->param_count,
                          .train = o.backward}};
    r->device = o.device && !o.device->shares_memory ? o.device : NULL;
    r->node.failure = &r->failure;
    memcpy(r->node.param_info, like->param_info, sizeof like->param_info);
    const int failed = build(r, like, o, e);
    if (failed) op_run_free(r);
    return failed;
}

void op_run_free(OpRun *r)
{
    if (r->prepared && r->node.impl->release) r->node.impl->release(&r->node);
    for (int i = 0; i < r->buffer_count; i++) {
        guarded_free(&r->buffers[i]);
        if (r->device) r->device->free(r->device, r->there[i].memory);
    }
    *r = (OpRun){0};
}

static uint16_t bf16_of(double number)
{
    const float single = (float)number;
    uint32_t bits;
    memcpy(&bits, &single, sizeof bits);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

static double number_of(uint16_t bf16)
{
    const uint32_t bits = (uint32_t)bf16 << 16;
    float single;
    memcpy(&single, &bits, sizeof single);
    return (double)single;
}

void op_run_set(void *data, const Tensor *t, const double *numbers)
{
    for (int64_t i = 0; i < shape_count(t->shape); i++) {
        const int64_t place = i / t->shape.c * t->pitch + i % t->shape.c;
        if (t->dtype == DTYPE_I16) ((int16_t *)data)[place] = (int16_t)numbers[i];
        else if (t->dtype == DTYPE_BF16) ((uint16_t *)data)[place] = bf16_of(numbers[i]);
        else ((float *)data)[place] = (float)numbers[i];
    }
}

void op_run_get(const void *data, const Tensor *t, double *numbers)
{
    for (int64_t i = 0; i < shape_count(t->shape); i++) {
        const int64_t place = i / t->shape.c * t->pitch + i % t->shape.c;
        numbers[i] =
            t->dtype == DTYPE_BF16 ? number_of(((const uint16_t *)data)[place]) : (double)((const float *)data)[place];
    }
}

static bool gaps_intact(const void *data, const Tensor *t)
{
    const size_t size = dtype_size(t->dtype);
    for (int64_t p = 0; data && p < shape_pixels(t->shape); p++)
        for (size_t i = (size_t)(p * t->pitch + t->shape.c) * size; i < (size_t)((p + 1) * t->pitch) * size; i++)
            if (((const char *)data)[i] != ((const char *)&guard_value)[i % sizeof guard_value]) return false;
    return true;
}

bool op_run_intact(const OpRun *r)
{
    bool intact = true;
    for (int i = 0; i < r->buffer_count; i++) intact = intact && guarded_intact(&r->buffers[i]);
    for (int i = 0; i < r->node.input_count; i++)
        intact = intact && gaps_intact(r->in[i].data, &r->in[i]) && gaps_intact(r->in[i].grad, &r->in[i]);
    for (int i = 0; i < r->node.output_count; i++)
        intact = intact && gaps_intact(r->out[i].data, &r->out[i]) && gaps_intact(r->out[i].grad, &r->out[i]);
    return intact;
}
