#include "preprocess/resample.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "preprocess/axis_map.h"
#include "preprocess/lines.h"

static const Range no_clip = {-INFINITY, INFINITY};

int resample_separate_axis(SeparateZ separate_z, const double current_mm[3], const double new_mm[3])
{
    const double *spacings[] = {current_mm, new_mm};
    if (separate_z == SEPARATE_NEVER) return -1;
    for (int s = 0; s < 2; s++) {
        const double *mm = spacings[s];
        const double low = fmin(fmin(mm[0], mm[1]), mm[2]), high = fmax(fmax(mm[0], mm[1]), mm[2]);
        if (separate_z == SEPARATE_BY_SPACING && !(high / low > 3)) continue;
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

/* What one volume's resizing needs: a map per axis, and room for a block of lines and a slice. */
typedef struct Resizer {
    AxisMap maps[3];
    double *block, *resized;   /* a block of lines before and after */
    double *slice;             /* between the two passes of a slice */
    double *slices;            /* slices before the pass across them, or NULL */
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

static int resizer_new(Resizer *r, const Volume *in, const Volume *out, int order, int order_z, Err *e)
{
    *r = (Resizer){0};
    int64_t block = 0, resized = 0;
    int code = 0;
    for (int i = 0; i < 3 && !code; i++) {
        AxisMap *m = &r->maps[i];
        code = axis_map_new(m, in->shape[i], out->shape[i], i ? order : order_z, e);
        if (axis_block_size(m) > block) block = axis_block_size(m);
        if (m->out * AXIS_LANES > resized) resized = m->out * AXIS_LANES;
    }
    if (code) goto failed;
    code = ERR_NOMEM;
    if (!(r->block = doubles(block, e)) || !(r->resized = doubles(resized, e))) goto failed;
    if (!(r->slice = doubles(in->shape[1] * out->shape[2], e))) goto failed;
    if (r->maps[0].identity || r->maps[0].order == 0) return 0;
    if (!(r->slices = doubles(in->shape[0] * out->shape[1] * out->shape[2], e))) goto failed;
    return 0;
failed:
    resizer_free(r);
    return code;
}

/* Two axes of a volume at one place of the third. */
typedef struct Plane {
    DType dtype;
    char *data;
    int64_t shape[2], stride[2];
} Plane;

static Plane plane_of(const Volume *v, int axis, int64_t at)
{
    const int a = axis == 0 ? 1 : 0, b = axis == 2 ? 1 : 2;
    return (Plane){v->dtype, v->data + at * v->stride[axis], {v->shape[a], v->shape[b]}, {v->stride[a], v->stride[b]}};
}

static Plane plane_of_doubles(double *data, int64_t rows, int64_t columns)
{
    const int64_t item = sizeof(double);
    return (Plane){DTYPE_F64, (char *)data, {rows, columns}, {columns * item, item}};
}

static Lines plane_lines(const Plane *p, int axis, int64_t lane, int64_t lanes)
{
    return (Lines){p->dtype, p->data + lane * p->stride[!axis], p->shape[axis], lanes, p->stride[axis], p->stride[!axis]};
}

/* Resizes a plane along one of its axes; the other one keeps its length. */
static void resize_plane_axis(Resizer *r, const AxisMap *m, Plane in, Plane out, int axis, Range clip)
{
    const int64_t all = in.shape[!axis];
    for (int64_t lane = 0; lane < all; lane += AXIS_LANES) {
        const int64_t lanes = all - lane < AXIS_LANES ? all - lane : AXIS_LANES;
        const Lines from = plane_lines(&in, axis, lane, lanes), to = plane_lines(&out, axis, lane, lanes);
        if (m->identity) {
            lines_load(&from, r->resized);
        } else {
            lines_load(&from, r->block + AXIS_MARGIN * AXIS_LANES);
            axis_resize(m, r->block, r->resized);
        }
        lines_store(&to, r->resized, clip);
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

static Range plane_range(Resizer *r, Plane p)
{
    Range range = {INFINITY, -INFINITY};
    for (int64_t row = 0; row < p.shape[0]; row++)
        for (int64_t lane = 0; lane < p.shape[1]; lane += AXIS_LANES) {
            const int64_t lanes = p.shape[1] - lane < AXIS_LANES ? p.shape[1] - lane : AXIS_LANES;
            Lines few = plane_lines(&p, 0, lane, lanes);
            few.data += row * p.stride[0];
            few.n = 1;
            lines_load(&few, r->block);
            for (int l = 0; l < AXIS_LANES; l++) {
                range.low = r->block[l] < range.low ? r->block[l] : range.low;
                range.high = r->block[l] > range.high ? r->block[l] : range.high;
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

/* Every slice is resized, then, where axis 0 changes, the lines across the slices. Slices are clipped to
 * their own range if `each_slice`, else what is written last to the volume's. */
static void resize_volume(Resizer *r, const Volume *in, const Volume *out, bool each_slice, bool clips)
{
    const AxisMap *across = &r->maps[0];
    const Range whole = clips && !each_slice ? volume_range(r, in) : no_clip;
    const int64_t plane = out->shape[1] * out->shape[2], count = r->slices ? in->shape[0] : out->shape[0];
    for (int64_t k = 0; k < count; k++) {
        const Plane from = plane_of(in, 0, r->slices || across->identity ? k : across->first[k]);
        const Plane to = r->slices ? plane_of_doubles(r->slices + k * plane, out->shape[1], out->shape[2])
                                   : plane_of(out, 0, k);
        const Range range = clips && each_slice ? plane_range(r, from) : r->slices ? no_clip : whole;
        resize_plane(r, from, to, range);
    }
    if (!r->slices) return;
    const int64_t item = sizeof(double);
    const Volume slices = {DTYPE_F64, (char *)r->slices, {in->shape[0], out->shape[1], out->shape[2]},
                           {plane * item, out->shape[2] * item, item}};
    for (int64_t y = 0; y < out->shape[1]; y++)
        resize_plane_axis(r, across, plane_of(&slices, 1, y), plane_of(out, 1, y), 0, whole);
}

static void copy_volume(const Volume *in, const Volume *out)
{
    double block[AXIS_LANES];
    for (int64_t z = 0; z < in->shape[0]; z++)
        for (int64_t y = 0; y < in->shape[1]; y++)
            for (int64_t x = 0; x < in->shape[2]; x += AXIS_LANES) {
                const int64_t lanes = in->shape[2] - x < AXIS_LANES ? in->shape[2] - x : AXIS_LANES;
                char *from = volume_row(in, z, y) + x * in->stride[2];
                char *to = volume_row(out, z, y) + x * out->stride[2];
                lines_load(&(Lines){in->dtype, from, 1, lanes, 0, in->stride[2]}, block);
                lines_store(&(Lines){out->dtype, to, 1, lanes, 0, out->stride[2]}, block, no_clip);
            }
}

int resample_values(const Volume *in, const Volume *out, const Resampling *how, int axis, Err *e)
{
    if (!memcmp(in->shape, out->shape, sizeof in->shape)) {
        copy_volume(in, out);
        return 0;
    }
    const Volume from = volume_with_first(*in, axis), to = volume_with_first(*out, axis);
    const bool each_slice = axis >= 0;
    Resizer r;
    TRY(resizer_new(&r, &from, &to, how->order, each_slice ? how->order_z : how->order, e));
    resize_volume(&r, &from, &to, each_slice, how->order > 0);
    resizer_free(&r);
    return 0;
}
