#include "trainer/augmentation_pictures.h"

#include <math.h>

#include "base/file.h"
#include "base/memory.h"
#include "data/picture.h"
#include "pictures/legend.h"
#include "pictures/slice_picture.h"

enum { SHORTEST = 256, GAP = 8, CONTOUR = 2 };

static const Color BACKGROUND = {18, 20, 23}, TEXT = {232, 234, 237};

typedef struct Item {
    float *image;  /* (height, width, channels) */
    Array shown;   /* float32 (C,1,height,width): the channels that are drawn */
    Array labels;  /* int16 (1,height,width) */
    Canvas canvas; /* the patch twice, and the legend */
} Item;

static int shown_channels(const Sampler *s) { return s->cases->channels == 3 ? 3 : 1; }

/* A whole factor, so that all pixels of the patch have the same size. */
static int enlarged_by(const int64_t size[2])
{
    const int64_t longest = size[0] > size[1] ? size[0] : size[1];
    return (int)((SHORTEST + longest - 1) / longest);
}

static Legend legend_of(const Sampler *s, const DatasetInfo *info)
{
    return (Legend){
        .info = info, .width = 2 * (int)s->geometry.final_yx[1] * enlarged_by(s->geometry.final_yx) + GAP, .size = 2};
}

static int item_new(Item *item, const Sampler *s, const DatasetInfo *info, Err *e)
{
    const int64_t *size = s->geometry.final_yx, shape[4] = {shown_channels(s), 1, size[0], size[1]};
    const Legend legend = legend_of(s, info);
    const int height = (int)size[0] * enlarged_by(size) + GAP + legend_height(&legend);
    item->image = mem_alloc((size_t)(size[0] * size[1] * sampler_channels(s)) * sizeof(float), e);
    if (!item->image) return ERR_NOMEM;
    TRY(array_new(&item->shown, DTYPE_F32, 4, shape, e));
    TRY(array_new(&item->labels, DTYPE_I16, 3, shape + 1, e));
    return canvas_new(&item->canvas, height, legend.width, BACKGROUND, e);
}

static void item_free(Item *item)
{
    mem_free(item->image);
    array_free(&item->shown);
    array_free(&item->labels);
    canvas_free(&item->canvas);
}

/* Takes the slice's own channels, each scaled from its minimum to its maximum: 0 to 255. */
static void take_channels(Item *item, const Sampler *s)
{
    const int64_t pixels = s->geometry.final_yx[0] * s->geometry.final_yx[1];
    const int channels = sampler_channels(s), first = s->adjacent_slices * s->cases->channels;
    for (int c = 0; c < shown_channels(s); c++) {
        const float *from = item->image + first + c;
        float *to = (float *)item->shown.data + c * pixels, low = INFINITY, high = -INFINITY;
        for (int64_t i = 0; i < pixels; i++) {
            low = fminf(low, from[i * channels]);
            high = fmaxf(high, from[i * channels]);
        }
        for (int64_t i = 0; i < pixels; i++) to[i] = high > low ? 255 * (from[i * channels] - low) / (high - low) : 0;
    }
}

static int draw(Item *item, const Sampler *s, Err *e)
{
    const int64_t *yx = s->geometry.final_yx;
    const Geometry plane = geometry_plane(yx[0], yx[1]);
    const CasePictures p = case_pictures(&plane, &item->shown, &item->labels);
    const int factor = enlarged_by(yx), size[2] = {(int)yx[0] * factor, (int)yx[1] * factor};
    const SlicePart whole = slice_whole(&p.section, 0);
    TRY(slice_draw(&item->canvas, 0, 0, size, &p, &whole, 0, e));
    return slice_draw(&item->canvas, size[1] + GAP, 0, size, &p, &whole, CONTOUR, e);
}

static int write_item(const Sampler *s, SamplerWorkspace *w, int epoch, int number, Item *item, const char *folder,
                      Err *e)
{
    TRY(sampler_fill(s, w, epoch, number / s->batch_size, number % s->batch_size, item->image, item->labels.data, e));
    take_channels(item, s);
    TRY(draw(item, s, e));
    char *path = path_format(e, "%s/patch_%02d.png", folder, number);
    const Canvas *c = &item->canvas;
    const int code = path ? picture_write(path, c->pixels, c->height, c->width, 3, e) : ERR_NOMEM;
    mem_free(path);
    return code;
}

int augmentation_pictures_write(const Sampler *s, const DatasetInfo *info, int epoch, int count, const char *folder,
                                Err *e)
{
    Item item = {0};
    SamplerWorkspace workspace = {0};
    int code = file_make_folders(folder, e);
    if (!code) code = sampler_workspace_new(&workspace, s, e);
    if (!code) code = item_new(&item, s, info, e);
    const Legend legend = legend_of(s, info);
    if (!code) legend_draw(&item.canvas, 0, item.canvas.height - legend_height(&legend), &legend, TEXT);
    for (int i = 0; i < count && !code; i++) code = write_item(s, &workspace, epoch, i, &item, folder, e);
    item_free(&item);
    sampler_workspace_free(&workspace);
    return code;
}
