/* SS2D's core (Liu et al. 2024, "VMamba", section 3; Swin-UMamba's SS2D.forward_core): the projections to dt, B and C
 * of all directions as one matrix product over the pixels, then the scans (scan.h). Saved for backward: the
 * projections, and the states at the starts of chunks. */
#include <omp.h>

#include "base/memory.h"
#include "network/ops/kernel.h"
#include "network/ops/ops.h"
#include "network/ops/scan.h"
#include "network/ops/selective_scan.h"
#include "network/ops/weight_product.h"

enum { SAVED_PROJECTIONS, SAVED_STATES };

typedef struct PreparedScan {
    ScanShape shape;
    ScanSizes sizes;
    size_t projection_bytes; /* whole cache lines */
    size_t image_bytes;      /* bfloat16 only: float32 copy of x, y or a gradient, in scratch */
    Product *projection;     /* of x; the products for its gradients, dx and d(x_proj), are float32 */
    Product *data;
    WeightProduct weights;
} PreparedScan;

extern const ScanKernel SIMD_NAME(scan_kernel);
static const ScanKernel *const kernel = &SIMD_NAME(scan_kernel);

enum { BF16 = SIMD_DTYPE == DTYPE_BF16 };

static size_t rounded(size_t bytes) { return (bytes + MEM_ALIGN - 1) / MEM_ALIGN * MEM_ALIGN; }

static void release(Node *node)
{
    PreparedScan *state = node->state;
    if (!state) return;
    product_free(state->projection);
    product_free(state->data);
    weight_product_free(&state->weights);
    mem_free(state);
    node->state = NULL;
}

static size_t larger(size_t a, size_t b) { return a > b ? a : b; }

/* Elements of a pixel's projections. */
static int64_t scan_columns(const ScanShape *s) { return s->directions.count * scan_row(s); }

static int prepare_forward(Node *node, PreparedScan *state, Err *e)
{
    const Tensor *x = node->in[0];
    const int64_t pixels = shape_pixels(x->shape), columns = scan_columns(&state->shape);
    const DnnProduct projection = {.rows = pixels,
                                   .depth = x->shape.c,
                                   .columns = columns,
                                   .a_strides = {x->pitch, 1},
                                   .b_strides = {1, x->shape.c},
                                   .c_pitch = columns,
                                   .dtype = x->dtype,
                                   .a_dtype = x->dtype,
                                   .weights = true};
    TRY(product_new(&state->projection, &projection, e));
    const size_t packed = product_packed_bytes(state->projection);
    node->packed_bytes = state->sizes.packed + packed;
    node->packed_params = SCAN_ALL_PARAMS & ~(packed ? 0u : 1u << X_PROJ);
    node->scratch_bytes[0] =
        state->image_bytes + larger(product_scratch_bytes(state->projection), state->sizes.forward_scratch);
    return 0;
}

/* In bfloat16 dx and x are converted to float32 in scratch (projection_gradients). */
static int prepare_backward(Node *node, PreparedScan *state, Err *e)
{
    const Tensor *x = node->in[0];
    const int64_t pixels = shape_pixels(x->shape), columns = scan_columns(&state->shape);
    const int64_t channels = x->shape.c, pitch = BF16 ? channels : x->pitch;
    const DnnProduct data = {.rows = pixels,
                             .depth = columns,
                             .columns = channels,
                             .a_strides = {columns, 1},
                             .b_strides = {channels, 1},
                             .c_pitch = pitch,
                             .accumulate = true};
    const WeightOperands weights = {
        .pixels = pixels, .out_channels = columns, .in_channels = channels, .dy_pitch = columns, .x_pitch = pitch};
    if (node->wants_grad[0]) TRY(product_new(&state->data, &data, e));
    if (state->data) node->packed_params &= ~(1u << X_PROJ); /* which that product reads */
    if (node->trains_param[X_PROJ]) TRY(weight_product_new(&state->weights, &weights, e));
    const size_t products = larger(product_scratch_bytes(state->data), weight_product_scratch(&state->weights));
    node->scratch_bytes[1] =
        state->projection_bytes + state->image_bytes + larger(state->sizes.backward_scratch, products);
    return 0;
}

static int prepare(Node *node, Err *e)
{
    const SelectiveScan *scan = node->attr;
    const Tensor *x = node->in[0];
    PreparedScan *state = node->state = mem_zalloc(1, sizeof *state, e);
    if (!state) return ERR_NOMEM;
    state->shape = (ScanShape){
        .batch = x->shape.n,
        .height = x->shape.h,
        .width = x->shape.w,
        .channels = x->shape.c,
        .states = (int)scan->states,
        .rank = (int)scan->rank,
        .directions = scan->directions,
        .threads = omp_get_max_threads(),
    };
    const int64_t values = shape_pixels(x->shape) * scan_columns(&state->shape);
    state->sizes = scan_sizes(&state->shape);
    state->projection_bytes = rounded((size_t)values * sizeof(float));
    if (BF16) state->image_bytes = rounded((size_t)shape_count(x->shape) * sizeof(float));
    TRY(prepare_forward(node, state, e));
    if (node->has_backward) {
        node->saved_bytes[SAVED_PROJECTIONS] = state->projection_bytes;
        node->saved_bytes[SAVED_STATES] = state->sizes.states;
        return prepare_backward(node, state, e);
    }
    node->scratch_bytes[0] += state->projection_bytes;
    return 0;
}

static void refresh(Node *node)
{
    PreparedScan *state = node->state;
    const float *const *p = node->param;
    char *packed = node->packed; /* the scan's parameters, then those of the projection */
    const ScanParams params = {p[DT_WEIGHT], p[DT_BIAS], p[A_LOGS], p[DS]};
    kernel->pack(&state->shape, &params, node->packed);
    product_pack(state->projection, p[X_PROJ], packed + state->sizes.packed, node->failure);
}

static void forward(Node *node, const Step *step)
{
    (void)step;
    PreparedScan *state = node->state;
    const Tensor *x = node->in[0], *y = node->out[0];
    char *image = node->scratch, *scratch = image + state->image_bytes;
    float *projections = node->has_backward ? node->saved[SAVED_PROJECTIONS] : (float *)scratch;
    if (!node->has_backward) scratch += state->projection_bytes;
    product_run(state->projection, x->data, NULL, NULL, projections, scratch, node->failure);
    const ScanValues values = {.x = {x->data, x->pitch},
                               .projections = projections,
                               .y = {y->data, y->pitch},
                               .sums = BF16 ? (ScanImage){image, y->shape.c} : (ScanImage){y->data, y->pitch},
                               .states = node->has_backward ? node->saved[SAVED_STATES] : NULL};
    kernel->forward(&state->shape, node->packed, &values, scratch);
}

/* Convert between elements with a pitch and dense floats. */
static void get_pixels(float *to, const Elem *from, int64_t pitch, Shape s)
{
#pragma omp parallel for schedule(static)
    for (int64_t p = 0; p < shape_pixels(s); p++)
        for (int64_t i = 0; i < s.c; i += SIMD_LANES) {
            const int lanes = lanes_left(s.c - i);
            v_store_first(to + p * s.c + i, v_get(from + p * pitch + i, lanes), lanes);
        }
}

static void put_pixels(Elem *to, int64_t pitch, const float *from, Shape s, bool accumulate)
{
#pragma omp parallel for schedule(static)
    for (int64_t p = 0; p < shape_pixels(s); p++)
        for (int64_t i = 0; i < s.c; i += SIMD_LANES) {
            const int lanes = lanes_left(s.c - i);
            Elem *at = to + p * pitch + i;
            const vf value = v_load_first(from + p * s.c + i, lanes);
            v_put(at, accumulate ? value + v_get(at, lanes) : value, lanes);
        }
}

/* Computes the gradients of x and x_proj from those of the projections. In bfloat16 `image` holds the other part of dx
 * on entry, and is then used for float32 copies. */
static void projection_gradients(const Node *node, PreparedScan *state, const float *dprojections, float *image,
                                 void *scratch)
{
    const Tensor *x = node->in[0];
    if (state->data)
        product_run(state->data, dprojections, node->param[X_PROJ], NULL, BF16 ? image : x->grad, scratch,
                    node->failure);
    if (BF16 && node->wants_grad[0]) put_pixels(x->grad, x->pitch, image, x->shape, node->accumulate[0]);
    if (!state->weights.product) return;
    if (BF16) get_pixels(image, x->data, x->pitch, x->shape);
    weight_product_run(&state->weights, dprojections, BF16 ? image : x->data, node->param_grad[X_PROJ], scratch,
                       node->failure);
}

static void backward(Node *node, const Step *step)
{
    (void)step;
    PreparedScan *state = node->state;
    const Tensor *x = node->in[0], *y = node->out[0];
    float *const *grads = node->param_grad, *dprojections = node->scratch;
    char *image = (char *)node->scratch + state->projection_bytes;
    const ScanValues values = {
        .x = {x->data, x->pitch}, .projections = node->saved[SAVED_PROJECTIONS], .states = node->saved[SAVED_STATES]};
    ScanGradients gradients = {.y = {y->grad, y->pitch},
                               .x = {x->grad, x->pitch},
                               .accumulate_x = node->accumulate[0],
                               .projections = dprojections,
                               .params = {grads[DT_WEIGHT], grads[DT_BIAS], grads[A_LOGS], grads[DS]}};
    if (BF16) {
        gradients.x = (ScanImage){image, x->shape.c};
        gradients.accumulate_x = false;
    }
    if (!node->wants_grad[0]) gradients.x.data = NULL;
    char *scratch = image + state->image_bytes;
    kernel->backward(&state->shape, node->packed, &values, &gradients, scratch);
    projection_gradients(node, state, dprojections, (float *)image, scratch);
}

OP_IMPL(selective_scan) = {SIMD_HEAD,          .strided_in = 1,    .strided_out = 1,     .prepare = prepare,
                           .refresh = refresh, .forward = forward, .backward = backward, .release = release};

#ifdef SIMD_BASE
OP_LIST(selective_scan);

static int shape(Node *node, Err *e)
{
    const SelectiveScan *scan = node->attr;
    if (scan->directions.count < 1 || scan->directions.count > SCAN_MOST_DIRECTIONS || scan->rank < 1 ||
        scan->states < 1)
        return err_set(e, ERR_SHAPE,
                       "%d directions, rank %lld, %lld states: expected 1 to %d, and 1 or more of the others",
                       scan->directions.count, (long long)scan->rank, (long long)scan->states, SCAN_MOST_DIRECTIONS);
    return shape_of_inputs(node, e);
}

static int64_t scanned(const Node *node)
{
    return ((const SelectiveScan *)node->attr)->directions.count * shape_count(node->in[0]->shape);
}

/* The two projections, and 3.5 S + 1 for each position and channel of a direction, as in VMamba's
 * flops_selective_scan_ref (docs/reference.md, Counts). */
static int64_t macs(const Node *node)
{
    const SelectiveScan *scan = node->attr;
    const int64_t each = scan->rank + 2 * scan->states + scan->rank;
    return scanned(node) * (2 * each + 7 * scan->states + 2) / 2;
}

/* The same with 9 S + 1 for each position and channel of a direction. */
static int64_t later_macs(const Node *node)
{
    const SelectiveScan *scan = node->attr;
    return macs(node) + scanned(node) * (11 * scan->states) / 2;
}

/* The product to dt, B and C, and that of dt. */
static int64_t product_macs(const Node *node)
{
    return shape_pixels(node->in[0]->shape) * (node->param_info[X_PROJ]->count + node->param_info[DT_WEIGHT]->count);
}

static const OpClass selective_scan_class = {
    .name = "selective_scan",
    .shape = shape,
    .macs = macs,
    .later_macs = later_macs,
    .product_macs = product_macs,
    .keeps_inputs = 1,
    .on = OP_ON(selective_scan),
};

Ref op_selective_scan(Graph *g, Ref x, int64_t dt_rank, int64_t states, ScanDirections directions)
{
    const SelectiveScan attr = {dt_rank, states, directions};
    const int64_t d = graph_shape(g, x).c, k = directions.count;
    const int params[SCAN_PARAMS] = {
        [X_PROJ] = graph_param(g, "x_proj_weight", 3, (int64_t[]){k, dt_rank + 2 * states, d}, INIT_KAIMING_UNIFORM, d),
        [DT_WEIGHT] = graph_param(g, "dt_projs_weight", 3, (int64_t[]){k, d, dt_rank}, INIT_SSM_DT_WEIGHT, 0),
        [DT_BIAS] = graph_param(g, "dt_projs_bias", 2, (int64_t[]){k, d}, INIT_SSM_DT_BIAS, 0),
        [A_LOGS] = graph_param(g, "A_logs", 2, (int64_t[]){k * d, states}, INIT_SSM_A_LOG, 0),
        [DS] = graph_param(g, "Ds", 1, (int64_t[]){k * d}, INIT_ONE, 0),
    };
    return graph_node(g, &selective_scan_class, "selective_scan", &attr, sizeof attr, &x, 1, params, SCAN_PARAMS);
}

Ref op_mamba_scan(Graph *g, Ref x, int64_t dt_rank, int64_t states)
{
    const SelectiveScan attr = {dt_rank, states, {1, {SCAN_ROW_MAJOR}}};
    const int64_t d = graph_shape(g, x).c;
    const int params[SCAN_PARAMS] = {
        [X_PROJ] = graph_param(g, "x_proj.weight", 2, (int64_t[]){dt_rank + 2 * states, d}, INIT_KAIMING_UNIFORM, d),
        [DT_WEIGHT] = graph_param(g, "dt_proj.weight", 2, (int64_t[]){d, dt_rank}, INIT_SSM_DT_WEIGHT, 0),
        [DT_BIAS] = graph_param(g, "dt_proj.bias", 1, &d, INIT_SSM_DT_BIAS, 0),
        [A_LOGS] = graph_param(g, "A_log", 2, (int64_t[]){d, states}, INIT_SSM_A_LOG, 0),
        [DS] = graph_param(g, "D", 1, &d, INIT_ONE, 0),
    };
    return graph_node(g, &selective_scan_class, "selective_scan", &attr, sizeof attr, &x, 1, params, SCAN_PARAMS);
}
#endif
