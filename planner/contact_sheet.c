#include "planner/contact_sheet.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "data/picture.h"
#include "formats/yaml.h"
#include "planner/case_loop.h"
#include "preprocess/volume.h"

enum {
    CASES = CONTACT_COLUMNS * CONTACT_ROWS,
    WIDTH = CONTACT_COLUMNS * CONTACT_TILE,
    HEIGHT = CONTACT_ROWS * CONTACT_TILE
};
enum { MOST_SAMPLES = 16384, COLORS = 8, GAP = 2 };

static const uint8_t colors[COLORS][3] = {{230, 60, 60},  {70, 200, 70},  {80, 130, 255}, {240, 200, 40},
                                          {220, 90, 220}, {60, 210, 210}, {255, 140, 50}, {170, 230, 120}};

/* A slice of a case, and the map from the tile's pixels to its own. */
typedef struct Slice {
    Volume channels[3]; /* 1 or 3 of them; axis 0 is perpendicular to the slice */
    int channel_count;
    Volume labels; /* data NULL without labels */
    int64_t index;
    double pixels[2]; /* pixels of the slice per pixel of the tile: y, x */
    int size[2];      /* used pixels of the tile: y, x */
    float low, high;  /* values that are shown as black and as white */
} Slice;

static int across_axis(const double mm[3])
{
    int axis = 0;
    for (int i = 1; i < 3; i++)
        if (mm[i] > mm[axis]) axis = i;
    return axis;
}

/* The slice with the most foreground, the middle one if there is none. */
static int64_t fullest_slice(const Volume *labels, int64_t depth)
{
    int64_t best = depth / 2, most = 0;
    for (int64_t z = 0; labels->data && z < depth; z++) {
        int64_t count = 0;
        for (int64_t y = 0; y < labels->shape[1]; y++)
            for (int64_t x = 0; x < labels->shape[2]; x++)
                count += *(int16_t *)(volume_row(labels, z, y) + x * labels->stride[2]) > 0;
        if (count > most) most = count, best = z;
    }
    return best;
}

static float value_at(const Slice *s, int channel, int64_t y, int64_t x)
{
    const Volume *v = &s->channels[channel];
    return *(float *)(volume_row(v, s->index, y) + x * v->stride[2]);
}

static int compare(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static int choose_window(Slice *s, Err *e)
{
    const int64_t rows = s->channels[0].shape[1], columns = s->channels[0].shape[2];
    const int64_t step = rows * columns / MOST_SAMPLES + 1;
    float *samples = mem_alloc(MOST_SAMPLES * sizeof *samples, e);
    if (!samples) return ERR_NOMEM;
    int count = 0;
    for (int64_t i = 0; i < rows * columns; i += step) samples[count++] = value_at(s, 0, i / columns, i % columns);
    qsort(samples, (size_t)count, sizeof *samples, compare);
    s->low = samples[count / 100];
    s->high = samples[count - 1 - count / 100];
    mem_free(samples);
    return 0;
}

static int choose_slice(Slice *s, const CaseData *data, Err *e)
{
    const double *mm = data->image.geometry.spacing_zyx_mm;
    const int flat = grid_axis_across(&data->image.geometry), axis = flat < 0 ? across_axis(mm) : flat;
    const int a = axis == 0 ? 1 : 0, b = axis == 2 ? 1 : 2;
    const bool colored = data->image.geometry.dimensions == 2 && data->image.voxels.shape[0] == 3;
    *s = (Slice){.channel_count = colored ? 3 : 1, .low = 0, .high = 255};
    for (int c = 0; c < s->channel_count; c++)
        s->channels[c] = volume_with_first(volume_of_channel_first(&data->image.voxels, c), axis);
    if (data->labels.data) s->labels = volume_with_first(volume_of_array(&data->labels), axis);
    s->index = fullest_slice(&s->labels, s->channels[0].shape[0]);
    const double height = (double)s->channels[0].shape[1] * mm[a], width = (double)s->channels[0].shape[2] * mm[b];
    const double step_mm = fmax(height, width) / (CONTACT_TILE - GAP);
    s->pixels[0] = step_mm / mm[a];
    s->pixels[1] = step_mm / mm[b];
    s->size[0] = (int)fmax(1, floor(height / step_mm));
    s->size[1] = (int)fmax(1, floor(width / step_mm));
    return colored ? 0 : choose_window(s, e);
}

/* The pixel of the slice under a pixel of the tile. */
static int64_t source(const Slice *s, int axis, int at)
{
    const int64_t pixel = (int64_t)((at + 0.5) * s->pixels[axis]), last = s->channels[0].shape[1 + axis] - 1;
    return pixel < last ? pixel : last;
}

static int label_at(const Slice *s, int y, int x)
{
    if (y < 0 || x < 0 || y >= s->size[0] || x >= s->size[1]) return 0;
    return *(int16_t *)(volume_row(&s->labels, s->index, source(s, 0, y)) + source(s, 1, x) * s->labels.stride[2]);
}

/* The label of which this pixel is the border, or 0. */
static int contour_at(const Slice *s, int y, int x)
{
    const int label = s->labels.data ? label_at(s, y, x) : 0;
    if (label <= 0) return 0;
    const bool inside = label_at(s, y - 1, x) == label && label_at(s, y + 1, x) == label &&
                        label_at(s, y, x - 1) == label && label_at(s, y, x + 1) == label;
    return inside ? 0 : label;
}

static uint8_t shade(const Slice *s, float value)
{
    const float range = s->high > s->low ? s->high - s->low : 1;
    return (uint8_t)(255 * fminf(fmaxf((value - s->low) / range, 0), 1));
}

int contact_tile(uint8_t *tile, int64_t stride, const CaseData *data, Err *e)
{
    Slice s;
    TRY(choose_slice(&s, data, e));
    for (int y = 0; y < s.size[0]; y++)
        for (int x = 0; x < s.size[1]; x++) {
            uint8_t *pixel = tile + y * stride + 3 * x;
            const int contour = contour_at(&s, y, x);
            for (int c = 0; c < 3; c++)
                pixel[c] = contour ? colors[(contour - 1) % COLORS][c]
                                   : shade(&s, value_at(&s, c % s.channel_count, source(&s, 0, y), source(&s, 1, x)));
        }
    return 0;
}

typedef struct Sheet {
    uint8_t *pixels;
    const DatasetInfo *info;
} Sheet;

static int draw_case(void *context, int index, const Case *c, FaultList *faults, Err *e)
{
    const Sheet *sheet = context;
    CaseData data;
    if (dataset_load_case(&data, sheet->info, c, faults))
        return 0; /* the tile stays black; the fault was reported before */
    const int row = index / CONTACT_COLUMNS, column = index % CONTACT_COLUMNS;
    uint8_t *tile = sheet->pixels + ((int64_t)row * CONTACT_TILE * WIDTH + (int64_t)column * CONTACT_TILE) * 3;
    const int code = contact_tile(tile, 3 * WIDTH, &data, e);
    case_data_free(&data);
    return code;
}

/* Writes the sheet that starts with case `first`. */
static int write_sheet(const Dataset *d, int first, const char *folder, int threads, Progress *progress, Err *e)
{
    const int left = d->training.count - first, number = first / CASES + 1;
    Dataset some = *d;
    FaultList known = {0};
    some.training = (CaseList){d->training.cases + first, left < CASES ? left : CASES};
    Sheet sheet = {mem_zalloc((size_t)WIDTH * HEIGHT, 3, e), &d->info};
    char *path = path_format(e, "%s/sheet_%03d.png", folder, number);
    int code = sheet.pixels && path ? 0 : ERR_NOMEM;
    if (!code) code = for_each_case(&some, draw_case, &sheet, threads, progress, &known, e);
    const int rows = (some.training.count + CONTACT_COLUMNS - 1) / CONTACT_COLUMNS;
    if (!code) code = picture_write(path, sheet.pixels, rows * CONTACT_TILE, WIDTH, 3, e);
    faults_free(&known);
    mem_free(sheet.pixels);
    mem_free(path);
    return code;
}

static int write_index(const Dataset *d, const char *folder, Err *e)
{
    char *path = path_format(e, "%s/index.yaml", folder), sheet[32];
    if (!path) return ERR_NOMEM;
    DocWriter w = {0};
    doc_open(&w, NULL, DOC_MAPPING, false);
    for (int i = 0; i < d->training.count; i++) {
        doc_open(&w, d->training.cases[i].id, DOC_MAPPING, true);
        snprintf(sheet, sizeof sheet, "sheet_%03d.png", i / CASES + 1);
        doc_put_string(&w, "sheet", sheet);
        doc_put_int(&w, "row", i % CASES / CONTACT_COLUMNS + 1);
        doc_put_int(&w, "column", i % CONTACT_COLUMNS + 1);
        doc_close(&w);
    }
    doc_close(&w);
    const int code = doc_finish(&w, path, e);
    mem_free(path);
    return code;
}

static int sheet_number(const char *name)
{
    int number = 0, end = 0;
    return sscanf(name, "sheet_%d.png%n", &number, &end) == 1 && end && !name[end] ? number : 0;
}

static int remove_surplus(const char *folder, int sheets, Err *e)
{
    FileList files;
    TRY(file_list(&files, folder, e));
    int code = 0;
    for (int i = 0; i < files.count && !code; i++) {
        if (sheet_number(files.names[i]) <= sheets) continue;
        char *path = path_format(e, "%s/%s", folder, files.names[i]);
        code = path ? file_remove(path, e) : ERR_NOMEM;
        mem_free(path);
    }
    file_list_free(&files);
    return code;
}

static int draw_all(const Dataset *d, const char *folder, int threads, Progress *progress, Err *e)
{
    for (int first = 0; first < d->training.count; first += CASES)
        TRY(write_sheet(d, first, folder, threads, progress, e));
    TRY(write_index(d, folder, e));
    return remove_surplus(folder, (d->training.count + CASES - 1) / CASES, e);
}

/* made_from.yaml is removed first and written last: if it exists, it is valid for all sheets. */
int contact_sheets(const Dataset *d, const MadeFrom *made_from, const char *folder, int threads, Progress *progress,
                   Err *e)
{
    TRY(file_make_folders(folder, e));
    char *origin = path_format(e, "%s/made_from.yaml", folder);
    int code = origin ? file_remove(origin, e) : ERR_NOMEM;
    if (!code) code = draw_all(d, folder, threads, progress, e);
    if (!code) code = made_from_write(made_from, origin, e);
    mem_free(origin);
    return code;
}

int contact_sheets_stale(bool *stale, const MadeFrom *made_from, const char *folder, Err *e)
{
    MadeFrom then = {0};
    char *first = path_format(e, "%s/sheet_001.png", folder), *origin = path_format(e, "%s/made_from.yaml", folder);
    int code = first && origin ? file_is_there(first, stale, e) : ERR_NOMEM;
    if (!code && *stale) *stale = made_from_read(&then, origin, NULL) || !made_from_same(&then, made_from);
    made_from_free(&then);
    mem_free(first);
    mem_free(origin);
    return code;
}
