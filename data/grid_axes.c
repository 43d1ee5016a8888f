#include "data/grid_axes.h"

#include <math.h>
#include <nifti2_io.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"

static const double spacing_tolerance = 1e-3; /* relative: spacings pass through float32 and through text */

GridAxes grid_axes_stored(void) { return (GridAxes){.from = {0, 1, 2}}; }

bool grid_axes_equal(const GridAxes *a, const GridAxes *b)
{
    for (int i = 0; i < 3; i++)
        if (a->from[i] != b->from[i] || a->flip[i] != b->flip[i]) return false;
    return true;
}

bool grid_axes_is_stored(const GridAxes *axes)
{
    const GridAxes stored = grid_axes_stored();
    return grid_axes_equal(axes, &stored);
}

GridAxes grid_axes_inverse(const GridAxes *axes)
{
    GridAxes inverse;
    for (int i = 0; i < 3; i++) {
        inverse.from[axes->from[i]] = i;
        inverse.flip[axes->from[i]] = axes->flip[i];
    }
    return inverse;
}

/* ---- place: step[i] is the vector in space from a voxel to the next along array axis i, origin the position of
 * voxel 0 ---- */

typedef struct Place {
    double step[3][3], origin[3];
} Place;

static Place place_of(const Geometry *g)
{
    double affine[3][4];
    Place p;
    geometry_affine(g, affine);
    for (int world = 0; world < 3; world++) {
        for (int axis = 0; axis < 3; axis++) p.step[axis][world] = affine[world][2 - axis];
        p.origin[world] = affine[world][3];
    }
    return p;
}

static double dot(const double a[3], const double b[3]) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }

bool grid_has_place(const Geometry *g)
{
    if (g->orientation.qform_code <= 0 && g->orientation.sform_code <= 0) return false;
    const Place p = place_of(g);
    for (int i = g->dimensions == 2; i < 3; i++)
        if (!(dot(p.step[i], p.step[i]) > 0)) return false;
    return true;
}

/* The place of the reoriented array. */
static Place place_turned(const Place *p, const GridAxes *axes, const int64_t turned_shape[3])
{
    Place out = *p;
    for (int i = 0; i < 3; i++) {
        const double *step = p->step[axes->from[i]];
        for (int world = 0; world < 3; world++) {
            out.step[i][world] = axes->flip[i] ? -step[world] : step[world];
            if (axes->flip[i]) out.origin[world] += (double)(turned_shape[i] - 1) * step[world];
        }
    }
    return out;
}

/* The largest distance between corners of the two grids along one of the axes, in voxels of `expected`, except
 * along the axis `left_out` (-1: none). Without the origins: the distance that the directions alone cause. */
static double farthest_corner(const Place *found, const Place *expected, const Geometry *grid, int left_out,
                              bool with_origin)
{
    double most = 0;
    for (int corner = 0; corner < 8; corner++) {
        double apart[3];
        for (int world = 0; world < 3; world++) {
            apart[world] = with_origin ? found->origin[world] - expected->origin[world] : 0;
            for (int i = 0; i < 3; i++) {
                const double at = corner >> i & 1 ? (double)(grid->shape_zyx[i] - 1) : 0;
                apart[world] += at * (found->step[i][world] - expected->step[i][world]);
            }
        }
        for (int i = 0; i < 3; i++) {
            if (i == left_out) continue;
            const double voxels = fabs(dot(apart, expected->step[i])) / dot(expected->step[i], expected->step[i]);
            if (!(voxels <= most)) most = voxels; /* a NaN counts as far apart */
        }
    }
    return most;
}

/* ---- matching ---- */

int grid_axis_across(const Geometry *g)
{
    for (int i = 0; i < 3; i++)
        if (g->shape_zyx[i] == 1) return i;
    return -1;
}

/* The axis of `expected` across the plane, where both are the same plane, one stored with two axes and the other
 * with three; else -1. Size and position along that axis are not compared. */
static int plane_across(const Geometry *found, const Geometry *expected)
{
    if (found->dimensions == 3 && expected->dimensions == 3) return -1;
    return grid_axis_across(found) < 0 ? -1 : grid_axis_across(expected);
}

/* Axes that move the axis across the plane to its position in `expected` and keep the order of the others. The
 * order of the voxels in memory stays. */
static GridAxes plane_axes(const Geometry *found, int across)
{
    GridAxes axes = {.from = {0}};
    const int own = grid_axis_across(found);
    for (int i = 0, from = 0; i < 3; i++) {
        if (i == across) {
            axes.from[i] = own;
            continue;
        }
        from += from == own;
        axes.from[i] = from++;
    }
    return axes;
}

static bool close_spacing(const Geometry *found, const Geometry *expected, const GridAxes *axes)
{
    const int left_out = plane_across(found, expected);
    for (int i = 0; i < 3; i++) {
        if (i == left_out) continue;
        const double a = found->spacing_zyx_mm[axes->from[i]], b = expected->spacing_zyx_mm[i];
        if (!(fabs(a - b) <= spacing_tolerance * b)) return false;
    }
    return true;
}

bool grid_same_spacing(const Geometry *found, const Geometry *expected)
{
    const int across = plane_across(found, expected);
    const GridAxes stored = across < 0 ? grid_axes_stored() : plane_axes(found, across);
    return close_spacing(found, expected, &stored);
}

/* Whether shape and spacing of the reoriented array are those of `expected`. */
static bool fits(const Geometry *found, const Geometry *expected, const GridAxes *axes)
{
    for (int i = 0; i < 3; i++)
        if (found->shape_zyx[axes->from[i]] != expected->shape_zyx[i]) return false;
    return close_spacing(found, expected, axes);
}

static double apart_after(const Geometry *found, const Geometry *expected, const GridAxes *axes, bool with_origin)
{
    const Place a = place_of(found), b = place_of(expected);
    const Place turned = place_turned(&a, axes, expected->shape_zyx);
    return farthest_corner(&turned, &b, expected, plane_across(found, expected), with_origin);
}

/* The 48 ways, the stored one first; among equal ones (an axis of one voxel) the one with the fewest changes comes
 * first. */
static GridAxes nth_axes(int n)
{
    static const int orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {2, 1, 0}, {1, 2, 0}, {2, 0, 1}};
    static const int flips[8] = {0, 1, 2, 4, 3, 5, 6, 7};
    GridAxes axes;
    for (int i = 0; i < 3; i++) {
        axes.from[i] = orders[n / 8][i];
        axes.flip[i] = flips[n % 8] >> i & 1;
    }
    return axes;
}

/* Whether both are planes that match when the axis of length 1 is moved to its position in `expected` and the
 * others keep their order; axes: how. */
static bool planes_fit(const Geometry *found, const Geometry *expected, GridAxes *axes)
{
    const int own = grid_axis_across(found), across = grid_axis_across(expected);
    if (own < 0 || across < 0 || (own == across && found->dimensions == 3 && expected->dimensions == 3)) return false;
    Geometry flat = *found;
    flat.dimensions = 2; /* its thickness is not compared */
    const GridAxes way = plane_axes(found, across);
    if (!fits(&flat, expected, &way)) return false;
    *axes = way;
    return true;
}

/* Compares the places in the sforms, or in the qforms where there is no sform. */
static GridMatch match_places(const Geometry *found, const Geometry *expected, GridAxes *axes)
{
    const int across = plane_across(found, expected), own = across < 0 ? -1 : grid_axis_across(found);
    const GridAxes stored = *axes = across < 0 ? grid_axes_stored() : plane_axes(found, across);
    const bool same_size = fits(found, expected, &stored);
    if (!grid_has_place(found) || !grid_has_place(expected))
        return same_size || planes_fit(found, expected, axes) ? GRID_SAME : GRID_DIFFERENT;
    for (int n = 0; n < 49; n++) { /* the stored order comes first */
        const GridAxes way = n ? nth_axes(n - 1) : stored;
        if (across >= 0 && (way.from[across] != own || way.flip[across])) continue;
        if (!fits(found, expected, &way) || apart_after(found, expected, &way, true) > GRID_TOLERANCE) continue;
        *axes = way;
        return n == 0 ? GRID_SAME : GRID_TURNED;
    }
    if (planes_fit(found, expected, axes)) return GRID_MOVED;
    if (!same_size || apart_after(found, expected, &stored, false) > GRID_TOLERANCE) return GRID_DIFFERENT;
    return GRID_MOVED;
}

/* A file may have two places. Returns their number, the sform first. */
static int places_of(Geometry places[2], const Geometry *g)
{
    places[0] = places[1] = *g;
    places[1].orientation.sform_code = 0;
    return g->orientation.sform_code > 0 && g->orientation.qform_code > 0 ? 2 : 1;
}

GridMatch grid_match(const Geometry *found, const Geometry *expected, GridAxes *axes)
{
    Geometry own[2], wanted[2];
    const int own_count = places_of(own, found), wanted_count = places_of(wanted, expected);
    GridMatch best = match_places(found, expected, axes);
    for (int k = 1; k < 4 && best > GRID_TURNED; k++) {
        GridAxes other;
        if (k % 2 >= own_count || k / 2 >= wanted_count) continue;
        const GridMatch match = match_places(&own[k % 2], &wanted[k / 2], &other);
        if (match > GRID_TURNED) continue;
        best = match;
        *axes = other;
    }
    return best;
}

/* ---- the nearest of the world's axes ---- */

/* The nearest matrix without shear; unchanged if its determinant is 0. r[world][x, y, z of the file]. */
static void nearest_rotation(const Geometry *g, double r[3][3])
{
    const Place p = place_of(g);
    nifti_dmat33 m;
    for (int axis = 0; axis < 3; axis++) {
        const double length = sqrt(dot(p.step[2 - axis], p.step[2 - axis]));
        for (int world = 0; world < 3; world++) m.m[world][axis] = p.step[2 - axis][world] / (length > 0 ? length : 1);
    }
    if (fabs(nifti_dmat33_determ(m)) > 1e-9) m = nifti_dmat33_polar(m);
    memcpy(r, m.m, sizeof m.m);
}

static double largest_in_column(double r[3][3], int column, int *row)
{
    *row = 0;
    for (int world = 1; world < 3; world++)
        if (fabs(r[world][column]) > fabs(r[*row][column])) *row = world;
    return fabs(r[*row][column]);
}

/* world[i], backwards[i]: the axis of the world that the file's axis i (x, y, z) is nearest to, and whether it
 * points against it. The best match is chosen first, as in nibabel. */
static void nearest_axes(const Geometry *g, int world[3], bool backwards[3])
{
    double r[3][3], strength[3];
    bool world_taken[3] = {false}, done[3] = {false};
    int row;
    nearest_rotation(g, r);
    for (int i = 0; i < 3; i++) strength[i] = largest_in_column(r, i, &row);
    for (int k = 0; k < 3; k++) {
        int best = -1;
        for (int i = 0; i < 3; i++)
            if (!done[i] && (best < 0 || strength[i] > strength[best])) best = i;
        if (largest_in_column(r, best, &row) <= 1e-8 || world_taken[row])
            for (row = 0; world_taken[row]; row++) continue; /* no direction: a remaining axis */
        done[best] = world_taken[row] = true;
        world[best] = row;
        backwards[best] = r[row][best] < 0;
        for (int i = 0; i < 3; i++) r[row][i] = 0;
    }
}

GridAxes grid_axes_read(const Geometry *g, ReaderAxes reader, int across)
{
    GridAxes axes = grid_axes_stored();
    if (reader == READER_STORED && g->dimensions == 3 && g->shape_zyx[across] > 1 && grid_axis_across(g) >= 0)
        return plane_axes(g, across);
    int world[3];
    bool backwards[3];
    if (g->dimensions == 2 || reader == READER_STORED) return axes;
    if (!grid_has_place(g)) {
        axes.flip[2] = reader == READER_RAS_NIBABEL || reader == READER_RAS_ITK;
        axes.flip[1] = reader == READER_RAS_ITK;
        return axes;
    }
    Geometry place = *g; /* ITK uses the sform only if its code is 1 (scanner), or if there is no qform */
    const bool has_qform = g->orientation.qform_code > 0;
    if (reader == READER_RAS_ITK && has_qform && g->orientation.sform_code != NIFTI_XFORM_SCANNER_ANAT)
        place.orientation.sform_code = 0;
    nearest_axes(&place, world, backwards);
    for (int i = 0; i < 3; i++) {
        axes.from[2 - world[i]] = 2 - i;
        axes.flip[2 - world[i]] = backwards[i];
    }
    return axes;
}

static const char forwards[] = "RAS", against[] = "LPI";

int grid_axes_to_code(GridAxes *axes, const Geometry *g, const char *code, Err *e)
{
    int world[3], taken = 0;
    bool backwards[3];
    nearest_axes(g, world, backwards);
    for (int k = 0; k < 3 && code[k]; k++) {
        const char *with = strchr(forwards, code[k]), *other = strchr(against, code[k]);
        const int wanted = with ? (int)(with - forwards) : other ? (int)(other - against) : 3;
        for (int i = 0; i < 3; i++) {
            if (world[i] != wanted) continue;
            axes->from[2 - k] = 2 - i;
            axes->flip[2 - k] = backwards[i] != !with;
            taken |= 1 << i;
        }
    }
    if (taken == 7 && strlen(code) == 3) return 0;
    return err_set(e, ERR_VALUE, "%s: expected the directions of x, y and z, as RAS or LPS", code);
}

void grid_axes_code(const Geometry *g, char code[GRID_CODE_BYTES])
{
    int world[3];
    bool backwards[3];
    strcpy(code, "none");
    if (!grid_has_place(g)) return;
    nearest_axes(g, world, backwards);
    for (int i = 0; i < 3; i++) code[i] = backwards[i] ? against[world[i]] : forwards[world[i]];
    code[g->dimensions == 2 ? 2 : 3] = '\0';
}

/* ---- reorienting ---- */

Geometry grid_axes_apply(const GridAxes *axes, const Geometry *g)
{
    Geometry out = *g;
    Orientation *o = &out.orientation;
    if (grid_axes_is_stored(axes)) return out;
    for (int i = 0; i < 3; i++) {
        out.shape_zyx[i] = g->shape_zyx[axes->from[i]];
        out.spacing_zyx_mm[i] = g->spacing_zyx_mm[axes->from[i]];
    }
    if (out.shape_zyx[0] != 1) out.dimensions = 3;
    if (!grid_has_place(g)) return out;
    const Place p = place_of(g), turned = place_turned(&p, axes, out.shape_zyx);
    if (o->sform_code <= 0) o->sform_code = o->qform_code;
    o->qform_code = 0;
    for (int world = 0; world < 3; world++) {
        for (int axis = 0; axis < 3; axis++) o->sform[world][2 - axis] = turned.step[axis][world];
        o->sform[world][3] = turned.origin[world];
    }
    return out;
}

#define COPY_ROW(TYPE) \
    for (int64_t i = 0; i < count; i++) ((TYPE *)to)[i] = ((const TYPE *)from)[i * stride]

/* Copies every stride-th element of `bytes` bytes. */
static void copy_row(char *to, const char *from, int64_t stride, int64_t count, size_t bytes)
{
    switch (bytes) {
    case 1: COPY_ROW(uint8_t); break;
    case 2: COPY_ROW(uint16_t); break;
    case 4: COPY_ROW(uint32_t); break;
    default: COPY_ROW(uint64_t); break;
    }
}

/* Reorients one channel of `shape` into `to`, which has the new shape. */
static void turn_channel(char *to, const char *from, const GridAxes *axes, const int64_t shape[3], size_t bytes)
{
    const int64_t strides[3] = {shape[1] * shape[2], shape[2], 1};
    int64_t stride[3], turned[3], first = 0;
    for (int i = 0; i < 3; i++) {
        turned[i] = shape[axes->from[i]];
        stride[i] = axes->flip[i] ? -strides[axes->from[i]] : strides[axes->from[i]];
        if (axes->flip[i]) first += (turned[i] - 1) * strides[axes->from[i]];
    }
    for (int64_t z = 0; z < turned[0]; z++)
        for (int64_t y = 0; y < turned[1]; y++, to += turned[2] * (int64_t)bytes)
            copy_row(to, from + (first + z * stride[0] + y * stride[1]) * (int64_t)bytes, stride[2], turned[2], bytes);
}

int grid_axes_turn(const GridAxes *axes, Array *a, Err *e)
{
    if (grid_axes_is_stored(axes)) return 0;
    int64_t *last = a->shape + a->rank - 3;
    const int64_t shape[3] = {last[0], last[1], last[2]}, channels = a->rank == 4 ? a->shape[0] : 1;
    const size_t size = dtype_size(a->dtype), bytes = channels ? array_bytes(a) / (size_t)channels : 0;
    char *turned = mem_alloc(bytes, e);
    if (!turned) return ERR_NOMEM;
    for (int64_t c = 0; c < channels; c++) {
        char *channel = (char *)a->data + (size_t)c * bytes;
        turn_channel(turned, channel, axes, shape, size);
        memcpy(channel, turned, bytes);
    }
    mem_free(turned);
    for (int i = 0; i < 3; i++) last[i] = shape[axes->from[i]];
    return 0;
}

/* ---- messages ---- */

void grid_place_text(const Geometry *g, char text[GRID_PLACE_BYTES])
{
    char code[GRID_CODE_BYTES];
    grid_axes_code(g, code);
    if (!grid_has_place(g)) {
        snprintf(text, GRID_PLACE_BYTES, "no origin and direction");
        return;
    }
    const Place p = place_of(g);
    double unit[3][3];
    bool oblique = false;
    for (int i = 0; i < 3; i++) {
        const double length = sqrt(dot(p.step[2 - i], p.step[2 - i]));
        for (int world = 0; world < 3; world++) {
            unit[world][i] = length > 0 ? p.step[2 - i][world] / length : 0;
            oblique = oblique || (fabs(unit[world][i]) > 1e-4 && fabs(unit[world][i]) < 1 - 1e-4);
        }
    }
    const int used = snprintf(text, GRID_PLACE_BYTES, "origin %gx%gx%g mm (x,y,z), direction %s", p.origin[0],
                              p.origin[1], p.origin[2], code);
    if (oblique && used > 0 && used < GRID_PLACE_BYTES)
        snprintf(text + used, (size_t)(GRID_PLACE_BYTES - used), " (%.4g %.4g %.4g; %.4g %.4g %.4g; %.4g %.4g %.4g)",
                 unit[0][0], unit[0][1], unit[0][2], unit[1][0], unit[1][1], unit[1][2], unit[2][0], unit[2][1],
                 unit[2][2]);
}

int grid_bring(GridAxes *axes, Text *note, const Geometry *found, const Geometry *expected, const char *of, Err *e)
{
    char there[GRID_PLACE_BYTES], wanted[GRID_PLACE_BYTES];
    const GridMatch match = grid_match(found, expected, axes);
    const Geometry turned = grid_axes_apply(axes, found);
    if (match == GRID_DIFFERENT || plane_across(found, expected) < 0)
        TRY(geometry_expect_grid(&turned, expected, of, e));
    if (match == GRID_SAME) return 0;
    grid_place_text(found, there);
    grid_place_text(expected, wanted);
    if (match == GRID_DIFFERENT)
        return err_set(e, ERR_VALUE,
                       "%s: expected that of %s, %s; resample it onto that grid, or, if the voxels match as "
                       "they are stored, give the file that header",
                       there, of, wanted);
    if (match == GRID_TURNED) text_add(note, "%s: turned onto the grid of %s, %s", there, of, wanted);
    else text_add(note, "%s: expected that of %s, %s; the voxels are used as they are stored", there, of, wanted);
    return text_check(note, e);
}
