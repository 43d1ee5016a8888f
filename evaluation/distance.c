#include "evaluation/distance.h"

#include <math.h>
#include <omp.h>
#include <stdbool.h>

#include "base/memory.h"

enum { NO_SITE = UINT16_MAX };

typedef struct Parabola {
    double top;   /* grid index of its minimum */
    double value; /* squared distance at the minimum */
} Parabola;

/* One thread's scratch for one plane. */
typedef struct PlaneScratch {
    double *squared;  /* (Y,X): squared distance along z and y */
    double *line;     /* (Y) */
    Parabola *lowest; /* (max(Y,X)) */
    bool *row_wanted; /* (Y) */
} PlaneScratch;

typedef struct Grid {
    const uint8_t *sites, *wanted;
    int64_t nz, ny, nx;
    double spacing_mm[3];
    uint16_t *near;       /* (Z,Y,X): planes to the nearest site along z */
    int64_t *first;       /* (Z): number of wanted points before this plane */
    PlaneScratch *planes; /* (threads) */
    int threads;
} Grid;

static void count_wanted(Grid *g)
{
    const int64_t area = g->ny * g->nx;
#pragma omp parallel for schedule(static)
    for (int64_t z = 0; z < g->nz; z++) {
        int64_t count = 0;
        for (int64_t i = 0; i < area; i++) count += g->wanted[z * area + i] != 0;
        g->first[z] = count;
    }
    for (int64_t z = 0, before = 0; z <= g->nz; z++) {
        const int64_t count = g->first[z];
        g->first[z] = before;
        before += count;
    }
}

/* Sweeps through the planes in both directions; each thread processes its own rows. */
static void sweep_z(Grid *g)
{
    const int64_t area = g->ny * g->nx;
#pragma omp parallel for schedule(static)
    for (int64_t y = 0; y < g->ny; y++) {
        uint16_t *first = g->near + y * g->nx;
        for (int64_t x = 0; x < g->nx; x++) first[x] = g->sites[y * g->nx + x] ? 0 : NO_SITE;
        for (int64_t z = 1; z < g->nz; z++) {
            uint16_t *restrict near = g->near + z * area + y * g->nx;
            const uint16_t *restrict before = near - area;
            const uint8_t *restrict sites = g->sites + z * area + y * g->nx;
            for (int64_t x = 0; x < g->nx; x++) {
                const uint16_t one_more = (uint16_t)(before[x] + (before[x] != NO_SITE));
                near[x] = sites[x] ? 0 : one_more;
            }
        }
        for (int64_t z = g->nz - 2; z >= 0; z--) {
            uint16_t *restrict near = g->near + z * area + y * g->nx;
            const uint16_t *restrict after = near + area;
            for (int64_t x = 0; x < g->nx; x++) {
                const uint16_t one_more = (uint16_t)(after[x] + (after[x] != NO_SITE));
                near[x] = one_more < near[x] ? one_more : near[x];
            }
        }
    }
}

/* Whether the parabola between two others is nowhere the lowest one; ordered by their minima. */
static bool is_hidden(Parabola before, Parabola middle, Parabola after, double spacing_mm)
{
    const double left = middle.top - before.top, right = after.top - middle.top, both = left + right;
    return both * middle.value - right * before.value - left * after.value >
           left * right * both * spacing_mm * spacing_mm;
}

/* The lower envelope of the parabolas value + (spacing (x - top))^2 of a line's finite values. */
static int envelope(Parabola *lowest, const double *squared, int64_t count, double spacing_mm)
{
    int n = 0;
    for (int64_t i = 0; i < count; i++) {
        if (isinf(squared[i])) continue;
        const Parabola next = {(double)i, squared[i]};
        while (n >= 2 && is_hidden(lowest[n - 2], lowest[n - 1], next, spacing_mm)) n--;
        lowest[n++] = next;
    }
    return n;
}

/* The envelope's value at x; *k advances to the parabola that is lowest there. x must not decrease between calls. */
static double envelope_at(const Parabola *lowest, int n, int *k, int64_t x, double spacing_mm)
{
    if (!n) return INFINITY;
    double away = spacing_mm * ((double)x - lowest[*k].top), value = lowest[*k].value + away * away;
    while (*k + 1 < n) {
        away = spacing_mm * ((double)x - lowest[*k + 1].top);
        const double next = lowest[*k + 1].value + away * away;
        if (next > value) break;
        value = next;
        ++*k;
    }
    return value;
}

static bool any_wanted(const uint8_t *row, int64_t count)
{
    uint8_t seen = 0;
    for (int64_t i = 0; i < count; i++) seen |= row[i];
    return seen;
}

/* squared(y,x) of plane z: the distance along z and y, in the rows that have a wanted point. */
static void columns_of_plane(const Grid *g, PlaneScratch *p, int64_t z)
{
    const double step_z = g->spacing_mm[0], step_y = g->spacing_mm[1];
    const uint16_t *near = g->near + z * g->ny * g->nx;
    for (int64_t y = 0; y < g->ny; y++) p->row_wanted[y] = any_wanted(g->wanted + (z * g->ny + y) * g->nx, g->nx);
    for (int64_t x = 0; x < g->nx; x++) {
        for (int64_t y = 0; y < g->ny; y++) {
            const double away = step_z * near[y * g->nx + x];
            p->line[y] = near[y * g->nx + x] == NO_SITE ? INFINITY : away * away;
        }
        const int n = envelope(p->lowest, p->line, g->ny, step_y);
        int k = 0;
        for (int64_t y = 0; y < g->ny; y++)
            if (p->row_wanted[y]) p->squared[y * g->nx + x] = envelope_at(p->lowest, n, &k, y, step_y);
    }
}

static void rows_of_plane(const Grid *g, PlaneScratch *p, int64_t z, double *out)
{
    const double step_x = g->spacing_mm[2];
    for (int64_t y = 0; y < g->ny; y++) {
        if (!p->row_wanted[y]) continue;
        const uint8_t *wanted = g->wanted + (z * g->ny + y) * g->nx;
        const int n = envelope(p->lowest, p->squared + y * g->nx, g->nx, step_x);
        int k = 0;
        for (int64_t x = 0; x < g->nx; x++)
            if (wanted[x]) *out++ = sqrt(envelope_at(p->lowest, n, &k, x, step_x));
    }
}

static int grid_new(Grid *g, Err *e)
{
    const size_t area = (size_t)(g->ny * g->nx), line = (size_t)(g->ny > g->nx ? g->ny : g->nx);
    g->threads = omp_get_max_threads() < g->nz ? omp_get_max_threads() : (int)g->nz;
    g->near = mem_alloc(mem_product(mem_product((size_t)g->nz, area), sizeof *g->near), e);
    g->first = mem_zalloc((size_t)g->nz + 1, sizeof *g->first, e);
    g->planes = mem_zalloc((size_t)g->threads, sizeof *g->planes, e);
    if (!g->near || !g->first || !g->planes) return ERR_NOMEM;
    for (int t = 0; t < g->threads; t++) {
        PlaneScratch *p = &g->planes[t];
        p->squared = mem_alloc(mem_product(area, sizeof *p->squared), e);
        p->line = mem_alloc(line * sizeof *p->line, e);
        p->lowest = mem_alloc(line * sizeof *p->lowest, e);
        p->row_wanted = mem_alloc(line * sizeof *p->row_wanted, e);
        if (!p->squared || !p->line || !p->lowest || !p->row_wanted) return ERR_NOMEM;
    }
    return 0;
}

static void grid_free(Grid *g)
{
    for (int t = 0; g->planes && t < g->threads; t++) {
        mem_free(g->planes[t].squared);
        mem_free(g->planes[t].line);
        mem_free(g->planes[t].lowest);
        mem_free(g->planes[t].row_wanted);
    }
    mem_free(g->near);
    mem_free(g->first);
    mem_free(g->planes);
}

int distance_to_sites(double *out_mm, const uint8_t *sites, const uint8_t *wanted, const int64_t shape_zyx[3],
                      const double spacing_mm[3], Err *e)
{
    Grid g = {.sites = sites,
              .wanted = wanted,
              .nz = shape_zyx[0],
              .ny = shape_zyx[1],
              .nx = shape_zyx[2],
              .spacing_mm = {spacing_mm[0], spacing_mm[1], spacing_mm[2]}};
    if (g.nz == 1) { /* a plane is treated as a volume of its rows: less memory, more threads */
        g.nz = g.ny;
        g.ny = 1;
        g.spacing_mm[0] = spacing_mm[1];
    }
    if (g.nz >= NO_SITE)
        return err_set(e, ERR_UNSUPPORTED, "surface distances of %lld planes: at most %d", (long long)g.nz,
                       NO_SITE - 1);
    const int code = grid_new(&g, e);
    if (code) goto done;
    count_wanted(&g);
    sweep_z(&g);
#pragma omp parallel for schedule(dynamic) num_threads(g.threads)
    for (int64_t z = 0; z < g.nz; z++) {
        if (g.first[z] == g.first[z + 1]) continue;
        PlaneScratch *p = &g.planes[omp_get_thread_num()];
        columns_of_plane(&g, p, z);
        rows_of_plane(&g, p, z, out_mm + g.first[z]);
    }
done:
    grid_free(&g);
    return code;
}
