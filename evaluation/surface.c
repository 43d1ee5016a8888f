#include "evaluation/surface.h"

#include <math.h>
#include <omp.h>
#include <stdlib.h>

#include "base/memory.h"
#include "evaluation/distance.h"
#include "evaluation/statistics.h"

/* ---- codes of the corners ---- */

/* The codes of one row of corners, 0 if all voxels around a corner are equal. rows (2 in 2D, else 4): the rows of
 * voxels around it, in array order; column (nx + 1) is scratch. */
static void row_of_codes(uint8_t *restrict codes, uint8_t *restrict column, const uint8_t *const rows[4], int64_t nx,
                         bool flat)
{
    const uint8_t *restrict a = rows[0], *restrict b = rows[1];
    if (flat) {
        for (int64_t x = 0; x < nx; x++) column[x] = (uint8_t)(4 * a[x] + b[x]);
    } else {
        const uint8_t *restrict c = rows[2], *restrict d = rows[3];
        for (int64_t x = 0; x < nx; x++) column[x] = (uint8_t)(64 * a[x] + 16 * b[x] + 4 * c[x] + d[x]);
    }
    const uint8_t inside = flat ? 15 : 255;
    codes[0] = column[0];
    column[nx] = 0;
    for (int64_t x = 1; x <= nx; x++) {
        const uint8_t code = (uint8_t)(2 * column[x - 1] + column[x]);
        codes[x] = code == inside ? 0 : code;
    }
}

/* The grid of corners: one more than voxels along each axis (2D: a single plane). */
typedef struct Corners {
    int64_t shape_zyx[3], count;
    const double *spacing_mm;
    double area_of_code[256];
    bool flat;
} Corners;

/* codes (corners) of a mask (voxels_zyx). */
static int corner_codes(uint8_t *codes, const Corners *c, const uint8_t *mask, const int64_t voxels_zyx[3], Err *e)
{
    const int64_t nz = voxels_zyx[0], ny = voxels_zyx[1], nx = voxels_zyx[2];
    uint8_t *scratch = mem_zalloc((size_t)omp_get_max_threads() + 1, (size_t)nx + 1, e);
    if (!scratch) return ERR_NOMEM;
    const uint8_t *empty = scratch;
#pragma omp parallel for schedule(static)
    for (int64_t z = 0; z < c->shape_zyx[0]; z++) {
        uint8_t *column = scratch + (omp_get_thread_num() + 1) * (nx + 1);
        for (int64_t y = 0; y <= ny; y++) {
            const uint8_t *rows[4];
            for (int i = 0; i < 4; i++) {
                const int64_t at_z = c->flat ? 0 : z - 1 + i / 2, at_y = y - 1 + i % 2;
                const bool inside = at_z >= 0 && at_z < nz && at_y >= 0 && at_y < ny;
                rows[i] = inside ? mask + (at_z * ny + at_y) * nx : empty;
            }
            row_of_codes(codes + (z * (ny + 1) + y) * (nx + 1), column, rows, nx, c->flat);
        }
    }
    mem_free(scratch);
    return 0;
}

/* ---- elements of a surface ---- */

typedef struct Element {
    double distance, area;
} Element;

static int by_distance_then_area(const void *a, const void *b)
{
    const Element *p = a, *q = b;
    if (p->distance != q->distance) return p->distance < q->distance ? -1 : 1;
    return (p->area > q->area) - (p->area < q->area);
}

/* The elements of the surface `own` with their distances to the surface `other`. */
static int measure_one(Surface *s, const Corners *c, const uint8_t *own, const uint8_t *other, Err *e)
{
    for (int64_t i = 0; i < c->count; i++) s->count += own[i] != 0;
    const size_t bytes = (size_t)s->count * sizeof(double);
    s->distance_mm = mem_alloc(bytes, e);
    s->area_mm2 = mem_alloc(bytes, e);
    Element *elements = mem_alloc(2 * bytes, e);
    int code = ERR_NOMEM;
    if (!s->distance_mm || !s->area_mm2 || !elements) goto done;
    code = distance_to_sites(s->distance_mm, other, own, c->shape_zyx, c->spacing_mm, e);
    if (code) goto done;
    for (int64_t i = 0, n = 0; n < s->count; i++) {
        if (!own[i]) continue;
        elements[n] = (Element){s->distance_mm[n], c->area_of_code[own[i]]};
        n++;
    }
    qsort(elements, (size_t)s->count, sizeof *elements, by_distance_then_area);
    for (int64_t n = 0; n < s->count; n++) {
        s->distance_mm[n] = elements[n].distance;
        s->area_mm2[n] = elements[n].area;
    }
    s->area_sum = pairwise_sum(s->area_mm2, s->count);
done:
    mem_free(elements);
    return code;
}

int surface_measure(SurfacePair *pair, const uint8_t *reference, const uint8_t *prediction, const int64_t shape_zyx[3],
                    const double spacing_mm[3], bool flat, Err *e)
{
    *pair = (SurfacePair){0};
    Corners c = {.flat = flat,
                 .spacing_mm = spacing_mm,
                 .shape_zyx = {flat ? 1 : shape_zyx[0] + 1, shape_zyx[1] + 1, shape_zyx[2] + 1}};
    c.count = c.shape_zyx[0] * c.shape_zyx[1] * c.shape_zyx[2];
    surface_area_table(c.area_of_code, spacing_mm, flat);
    uint8_t *of_reference = mem_alloc((size_t)c.count, e), *of_prediction = mem_alloc((size_t)c.count, e);
    int code = ERR_NOMEM;
    if (!of_reference || !of_prediction) goto done;
    code = corner_codes(of_reference, &c, reference, shape_zyx, e);
    if (!code) code = corner_codes(of_prediction, &c, prediction, shape_zyx, e);
    if (!code) code = measure_one(&pair->reference, &c, of_reference, of_prediction, e);
    if (!code) code = measure_one(&pair->prediction, &c, of_prediction, of_reference, e);
done:
    mem_free(of_reference);
    mem_free(of_prediction);
    if (code) surface_free(pair);
    return code;
}

void surface_free(SurfacePair *pair)
{
    Surface *both[] = {&pair->reference, &pair->prediction};
    for (int i = 0; i < 2; i++) {
        mem_free(both[i]->distance_mm);
        mem_free(both[i]->area_mm2);
    }
    *pair = (SurfacePair){0};
}

/* ---- metrics ---- */

static double area_within(const Surface *s, double tolerance_mm)
{
    int64_t within = 0;
    while (within < s->count && s->distance_mm[within] <= tolerance_mm) within++;
    return pairwise_sum(s->area_mm2, within);
}

double surface_dice(const SurfacePair *pair, double tolerance_mm)
{
    const double near = area_within(&pair->reference, tolerance_mm) + area_within(&pair->prediction, tolerance_mm);
    return near / (pair->reference.area_sum + pair->prediction.area_sum); /* NaN if both are empty */
}

static double distance_at(const Surface *s, double percent)
{
    double area = 0;
    for (int64_t i = 0; i < s->count; i++) {
        area += s->area_mm2[i];
        if (area / s->area_sum >= percent / 100) return s->distance_mm[i];
    }
    return s->count ? s->distance_mm[s->count - 1] : INFINITY;
}

double surface_hausdorff(const SurfacePair *pair, double percent)
{
    return fmax(distance_at(&pair->reference, percent), distance_at(&pair->prediction, percent));
}

double surface_mean_distance(const Surface *s)
{
    double sum = 0;
    for (int64_t i = 0; i < s->count; i++) sum += s->distance_mm[i] * s->area_mm2[i];
    return s->count ? sum / s->area_sum : NAN;
}
