#include "data/components.h"

#include "base/memory.h"

/* A run of set voxels in a row. Runs that touch are joined into trees; the root is the earliest run. */
typedef struct Run {
    int64_t start, end;   /* voxel indices in the volume, end excluded */
    int32_t parent;       /* index of a run; later: minus the component's number in a root */
} Run;

typedef struct Runs {
    Run *list;
    int64_t *first;       /* (rows + 1): index of each row's first run */
    int64_t count;
} Runs;

static int64_t count_runs(const uint8_t *mask, int64_t rows, int64_t nx)
{
    int64_t count = 0;
    for (int64_t row = 0; row < rows; row++)
        for (int64_t x = 0; x < nx; x++) count += mask[row * nx + x] && (!x || !mask[row * nx + x - 1]);
    return count;
}

static void find_runs(Runs *runs, const uint8_t *mask, int64_t rows, int64_t nx)
{
    int64_t n = 0;
    for (int64_t row = 0; row < rows; row++) {
        runs->first[row] = n;
        for (int64_t i = row * nx; i < (row + 1) * nx; i++) {
            if (!mask[i]) continue;
            const int64_t start = i;
            while (i < (row + 1) * nx && mask[i]) i++;
            runs->list[n] = (Run){start, i, (int32_t)n};
            n++;
        }
    }
    runs->first[rows] = n;
}

static int32_t root_of(Run *list, int32_t run)
{
    while (list[run].parent != run) {
        list[run].parent = list[list[run].parent].parent;
        run = list[run].parent;
    }
    return run;
}

static void join(Run *list, int32_t a, int32_t b)
{
    const int32_t p = root_of(list, a), q = root_of(list, b);
    if (p < q) list[q].parent = p;
    else list[p].parent = q;
}

/* Joins the runs of two rows that touch, diagonals included. */
static void join_rows(Runs *runs, int64_t row, int64_t earlier, int64_t nx)
{
    const int64_t shift = (row - earlier) * nx;
    int64_t a = runs->first[row], b = runs->first[earlier];
    while (a < runs->first[row + 1] && b < runs->first[earlier + 1]) {
        const Run *p = &runs->list[a], *q = &runs->list[b];
        if (p->start <= q->end + shift && q->start + shift <= p->end)
            join(runs->list, (int32_t)a, (int32_t)b);
        if (p->end < q->end + shift) a++;
        else b++;
    }
}

static void join_all(Runs *runs, const int64_t shape_zyx[3])
{
    const int64_t nz = shape_zyx[0], ny = shape_zyx[1], nx = shape_zyx[2];
    for (int64_t z = 0; z < nz; z++) {
        for (int64_t y = 0; y < ny; y++) {
            if (y) join_rows(runs, z * ny + y, z * ny + y - 1, nx);
            for (int64_t near = y - 1; z && near <= y + 1; near++)
                if (near >= 0 && near < ny) join_rows(runs, z * ny + y, (z - 1) * ny + near, nx);
        }
    }
}

/* A run's root is earlier than the run, so that it has its number when the run is reached. */
static int32_t number_runs(int32_t *ids, Runs *runs, int64_t voxels)
{
    int32_t count = 0;
    int64_t at = 0;
    for (int64_t n = 0; n < runs->count; n++) {
        Run *run = &runs->list[n];
        const int32_t id = run->parent == n ? ++count : -runs->list[run->parent].parent;
        run->parent = -id;
        while (at < run->start) ids[at++] = 0;
        while (at < run->end) ids[at++] = id;
    }
    while (at < voxels) ids[at++] = 0;
    return count;
}

int components_label(int32_t *ids, int32_t *count, const uint8_t *mask, const int64_t shape_zyx[3], Err *e)
{
    const int64_t rows = shape_zyx[0] * shape_zyx[1], nx = shape_zyx[2];
    Runs runs = {.count = count_runs(mask, rows, nx)};
    if (runs.count > INT32_MAX)
        return err_set(e, ERR_UNSUPPORTED, "a mask of %lld runs of voxels: at most 2^31",
                       (long long)runs.count);
    int code = ERR_NOMEM;
    runs.list = mem_alloc(mem_product((size_t)runs.count, sizeof *runs.list), e);
    runs.first = mem_alloc((size_t)(rows + 1) * sizeof *runs.first, e);
    if (!runs.list || !runs.first) goto done;
    find_runs(&runs, mask, rows, nx);
    join_all(&runs, shape_zyx);
    *count = number_runs(ids, &runs, rows * nx);
    code = 0;
done:
    mem_free(runs.list);
    mem_free(runs.first);
    return code;
}

int64_t components_bytes(const int64_t shape_zyx[3])
{
    const int64_t rows = shape_zyx[0] * shape_zyx[1], most_runs = rows * ((shape_zyx[2] + 1) / 2);
    return most_runs * (int64_t)sizeof(Run) + (rows + 1) * (int64_t)sizeof(int64_t);
}
