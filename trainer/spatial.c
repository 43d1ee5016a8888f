#include "trainer/spatial.h"

#include <math.h>
#include <string.h>

#include "base/half.h"

enum { OUTSIDE = -1, BLOCK = 64 };

/* The readable part, in pixels of the crop: first inclusive, past exclusive. */
typedef struct Window {
    int64_t first_y, past_y, first_x, past_x;
} Window;

static int64_t max64(int64_t a, int64_t b) { return a > b ? a : b; }
static int64_t min64(int64_t a, int64_t b) { return a < b ? a : b; }

static Window visible(const SliceView *slice, Crop crop)
{
    return (Window){max64(0, -crop.y), min64(crop.height, slice->height - crop.y), max64(0, -crop.x),
                    min64(crop.width, slice->width - crop.x)};
}

static void copy_row(const SliceView *slice, Crop crop, const Window *seen, int64_t i, Patch *patch)
{
    const int64_t pixels = patch->height * patch->width, row = i * patch->width;
    for (int64_t j = 0; j < patch->width; j++) patch->labels[row + j] = OUTSIDE;
    for (int c = 0; c < patch->channels; c++)
        memset(patch->planes + c * pixels + row, 0, (size_t)patch->width * sizeof(float));
    if (i < seen->first_y || i >= seen->past_y || seen->first_x >= seen->past_x) return;
    const int64_t from = slice_pixel(slice, crop.y + i, crop.x + seen->first_x), count = seen->past_x - seen->first_x;
    for (int64_t j = 0; j < count; j++)
        patch->labels[row + seen->first_x + j] = slice->labels[from + j * slice->column];
    for (int c = 0; c < patch->channels; c++) {
        const float *in = slice->image + from * slice->channels + c;
        float *out = patch->planes + c * pixels + row + seen->first_x;
        for (int64_t j = 0; j < count; j++) out[j] = in[j * slice->column * slice->channels];
    }
}

void spatial_copy(const SliceView *slice, Crop crop, Patch *patch)
{
    const Window seen = visible(slice, crop);
    for (int64_t i = 0; i < patch->height; i++) copy_row(slice, crop, &seen, i, patch);
}

/* A block of sample points: the upper left pixel in the crop, the offset from it, and the nearest pixel. */
typedef struct Points {
    int count;
    int32_t y[BLOCK], x[BLOCK], nearest_y[BLOCK], nearest_x[BLOCK];
    float wy[BLOCK], wx[BLOCK];
} Points;

/* PyTorch's computation of a crop coordinate from a centred one: ties between labels depend on its rounding. */
static float crop_coordinate(float centred, int64_t size)
{
    const float half = (float)size / 2.0f, unit = centred / half;
    return ((unit + 1.0f) * (float)size - 1.0f) / 2.0f;
}

static void place_points(Points *p, const Patch *patch, Crop crop, const float matrix[4], int64_t i, int64_t j0)
{
    const float vy = (float)i - (float)(patch->height - 1) / 2.0f;
    p->count = (int)min64(BLOCK, patch->width - j0);
    for (int k = 0; k < p->count; k++) {
        const float vx = (float)(j0 + k) - (float)(patch->width - 1) / 2.0f;
        const float y = crop_coordinate(matrix[0] * vy + matrix[1] * vx, crop.height);
        const float x = crop_coordinate(matrix[2] * vy + matrix[3] * vx, crop.width);
        const float y0 = floorf(y), x0 = floorf(x);
        p->y[k] = (int32_t)y0;
        p->x[k] = (int32_t)x0;
        p->wy[k] = y - y0;
        p->wx[k] = x - x0;
        p->nearest_y[k] = (int32_t)rintf(y);
        p->nearest_x[k] = (int32_t)rintf(x);
    }
}

static bool is_seen(const Window *seen, int64_t y, int64_t x)
{
    return y >= seen->first_y && y < seen->past_y && x >= seen->first_x && x < seen->past_x;
}

static bool is_inside(const Window *seen, const Points *p, int k)
{
    return p->y[k] >= seen->first_y && p->y[k] + 1 < seen->past_y && p->x[k] >= seen->first_x &&
           p->x[k] + 1 < seen->past_x;
}

/* The four corners' weights in the order (0,0), (0,1), (1,0), (1,1). */
static void corner_weights(const Points *p, int k, float w[4])
{
    const float south = p->wy[k], east = p->wx[k], north = 1.0f - south, west = 1.0f - east;
    w[0] = north * west;
    w[1] = north * east;
    w[2] = south * west;
    w[3] = south * east;
}

static void sample_image(const SliceView *slice, Crop crop, const Window *seen, const Points *p, int64_t at,
                         Patch *patch)
{
    const int64_t channels = slice->channels, south = slice->row * channels, east = slice->column * channels;
    const int64_t pixels = patch->height * patch->width;
    for (int k = 0; k < p->count; k++) {
        float w[4];
        corner_weights(p, k, w);
        const int64_t first = slice_pixel(slice, crop.y + p->y[k], crop.x + p->x[k]) * channels;
        const int64_t offsets[4] = {0, east, south, south + east};
        const bool inside = is_inside(seen, p, k);
        for (int64_t c = 0; c < channels; c++) {
            float sum = 0;
            for (int t = 0; t < 4; t++)
                if (inside || is_seen(seen, p->y[k] + t / 2, p->x[k] + t % 2))
                    sum += slice->image[first + offsets[t] + c] * w[t];
            patch->planes[c * pixels + at + k] = sum;
        }
    }
}

static int16_t label_at(const SliceView *slice, Crop crop, const Window *seen, int64_t y, int64_t x)
{
    return is_seen(seen, y, x) ? slice->labels[slice_pixel(slice, crop.y + y, crop.x + x)] : OUTSIDE;
}

static int16_t winning_label(const int16_t corner[4], const float w[4], int16_t nearest)
{
    uint16_t best = 0, of_nearest = 0;
    int16_t winner = INT16_MAX;
    for (int t = 0; t < 4; t++) {
        float score = 0;
        for (int u = 0; u < 4; u++) score += (corner[u] == corner[t] ? 1000.0f : 0.0f) * w[u];
        const uint16_t half = half_from_double(score); /* not negative: so the order of halves is that of their bits */
        if (half > best || (half == best && corner[t] < winner)) {
            best = half;
            winner = corner[t];
        }
        if (corner[t] == nearest) of_nearest = half;
    }
    return of_nearest == best ? nearest : winner;
}

static void sample_labels(const SliceView *slice, Crop crop, const Window *seen, const Points *p, int16_t *out)
{
    for (int k = 0; k < p->count; k++) {
        int16_t corner[4];
        for (int t = 0; t < 4; t++) corner[t] = label_at(slice, crop, seen, p->y[k] + t / 2, p->x[k] + t % 2);
        if (corner[0] == corner[1] && corner[0] == corner[2] && corner[0] == corner[3]) {
            out[k] = corner[0];
            continue;
        }
        float w[4];
        corner_weights(p, k, w);
        out[k] = winning_label(corner, w, label_at(slice, crop, seen, p->nearest_y[k], p->nearest_x[k]));
    }
}

void spatial_transform(const SliceView *slice, Crop crop, double angle, double scale, Patch *patch)
{
    const float matrix[4] = {(float)(scale * cos(angle)), (float)(scale * -sin(angle)), (float)(scale * sin(angle)),
                             (float)(scale * cos(angle))};
    const Window seen = visible(slice, crop);
    for (int64_t i = 0; i < patch->height; i++) {
        for (int64_t j = 0; j < patch->width; j += BLOCK) {
            Points points;
            const int64_t at = i * patch->width + j;
            place_points(&points, patch, crop, matrix, i, j);
            sample_image(slice, crop, &seen, &points, at, patch);
            sample_labels(slice, crop, &seen, &points, patch->labels + at);
        }
    }
}
