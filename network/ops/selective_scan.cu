/* SS2D's core on a GPU (selective_scan.c): the projections by a matrix product, then the scans (scan_gpu.h). Saved for backward:
 * the projections, and the states at the starts of chunks. */
#include "network/ops/scan_gpu.h"

extern "C" {
#include "base/memory.h"
#include "network/cuda/product.h"
#include "network/ops/selective_scan.h"
}

#include "network/cuda/sums.h"

namespace
{
enum { SAVED_PROJECTIONS, SAVED_STATES };

struct PreparedScan {
    ScanShape s;
    GpuProduct *projection, *data, *weights; /* data: dx through the projections; weights: d(x_proj) */
};

size_t rounded(size_t bytes) { return (bytes + 255) / 256 * 256; }
size_t floats(int64_t count) { return rounded((size_t)count * sizeof(float)); }
size_t larger(size_t a, size_t b) { return a > b ? a : b; }

/* Few images are cut into pieces, up to about BLOCKS blocks, which fill a large GPU: by sizes only, so that all GPUs compute the
 * same. Below 3 pieces nothing is won, as pieces are gone through twice. */
int pieces_of(const ScanShape &s)
{
    const int BLOCKS = 1024, IMAGES_MOST = 8, PIECES_MOST = 32;
    const int wanted = BLOCKS / (s.images * s.directions * s.groups());
    if (s.images > IMAGES_MOST || wanted < 3) return 1;
    const int most = wanted < PIECES_MOST ? wanted : PIECES_MOST;
    const int chunks = (s.chunks() + most - 1) / most, pieces = (s.chunks() + chunks - 1) / chunks;
    return pieces < 3 ? 1 : pieces;
}

ScanShape shape_of(const Node *node)
{
    const SelectiveScan *scan = (const SelectiveScan *)node->attr;
    const Shape s = node->in[0]->shape;
    ScanShape shape = {
        (int)s.n, (int)s.h, (int)s.w, (int)s.c, (int)scan->states, (int)scan->rank, scan->directions.count, 1, 0, {}};
    for (int k = 0; k < shape.directions; k++) shape.order[k] = scan->directions.order[k];
    shape.pieces = pieces_of(shape);
    return shape;
}

/* ---- memory ---- */

size_t projection_bytes(const ScanShape &s) { return floats(s.pixels() * s.directions * s.row()); }
/* Of a tile of states: */
int64_t part_floats(const ScanShape &s) { return s.directions * s.pixels() * s.channels; }
int64_t packed_floats(const ScanShape &s) { return (int64_t)s.directions * s.vectors() * s.lanes(); }
int64_t group_floats(const ScanShape &s) { return s.groups() * s.pixels() * s.directions * s.row(); }
int64_t gradient_floats(const ScanShape &s) { return s.images * s.pieces * packed_floats(s); }
int64_t state_floats(const ScanShape &s)
{
    return (int64_t)s.images * s.directions * (s.chunks() - 1) * SCAN_STATES * s.channels;
}

size_t end_bytes(const ScanShape &s)
{
    return s.pieces == 1 ? 0 : floats((int64_t)s.images * s.directions * s.pieces * (SCAN_STATES + 1) * s.channels);
}

/* Scratch: the ends of pieces; the parts of tiles and directions (in backward one more, for dx through the projections; later x
 * in float32); the products' workspace; in inference the projections; in backward their gradients, those of each tile and group,
 * and those of the packed parameters. */
struct Scratch {
    float *ends, *parts, *projections, *dprojections, *group_dprojections, *dpacked;
    void *workspace;
    size_t bytes;
};

Scratch scratch_of(const PreparedScan *p, const Node *node, bool backward)
{
    const ScanShape &s = p->s;
    char *at = (char *)node->scratch;
    const auto take = [&](size_t bytes) { return (at += rounded(bytes)) - rounded(bytes); };
    Scratch m = {};
    m.ends = (float *)take(end_bytes(s));
    m.parts =
        (float *)take((size_t)(part_floats(s) * s.tiles() + (backward ? s.pixels() * s.channels : 0)) * sizeof(float));
    if (!backward) {
        m.workspace = take(gpu_product_workspace(p->projection));
        m.projections =
            node->has_backward ? (float *)node->saved[SAVED_PROJECTIONS] : (float *)take(projection_bytes(s));
    } else {
        m.workspace = take(larger(gpu_product_workspace(p->data), gpu_product_workspace(p->weights)));
        m.dprojections = (float *)take(projection_bytes(s));
        m.group_dprojections = (float *)take((size_t)(group_floats(s) * s.tiles()) * sizeof(float));
        m.dpacked = (float *)take((size_t)(gradient_floats(s) * s.tiles()) * sizeof(float));
    }
    m.bytes = (size_t)(at - (char *)node->scratch);
    return m;
}

bool supports(const Node *node) { return ((const SelectiveScan *)node->attr)->rank <= SCAN_RANK_MOST; }

int prepare_products(PreparedScan *p, const Node *node, DType type, Err *e)
{
    const ScanShape &s = p->s;
    const int64_t columns = s.directions * s.row(), d = s.channels, pixels = s.pixels();
    const bool tf32 = type == DTYPE_BF16;
    const GpuMatrix rows = {columns, DTYPE_F32, false}, x = {node->in[0]->pitch, type, false};
    const GpuMatrix image = tf32 ? GpuMatrix{d, DTYPE_F32, false} : x; /* x in float32 */
    const GpuProductShape projection = {pixels, d, columns, x, {d, type, true}, rows, false, false, false};
    const GpuProductShape data = {pixels, columns, d,    rows, {d, DTYPE_F32, false}, {d, DTYPE_F32, false},
                                  tf32,   false,   false};
    const GpuProductShape weights = {columns, pixels, d,    {columns, DTYPE_F32, true}, image, {d, DTYPE_F32, false},
                                     tf32,    false,  false};
    TRY(gpu_product_new(&p->projection, &projection, e));
    if (node->has_backward && node->wants_grad[0]) TRY(gpu_product_new(&p->data, &data, e));
    return node->trains_param[X_PROJ] ? gpu_product_new(&p->weights, &weights, e) : 0;
}

template <class T> int prepare(Node *node, Err *e)
{
    const bool half = GpuType<T>::dtype == DTYPE_BF16;
    PreparedScan *p = (PreparedScan *)mem_zalloc(1, sizeof *p, e);
    node->state = p;
    if (!p) return ERR_NOMEM;
    p->s = shape_of(node);
    TRY(prepare_products(p, node, GpuType<T>::dtype, e));
    node->packed_bytes = floats(packed_floats(p->s) * p->s.tiles());
    if (half) node->packed_bytes += (size_t)node->param_info[X_PROJ]->count * sizeof(T);
    node->packed_params = SCAN_ALL_PARAMS & ~(!half || p->data ? 1u << X_PROJ : 0);
    if (node->has_backward) {
        node->saved_bytes[SAVED_PROJECTIONS] = projection_bytes(p->s);
        node->saved_bytes[SAVED_STATES] = floats(state_floats(p->s) * p->s.tiles());
        node->scratch_bytes[1] = scratch_of(p, node, true).bytes;
    }
    node->scratch_bytes[0] = scratch_of(p, node, false).bytes;
    return 0;
}

void release(Node *node)
{
    PreparedScan *p = (PreparedScan *)node->state;
    if (!p) return;
    gpu_product_free(p->projection);
    gpu_product_free(p->data);
    gpu_product_free(p->weights);
    mem_free(p);
    node->state = NULL;
}

/* ---- parameters ---- */

struct ScanParams {
    const float *dt_weight, *dt_bias, *A_logs, *Ds;
};

/* Rows are (tile, direction, vector), columns lanes(). */
struct Pack {
    float *to;
    ScanParams p;
    ScanShape s;
    __device__ float value(int64_t tile, int64_t v, int64_t d) const
    {
        const float log2e = 1.44269504f;
        const int64_t n = tile * SCAN_STATES + v, r = v - SCAN_STATES;
        if (v < SCAN_STATES) return n < s.states ? -expf(p.A_logs[d * s.states + n]) * log2e : 0;
        if (r < s.rank) return p.dt_weight[d * s.rank + r] * log2e;
        if (r == s.ranks()) return p.dt_bias[d] * log2e;
        return r == s.ranks() + 1 && !tile ? p.Ds[d] : 0;
    }
    template <int> __device__ void at(int64_t row, int64_t c) const
    {
        const int64_t k = row / s.vectors(), d = k % s.directions * s.channels + c;
        to[row * s.lanes() + c] = c < s.channels ? value(k / s.directions, row % s.vectors(), d) : 0;
    }
};

struct ScanParamGradients {
    float *dt_weight, *dt_bias, *A_logs, *Ds; /* NULL: not wanted */
};

/* Adds the sets of images and pieces in order, and writes them as PyTorch has them. Rows are (direction, state, r, bias or Ds).
 * All tiles give parts to the gradients of delta's parameters; what they have of Ds is the same. */
struct Unpack {
    ScanParamGradients p;
    const float *sets;
    ScanShape s;
    __host__ __device__ int rows() const { return s.states + s.rank + 2; } /* of a direction */
    /* Where the parameter of a channel goes; NULL: nowhere. */
    __device__ float *place(int64_t r, int64_t d) const
    {
        if (r < 0) return p.A_logs ? p.A_logs + d * s.states + s.states + r : NULL;
        if (r < s.rank) return p.dt_weight ? p.dt_weight + d * s.rank + r : NULL;
        if (r == s.rank) return p.dt_bias ? p.dt_bias + d : NULL;
        return p.Ds ? p.Ds + d : NULL;
    }
    template <int> __device__ void at(int64_t row, int64_t c) const
    {
        const int64_t k = row / rows(), n = row % rows(), r = n - s.states;
        const int64_t tile = r < 0 ? n / SCAN_STATES : 0, end = r < 0 || r > s.rank ? tile + 1 : s.tiles();
        const int64_t vector = r < 0 ? n % SCAN_STATES : SCAN_STATES + (r < s.rank ? r : r - s.rank + s.ranks());
        const int64_t sets_of_tile = s.images * s.pieces, size = (int64_t)s.directions * s.vectors() * s.lanes();
        const float *from = sets + (k * s.vectors() + vector) * s.lanes() + c;
        float *to = place(r, k * s.channels + c);
        double sum = 0;
        for (int64_t set = tile * sets_of_tile; set < end * sets_of_tile; set++) sum += (double)from[set * size];
        if (to) *to = (float)sum;
    }
};

/* The weights of the projections as the product reads them: in bfloat16 they are packed behind the scan's parameters. */
template <class T> T *projection_weights(const Node *node, const PreparedScan *p)
{
    if (GpuType<T>::dtype == DTYPE_F32) return (T *)node->param[X_PROJ];
    return (T *)((char *)node->packed + floats(packed_floats(p->s) * p->s.tiles()));
}

template <class T> void refresh(Node *node)
{
    const PreparedScan *p = (const PreparedScan *)node->state;
    const float *const *params = node->param;
    const int64_t count = node->param_info[X_PROJ]->count;
    const GpuShape s = {(int64_t)p->s.tiles() * p->s.directions * p->s.vectors(), p->s.lanes(), false, false};
    gpu_each_of<1>(s,
                   Pack{(float *)node->packed, {params[DT_WEIGHT], params[DT_BIAS], params[A_LOGS], params[DS]}, p->s});
    if (GpuType<T>::dtype == DTYPE_BF16)
        gpu_move(projection_weights<T>(node, p), count, params[X_PROJ], count, 1, count, false);
}

/* ---- passes ---- */

/* y = the sum of the parts; add: y += it. */
template <class T> void merge(void *y, const Tensor *t, const ScanShape &shape, const float *parts, int count, bool add)
{
    GpuShape s = gpu_rows(shape.pixels(), shape.channels);
    gpu_narrow(&s, y, t->pitch);
    gpu_narrow(&s, parts, s.columns);
    s.dense = false;
    gpu_each(s, ScanMerge<T>{{(T *)y, t->pitch}, parts, s.rows * s.columns, s.columns, count, add});
}

template <class T> void forward(Node *node, const Step *)
{
    const PreparedScan *p = (const PreparedScan *)node->state;
    const Tensor *x = node->in[0], *y = node->out[0];
    const Scratch m = scratch_of(p, node, false);
    gpu_product_run(p->projection, x->data, projection_weights<T>(node, p), NULL, m.projections, m.workspace,
                    node->failure);
    const Plane<const T> image = {(const T *)x->data, x->pitch};
    float *states = node->has_backward ? (float *)node->saved[SAVED_STATES] : NULL;
    for (ScanShape s = p->s; s.tile < s.tiles(); s.tile++) {
        const float *packed = (const float *)node->packed + s.tile * packed_floats(s);
        scan_ends_launch(ScanEnds<T>{s, image, m.projections, packed, m.ends}, false);
        scan_forward_launch(ScanForward<T>{s, image, m.projections, packed, m.ends, m.parts + s.tile * part_floats(s),
                                           states ? states + s.tile * state_floats(s) : NULL});
    }
    merge<T>(y->data, y, p->s, m.parts, p->s.tiles() * p->s.directions, false);
}

/* dx = the parts + what goes through the projections, as one more part. */
template <class T> void give_data(const Node *node, const PreparedScan *p, const Scratch &m)
{
    const Tensor *x = node->in[0];
    float *last = m.parts + p->s.tiles() * part_floats(p->s);
    gpu_product_run(p->data, m.dprojections, node->param[X_PROJ], NULL, last, m.workspace, node->failure);
    merge<T>(x->grad, x, p->s, m.parts, p->s.tiles() * p->s.directions + 1, node->accumulate[0]);
}

/* d(x_proj); in bfloat16 x is converted in place of the parts. */
template <class T> void give_weights(const Node *node, const PreparedScan *p, const Scratch &m)
{
    const Tensor *x = node->in[0];
    const void *image = x->data;
    if (GpuType<T>::dtype == DTYPE_BF16) {
        gpu_move(m.parts, p->s.channels, (const T *)x->data, x->pitch, p->s.pixels(), p->s.channels, false);
        image = m.parts;
    }
    gpu_product_run(p->weights, m.dprojections, image, NULL, node->param_grad[X_PROJ], m.workspace, node->failure);
}

/* Tables of gradients of the projections have B and C of one tile: with several, the others' are 0. */
template <class T> void scan_back(const Node *node, const PreparedScan *p, const Scratch &m)
{
    const Tensor *x = node->in[0], *y = node->out[0];
    const Plane<const T> image = {(const T *)x->data, x->pitch}, dy = {(const T *)y->grad, y->pitch};
    const float *projections = (const float *)node->saved[SAVED_PROJECTIONS],
                *states = (const float *)node->saved[SAVED_STATES];
    if (p->s.tiles() > 1) {
        const int64_t count = p->s.tiles() * group_floats(p->s);
        gpu_clear(m.group_dprojections, count, 1, count);
    }
    for (ScanShape s = p->s; s.tile < s.tiles(); s.tile++) {
        const float *packed = (const float *)node->packed + s.tile * packed_floats(s);
        scan_ends_launch(ScanEnds<T>{s, dy, projections, packed, m.ends}, true);
        scan_backward_launch(ScanBackward<T>{s, image, dy, projections, packed, states + s.tile * state_floats(s),
                                             m.ends, m.parts + s.tile * part_floats(s),
                                             m.group_dprojections + s.tile * group_floats(s),
                                             m.dpacked + s.tile * gradient_floats(s)},
                             node->failure);
    }
}

template <class T> void backward(Node *node, const Step *)
{
    const PreparedScan *p = (const PreparedScan *)node->state;
    const ScanShape &s = p->s;
    const Scratch m = scratch_of(p, node, true);
    float *const *grads = node->param_grad;
    const int64_t table = group_floats(s) / s.groups();
    scan_back<T>(node, p, m);
    gpu_sum_rows(m.dprojections, 0, m.group_dprojections, s.tiles() * s.groups(), table, table, 1);
    const Unpack unpack = {{grads[DT_WEIGHT], grads[DT_BIAS], grads[A_LOGS], grads[DS]}, m.dpacked, s};
    gpu_each_of<1>(GpuShape{(int64_t)s.directions * unpack.rows(), s.channels, false, false}, unpack);
    if (p->data) give_data<T>(node, p, m);
    if (p->weights) give_weights<T>(node, p, m);
}
} // namespace

GPU_IMPL(selective_scan, .strided_in = 1, .strided_out = 1, .supports = supports, .prepare = prepare<T>,
         .refresh = refresh<T>, .forward = forward<T>, .backward = backward<T>, .release = release)
