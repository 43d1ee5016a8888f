#include "inference/sliding_window.h"

#include <math.h>
#include <string.h>

#include "base/half.h"
#include "base/memory.h"
#include "inference/window_sums.h"

int64_t window_starts(int64_t image, int64_t tile, double step, int64_t *starts)
{
    const int64_t count = (int64_t)ceil((double)(image - tile) / ((double)tile * step)) + 1;
    const double actual = count > 1 ? (double)(image - tile) / (double)(count - 1) : 0;
    if (starts)
        for (int64_t i = 0; i < count; i++) starts[i] = (int64_t)rint(actual * (double)i);
    return count;
}

int64_t window_tiles(const WindowOptions *o, const int64_t shape_zyx[3])
{
    int64_t tiles = shape_zyx[0];
    for (int axis = 0; axis < 2; axis++) {
        const int64_t size = shape_zyx[axis + 1], tile = o->tile_yx[axis];
        tiles *= window_starts(size > tile ? size : tile, tile, o->step, NULL) * (o->mirror_yx[axis] ? 2 : 1);
    }
    return tiles;
}

/* A Gaussian around tile/2, as in scipy.ndimage: cut at 4 sigma, and with the sum 1 before it is cut at the tile's ends. */
static void gaussian_line(double *line, int64_t tile)
{
    const double sigma = (double)tile / 8;
    const int64_t radius = (int64_t)(4 * sigma + 0.5), middle = tile / 2;
    double sum = 0;
    for (int64_t k = -radius; k <= radius; k++) sum += exp(-0.5 / (sigma * sigma) * (double)(k * k));
    for (int64_t i = 0; i < tile; i++) {
        const int64_t k = i - middle;
        line[i] = k < -radius || k > radius ? 0 : exp(-0.5 / (sigma * sigma) * (double)(k * k)) / sum;
    }
}

/* The product of the lines' values for element `index` of the map, first axis first. */
static double product_at(const double *lines, const int64_t *tile, int axes, int64_t index)
{
    double product = 1;
    int64_t inner = 1; /* elements per step along the axis */
    for (int a = 1; a < axes; a++) inner *= tile[a];
    for (int a = 0; a < axes; a++) {
        product *= lines[index / inner % tile[a]];
        lines += tile[a];
        if (a + 1 < axes) inner /= tile[a + 1];
    }
    return product;
}

int window_importance(float *map, const int64_t *tile, int axes, bool gaussian, Err *e)
{
    int64_t count = 1, length = 0, middle = 0;
    for (int a = 0; a < axes; a++) {
        count *= tile[a];
        length += tile[a];
        middle = middle * tile[a] + tile[a] / 2;
    }
    for (int64_t i = 0; i < count; i++) map[i] = 1;
    if (!gaussian) return 0;
    double *lines = mem_alloc((size_t)length * sizeof(double), e);
    if (!lines) return ERR_NOMEM;
    double *line = lines;
    for (int a = 0; a < axes; line += tile[a++]) gaussian_line(line, tile[a]);
    const double unit = product_at(lines, tile, axes, middle) / 10;
    float smallest = INFINITY;
    for (int64_t i = 0; i < count; i++) {
        map[i] = half_rounded((float)(product_at(lines, tile, axes, i) / unit)); /* rounded twice, as in PyTorch */
        if (map[i] > 0 && map[i] < smallest) smallest = map[i];
    }
    for (int64_t i = 0; i < count; i++)
        if (map[i] == 0) map[i] = smallest;
    mem_free(lines);
    return 0;
}

/* ---- one prediction ---- */

enum { MIRRORINGS = 4 };          /* none, y, x, both: bit 0 mirrors y, bit 1 x */
enum { WORTH_THREADS = 1 << 14 }; /* values of a tile's image: below, a team takes longer to start than to work */

typedef struct WindowRun {
    const WindowOptions *o;
    const TileNetwork *network;
    const RowSink *sink;
    const float *image;
    int64_t slices, height, width, channels; /* of the image */
    int64_t padded[2], before[2];            /* (y,x): size with padding; padding above and left */
    int64_t *starts[2], count[2];            /* tiles per axis */
    int mirrorings[MIRRORINGS], mirroring_count;
    WindowSums sums;
    const WindowKernels *kernels;
    float *rows;   /* finished rows, of a device with its own memory */
    bool parallel; /* a tile is large enough for several threads */
} WindowRun;

/* The n-th tile image to predict: slice by slice, row by row of tiles, mirror images innermost. */
typedef struct Job {
    int64_t z, tile_row, tile_column;
    int mirroring;
} Job;

static Job job_at(const WindowRun *r, int64_t n)
{
    Job job;
    job.mirroring = (int)(n % r->mirroring_count);
    n /= r->mirroring_count;
    job.tile_column = n % r->count[1];
    n /= r->count[1];
    job.tile_row = n % r->count[0];
    job.z = n / r->count[0];
    return job;
}

static int64_t clamp(int64_t value, int64_t low, int64_t high)
{
    return value < low ? low : value > high ? high : value;
}

/* Copies one row of a tile, with the channels of the adjacent slices; zero outside the image. */
static void read_row(const WindowRun *r, int64_t z, int64_t y, int64_t x0, float *out)
{
    const int64_t tile_width = r->o->tile_yx[1], all = r->network->channels;
    const int64_t first = clamp(-x0, 0, tile_width), past = clamp(r->width - x0, first, tile_width);
    memset(out, 0, (size_t)(tile_width * all) * sizeof(float));
    if (y < 0 || y >= r->height) return;
    for (int64_t i = z - r->o->adjacent_slices; i <= z + r->o->adjacent_slices; i++, out += r->channels) {
        const float *in = r->image + ((clamp(i, 0, r->slices - 1) * r->height + y) * r->width + x0) * r->channels;
        for (int64_t j = first; j < past; j++)
            for (int64_t c = 0; c < r->channels; c++) out[j * all + c] = in[j * r->channels + c];
    }
}

static void reverse_pixels(float *row, int64_t width, int64_t channels)
{
    for (int64_t j = 0; j < width / 2; j++)
        for (int64_t c = 0; c < channels; c++) {
            float *a = row + j * channels + c, *b = row + (width - 1 - j) * channels + c, swap = *a;
            *a = *b;
            *b = swap;
        }
}

static void read_tile(const WindowRun *r, const Job *job, float *out)
{
    const int64_t height = r->o->tile_yx[0], width = r->o->tile_yx[1], channels = r->network->channels;
    const int64_t y0 = r->starts[0][job->tile_row] - r->before[0], x0 = r->starts[1][job->tile_column] - r->before[1];
    const int mirroring = r->mirrorings[job->mirroring];
#pragma omp parallel for schedule(static) if (r->parallel)
    for (int64_t i = 0; i < height; i++) {
        float *row = out + (mirroring & 1 ? height - 1 - i : i) * width * channels;
        read_row(r, job->z, y0 + i, x0, row);
        if (mirroring & 2) reverse_pixels(row, width, channels);
    }
}

/* Divides rows of the ring, from `start` on, and passes them to the sink: the first is row y of the image. */
static int pass_rows(const WindowRun *r, int64_t z, int64_t start, int64_t count, int64_t y, Err *e)
{
    const Device *d = r->sums.device;
    const int64_t classes = r->network->classes, pitch = r->padded[1] * classes;
    const float *values = r->sums.sums + start * pitch;
    d->begin(d, "sliding window");
    r->kernels->divide(&r->sums, start, count);
    TRY(d->end(d, e));
    if (!d->shares_memory) {
        TRY(d->copy(d, r->rows, values, (size_t)(count * pitch) * sizeof(float), COPY_TO_HOST, e));
        values = r->rows;
    }
    TRY(d->wait(d, e));
    const RowBlock rows = {z, y, count, values + r->before[1] * classes, pitch};
    return r->sink->rows(r->sink->context, &rows, e);
}

/* Passes those of the ring's rows start … start + count - 1 to the sink that are in the image; the first is row `first` of
 * the padded slice. Clears them for later rows. */
static int emit_block(const WindowRun *r, int64_t z, int64_t start, int64_t count, int64_t first, Err *e)
{
    const Device *d = r->sums.device;
    const int64_t width = r->padded[1], classes = r->network->classes, pitch = width * classes;
    const int64_t top = clamp(r->before[0] - first, 0, count),
                  end = clamp(r->before[0] + r->height - first, top, count);
    float *sums = r->sums.sums + start * pitch, *weights = r->sums.weights + start * width;
    if (end > top) TRY(pass_rows(r, z, start + top, end - top, first + top - r->before[0], e));
    TRY(d->clear(d, sums, (size_t)(count * pitch) * sizeof(float), e));
    return d->clear(d, weights, (size_t)(count * width) * sizeof(float), e);
}

/* Emits the rows first … past - 1 of the padded slice: at most two blocks, since they are at most as many as the ring has. */
static int emit_rows(const WindowRun *r, int64_t z, int64_t first, int64_t past, Err *e)
{
    const int64_t ring = r->o->tile_yx[0];
    for (int64_t count; first < past; first += count) {
        const int64_t start = first % ring;
        count = past - first < ring - start ? past - first : ring - start;
        TRY(emit_block(r, z, start, count, first, e));
    }
    return 0;
}

static int add_logits(const WindowRun *r, const Job *job, const float *logits, Err *e)
{
    const Device *d = r->sums.device;
    const bool mirrors = r->mirroring_count > 1, last = job->mirroring == r->mirroring_count - 1;
    d->begin(d, "sliding window");
    if (mirrors) r->kernels->gather(&r->sums, logits, r->mirrorings[job->mirroring], !job->mirroring);
    if (last)
        r->kernels->add(&r->sums, mirrors ? r->sums.mirrored : logits, r->starts[0][job->tile_row],
                        r->starts[1][job->tile_column]);
    return d->end(d, e);
}

static int take_logits(const WindowRun *r, const Job *job, const float *logits, Err *e)
{
    TRY(add_logits(r, job, logits, e));
    if (job->mirroring < r->mirroring_count - 1 || job->tile_column < r->count[1] - 1) return 0;
    const bool last = job->tile_row == r->count[0] - 1;
    const int64_t *starts = r->starts[0] + job->tile_row;
    return emit_rows(r, job->z, starts[0], last ? r->padded[0] : starts[1], e);
}

static int run_jobs(const WindowRun *r, Err *e)
{
    const TileNetwork *network = r->network;
    const int64_t pixels = r->o->tile_yx[0] * r->o->tile_yx[1];
    const int64_t jobs = window_tiles(r->o, (int64_t[]){r->slices, r->height, r->width});
    for (int64_t first = 0; first < jobs; first += network->batch) {
        const int64_t past = first + network->batch < jobs ? first + network->batch : jobs;
        for (int64_t n = first; n < past; n++) {
            const Job job = job_at(r, n);
            read_tile(r, &job, network->images + (n - first) * pixels * network->channels);
        }
        TRY(network->run(network->context, e));
        for (int64_t n = first; n < past; n++) {
            const Job job = job_at(r, n);
            TRY(take_logits(r, &job, network->logits + (n - first) * pixels * network->classes, e));
        }
    }
    return 0;
}

static int plan_axis(WindowRun *r, int axis, int64_t image, Err *e)
{
    const int64_t tile = r->o->tile_yx[axis], missing = image < tile ? tile - image : 0;
    r->padded[axis] = image + missing;
    r->before[axis] = missing / 2;
    r->count[axis] = window_starts(r->padded[axis], tile, r->o->step, NULL);
    r->starts[axis] = mem_alloc((size_t)r->count[axis] * sizeof(int64_t), e);
    if (!r->starts[axis]) return ERR_NOMEM;
    window_starts(r->padded[axis], tile, r->o->step, r->starts[axis]);
    return 0;
}

static WindowSums sums_of(const WindowOptions *o, const Device *device, int classes, int64_t padded_width)
{
    return (WindowSums){.device = device,
                        .height = o->tile_yx[0],
                        .width = o->tile_yx[1],
                        .ring_width = padded_width,
                        .classes = classes,
                        .half = o->half};
}

/* The values of finished rows on the host, for a device with its own memory. */
static size_t row_bytes(int64_t tile_height, int64_t padded_width, int classes)
{
    return (size_t)(tile_height * padded_width * classes) * sizeof(float);
}

static int prepare_sums(WindowRun *r, Err *e)
{
    const Device *d = r->network->device ? r->network->device : device_cpu();
    const int64_t *tile = r->o->tile_yx;
    r->kernels = window_kernels(d);
    r->sums = sums_of(r->o, d, r->network->classes, r->padded[1]);
    r->sums.mirrorings = r->mirroring_count;
    float *importance = mem_alloc((size_t)(tile[0] * tile[1]) * sizeof(float), e);
    int failed = importance ? window_importance(importance, tile, 2, r->o->gaussian, e) : ERR_NOMEM;
    if (!failed) failed = window_sums_new(&r->sums, importance, e);
    mem_free(importance);
    if (failed || d->shares_memory) return failed;
    r->rows = d->alloc_host(d, row_bytes(tile[0], r->padded[1], r->network->classes), e);
    return r->rows ? 0 : ERR_NOMEM;
}

static int prepare(WindowRun *r, Err *e)
{
    for (int m = 0; m < MIRRORINGS; m++)
        if ((!(m & 1) || r->o->mirror_yx[0]) && (!(m & 2) || r->o->mirror_yx[1]))
            r->mirrorings[r->mirroring_count++] = m;
    TRY(plan_axis(r, 0, r->height, e));
    TRY(plan_axis(r, 1, r->width, e));
    r->parallel = r->o->tile_yx[0] * r->o->tile_yx[1] * r->network->channels >= WORTH_THREADS;
    return prepare_sums(r, e);
}

WindowBytes window_bytes(const WindowOptions *o, const Device *device, int classes, const int64_t shape_zyx[3])
{
    const int64_t *tile = o->tile_yx, height = shape_zyx[1] > tile[0] ? shape_zyx[1] : tile[0];
    const int64_t width = shape_zyx[2] > tile[1] ? shape_zyx[2] : tile[1];
    const int64_t starts = window_starts(height, tile[0], o->step, NULL) + window_starts(width, tile[1], o->step, NULL);
    const WindowSums sums = sums_of(o, device, classes, width);
    const int64_t on_host = starts * (int64_t)sizeof(int64_t), of_sums = window_sums_bytes(&sums);
    if (!device || device->shares_memory) return (WindowBytes){on_host + of_sums, 0};
    return (WindowBytes){on_host + (int64_t)row_bytes(tile[0], width, classes), of_sums};
}

int window_predict(const WindowOptions *o, const TileNetwork *network, const float *image, const int64_t shape_zyx[3],
                   const RowSink *sink, Err *e)
{
    WindowRun r = {.o = o, .network = network, .sink = sink, .image = image};
    r.slices = shape_zyx[0];
    r.height = shape_zyx[1];
    r.width = shape_zyx[2];
    r.channels = network->channels / (2 * o->adjacent_slices + 1);
    int code = prepare(&r, e);
    if (!code) code = run_jobs(&r, e);
    if (r.sums.device) {
        window_sums_free(&r.sums);
        r.sums.device->free_host(r.sums.device, r.rows);
    }
    for (int axis = 0; axis < 2; axis++) mem_free(r.starts[axis]);
    return code;
}
