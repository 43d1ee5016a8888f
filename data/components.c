#include "data/components.h"

#include "data/mask_runs.h"

static void join_all(MaskRuns *r, const int64_t shape_zyx[3])
{
    const int64_t nz = shape_zyx[0], ny = shape_zyx[1];
    for (int64_t z = 0; z < nz; z++) {
        for (int64_t y = 0; y < ny; y++) {
            if (y) mask_runs_join_rows(r, z * ny + y, z * ny + y - 1, 1);
            for (int64_t near = y - 1; z && near <= y + 1; near++)
                if (near >= 0 && near < ny) mask_runs_join_rows(r, z * ny + y, (z - 1) * ny + near, 1);
        }
    }
}

/* Writes the ids of all voxels. A run's parent is earlier, so that it has its number when the run is reached; the
 * numbers are kept, negative, in the place of the parents. */
static int32_t number_runs(int32_t *ids, MaskRuns *r, int64_t width)
{
    int32_t count = 0;
    for (int64_t row = 0; row < r->rows; row++, ids += width) {
        int64_t x = 0;
        for (int64_t n = r->row_first[row]; n < r->row_first[row + 1]; n++) {
            MaskRun *run = &r->runs[n];
            const int32_t id = run->parent == n ? ++count : (int32_t)-r->runs[run->parent].parent;
            run->parent = -id;
            while (x < run->first) ids[x++] = 0;
            while (x < run->past) ids[x++] = id;
        }
        while (x < width) ids[x++] = 0;
    }
    return count;
}

int components_label(int32_t *ids, int32_t *count, const uint8_t *mask, const int64_t shape_zyx[3], Err *e)
{
    MaskRuns runs;
    TRY(mask_runs_new(&runs, mask, shape_zyx, 1, e));
    int code = 0;
    if (runs.count > INT32_MAX)
        code = err_set(e, ERR_UNSUPPORTED, "a mask of %lld runs of voxels: at most 2^31", (long long)runs.count);
    if (!code) {
        join_all(&runs, shape_zyx);
        *count = number_runs(ids, &runs, shape_zyx[2]);
    }
    mask_runs_free(&runs);
    return code;
}

int64_t components_bytes(const int64_t shape_zyx[3]) { return mask_runs_bytes(shape_zyx); }
