#include "preprocess/resample.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "preprocess/axis_map.h"
#include "preprocess/lines.h"

static const Range no_clip = {-INFINITY, INFINITY};

int resample_separate_axis(PlanSwitch force, const double current_mm[3], const double new_mm[3])
{
    const double *spacings[] = {current_mm, new_mm};
    if (force == SWITCH_OFF) return -1;
    for (int s = 0; s < 2; s++) {
        const double *mm = spacings[s];
        const double low = fmin(fmin(mm[0], mm[1]), mm[2]), high = fmax(fmax(mm[0], mm[1]), mm[2]);
        if (force == SWITCH_AUTO && !(high / low > 3)) continue;
        int axis = -1;
        for (int i = 0; i < 3; i++) {
            if (high / mm[i] != 1) continue;
            if (axis >= 0) return -1;
            axis = i;
        }
        return axis;
    }
    return -1;
}

void resample_shape(int64_t out[3], const int64_t shape[3], const double old_mm[3], const double new_mm[3])
{
    for (int i = 0; i < 3; i++) out[i] = (int64_t)nearbyint(old_mm[i] / new_mm[i] * (double)shape[i]);
}

/* State of resizing one volume: a map per axis, and scratch for a block of lines and a slice. */
typedef struct Resizer {
    AxisMap maps[3];
    bool each_slice;         /* each slice is resized, then the lines across slices */
    bool linear;             /* order 1, within slices or in three dimensions */
    double *block, *resized; /* a block of lines before and after */
    double *slice;           /* between the two passes of a slice */
    double *slices;          /* all slices before the pass across them, or NULL */
} Resizer;

static void resizer_free(Resizer *r)
{
    for (int i = 0; i < 3; i++) axis_map_free(&r->maps[i]);
    mem_free(r->block);
    mem_free(r->resized);
    mem_free(r->slice);
    mem_free(r->slices);
}

static double *doubles(int64_t count, Err *e) { return mem_alloc(mem_product((size_t)count, sizeof(double)), e); }

static bool resizer_keeps_slices(const Resizer *r)
{
    const AxisMap *across = &r->maps[0];
    return !across->identity && across->order > 0 && (r->each_slice || !r->linear);
}

static int resizer_allocate(Resizer *r, const Volume *in, const Volume *out, Err *e)
{
    int64_t block = 0, resized = 0;
    for (int i = 0; i < 3; i++) {
        const AxisMap *m = &r->maps[i];
        if (axis_block_size(m) > block) block = axis_block_size(m);
        if (m->out * AXIS_LANES > resized) resized = m->out * AXIS_LANES;
    }
    const int64_t columns = in->shape[2] > out->shape[2] ? in->shape[2] : out->shape[2];
    r->block = doubles(block, e);
    r->resized = doubles(resized, e);
    r->slice = doubles((in->shape[1] + 4) * columns, e);
    if (!r->block || !r->resized || !r->slice) return ERR_NOMEM;
    if (!resizer_keeps_slices(r)) return 0;
    r->slices = doubles(in->shape[0] * out->shape[1] * out->shape[2], e);
    return r->slices ? 0 : ERR_NOMEM;
}

static int resizer_new(Resizer *r, const Volume *in, const Volume *out, const PlanResampling *how, bool each_slice,
                       Err *e)
{
    *r = (Resizer){.each_slice = each_slice, .linear = how->order == 1};
    int code = 0;
    for (int i = 0; i < 3 && !code; i++) {
        const int order = i == 0 && each_slice ? how->order_z : how->order;
        code = axis_map_new(&r->maps[i], in->shape[i], out->shape[i], order, e);
    }
    if (!code) code = resizer_allocate(r, in, out, e);
    if (code) resizer_free(r);
    return code;
}

/* A block of samples `axis` of a plane, for up to AXIS_LANES lines from `lane` on. */
static Line plane_samples(const Plane *p, int axis, int64_t sample, int64_t lane)
{
    const int64_t left = p->shape[!axis] - lane, lanes = left < AXIS_LANES ? left : AXIS_LANES;
    return (Line){p->dtype, p->data + sample * p->stride[axis] + lane * p->stride[!axis], lanes, p->stride[!axis]};
}

/* Resizes a plane along one of its axes; the other one keeps its length. */
static void resize_plane_axis(Resizer *r, const AxisMap *m, Plane in, Plane out, int axis, Range clip)
{
    double *samples = m->identity ? r->resized : r->block + AXIS_MARGIN * AXIS_LANES;
    for (int64_t lane = 0; lane < in.shape[!axis]; lane += AXIS_LANES) {
        for (int64_t i = 0; i < m->in; i++) {
            const Line from = plane_samples(&in, axis, i, lane);
            double *values = samples + i * AXIS_LANES;
            line_load(&from, values);
            for (int64_t l = from.n; l < AXIS_LANES; l++) values[l] = values[from.n - 1];
        }
        if (!m->identity) axis_resize(m, r->block, r->resized);
        for (int64_t k = 0; k < m->out; k++) {
            const Line to = plane_samples(&out, axis, k, lane);
            line_store(&to, r->resized + k * AXIS_LANES, clip);
        }
    }
}

static void resize_plane(Resizer *r, Plane in, Plane out, Range clip)
{
    if (r->maps[2].identity) {
        resize_plane_axis(r, &r->maps[1], in, out, 0, clip);
        return;
    }
    if (r->maps[1].identity) {
        resize_plane_axis(r, &r->maps[2], in, out, 1, clip);
        return;
    }
    const Plane between = plane_of_doubles(r->slice, in.shape[0], out.shape[1]);
    resize_plane_axis(r, &r->maps[2], in, between, 1, no_clip);
    resize_plane_axis(r, &r->maps[1], between, out, 0, clip);
}

static void add_row(const AxisMap *x, const double *row, double *sums)
{
    for (int64_t k = 0; k < x->out; k++) {
        const int64_t left = axis_clamp(x, x->first[k]), right = axis_clamp(x, x->first[k] + 1);
        sums[k] += row[left] * x->weights[2 * k];
        sums[k] += row[right] * x->weights[2 * k + 1];
    }
}

/* Linear between the planes in[0] and in[1], whose weights are wz: products and sums in scipy's order, corner
 * by corner, so that what is rounded to half precision afterwards rounds the same way. */
static void linear_plane(Resizer *r, const Plane in[2], const double wz[2], Plane out, Range clip)
{
    const AxisMap *y = &r->maps[1];
    double *row = r->slice, *sums = row + in[0].shape[1];
    for (int64_t k = 0; k < y->out; k++) {
        const int64_t up = axis_clamp(y, y->first[k]), down = axis_clamp(y, y->first[k] + 1);
        memset(sums, 0, (size_t)out.shape[1] * sizeof *sums);
        for (int corner = 0; corner < 4; corner++) {
            const double z_weight = wz[corner / 2], y_weight = y->weights[2 * k + corner % 2];
            if (z_weight == 0 || y_weight == 0) continue;
            const Line from = plane_row(&in[corner / 2], corner % 2 ? down : up);
            line_load(&from, row);
            for (int64_t x = 0; x < from.n; x++) row[x] = row[x] * z_weight * y_weight;
            add_row(&r->maps[2], row, sums);
        }
        const Line to = plane_row(&out, k);
        line_store(&to, sums, clip);
    }
}

static Range plane_range(Resizer *r, Plane p)
{
    Range range = {INFINITY, -INFINITY};
    for (int64_t y = 0; y < p.shape[0]; y++) {
        const Line row = plane_row(&p, y);
        line_load(&row, r->slice);
        for (int64_t x = 0; x < row.n; x++) {
            range.low = r->slice[x] < range.low ? r->slice[x] : range.low;
            range.high = r->slice[x] > range.high ? r->slice[x] : range.high;
        }
    }
    return range;
}

static Range volume_range(Resizer *r, const Volume *v)
{
    Range range = {INFINITY, -INFINITY};
    for (int64_t z = 0; z < v->shape[0]; z++) {
        const Range one = plane_range(r, plane_of(v, 0, z));
        range.low = fmin(range.low, one.low);
        range.high = fmax(range.high, one.high);
    }
    return range;
}

/* Computes slice k of `to` from one slice of `from`, or from two if the interpolation is linear in three
 * dimensions. */
static void resize_slice(Resizer *r, const Volume *from, const Volume *to, int64_t k, Range clip)
{
    const AxisMap *across = &r->maps[0];
    const bool moves = !across->identity && !r->slices;
    const int64_t first = moves ? axis_clamp(across, across->first[k]) : k;
    const Plane out = plane_of(to, 0, k);
    if (!r->linear) {
        resize_plane(r, plane_of(from, 0, first), out, clip);
        return;
    }
    const int64_t second = moves ? axis_clamp(across, across->first[k] + 1) : k;
    const double *wz = moves && across->order == 1 ? across->weights + 2 * k : (const double[2]){1, 0};
    linear_plane(r, (const Plane[2]){plane_of(from, 0, first), plane_of(from, 0, second)}, wz, out, clip);
}

/* Clips each slice to its own range if slices are resized separately, else the volume to its range. */
static void resize_volume(Resizer *r, const Volume *in, const Volume *out, bool clips)
{
    const Range whole = clips && !r->each_slice ? volume_range(r, in) : no_clip;
    const int64_t item = sizeof(double), plane = out->shape[1] * out->shape[2];
    const Volume slices = {DTYPE_F64,
                           (char *)r->slices,
                           {in->shape[0], out->shape[1], out->shape[2]},
                           {plane * item, out->shape[2] * item, item}};
    const Volume *to = r->slices ? &slices : out;
    for (int64_t k = 0; k < to->shape[0]; k++) {
        Range range = r->slices ? no_clip : whole;
        if (clips && r->each_slice) {
            const bool nearest = !r->slices && !r->maps[0].identity;
            range = plane_range(r, plane_of(in, 0, nearest ? r->maps[0].first[k] : k));
        }
        resize_slice(r, in, to, k, range);
    }
    for (int64_t y = 0; r->slices && y < out->shape[1]; y++)
        resize_plane_axis(r, &r->maps[0], plane_of(&slices, 1, y), plane_of(out, 1, y), 0, whole);
}

static int copy_volume(const Volume *in, const Volume *out, Err *e)
{
    if (in->dtype == out->dtype) {
        volume_copy(in, out);
        return 0;
    }
    double *row = doubles(in->shape[2], e);
    if (!row) return ERR_NOMEM;
    for (int64_t z = 0; z < in->shape[0]; z++)
        for (int64_t y = 0; y < in->shape[1]; y++) {
            line_load(&(Line){in->dtype, volume_row(in, z, y), in->shape[2], in->stride[2]}, row);
            line_store(&(Line){out->dtype, volume_row(out, z, y), out->shape[2], out->stride[2]}, row, no_clip);
        }
    mem_free(row);
    return 0;
}

int resample_values(const Volume *in, const Volume *out, const PlanResampling *how, int axis, Err *e)
{
    if (!memcmp(in->shape, out->shape, sizeof in->shape)) return copy_volume(in, out, e);
    const Volume from = volume_with_first(*in, axis), to = volume_with_first(*out, axis);
    Resizer r;
    TRY(resizer_new(&r, &from, &to, how, axis >= 0, e));
    resize_volume(&r, &from, &to, how->order > 0);
    resizer_free(&r);
    return 0;
}

int64_t resample_bytes(const int64_t in[3], const int64_t out[3], const PlanResampling *how, int axis)
{
    if (!memcmp(in, out, 3 * sizeof *in)) return 0;
    const Volume from = volume_with_first((Volume){.shape = {in[0], in[1], in[2]}}, axis);
    const Volume to = volume_with_first((Volume){.shape = {out[0], out[1], out[2]}}, axis);
    int64_t longest = 0, doubles_in_all = 0;
    for (int i = 0; i < 3; i++) {
        const int64_t lengths = from.shape[i] + to.shape[i];
        longest = lengths > longest ? lengths : longest;
        doubles_in_all += (how->order + 2) * to.shape[i]; /* an axis map */
    }
    doubles_in_all += 2 * (longest + 2 * AXIS_MARGIN) * AXIS_LANES;
    doubles_in_all += (from.shape[1] + 4) * (from.shape[2] > to.shape[2] ? from.shape[2] : to.shape[2]);
    const bool across = from.shape[0] != to.shape[0] && (axis >= 0 ? how->order_z : how->order) > 0;
    if (across) doubles_in_all += from.shape[0] * to.shape[1] * to.shape[2];
    return doubles_in_all * (int64_t)sizeof(double);
}
