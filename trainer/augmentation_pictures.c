#include "trainer/augmentation_pictures.h"

#include <math.h>

#include "base/file.h"
#include "base/memory.h"
#include "data/picture.h"

typedef struct Item {
    float *image;    /* (height, width, channels) */
    int16_t *labels; /* (height, width) */
    uint8_t *pixels; /* (height, 2 width, 3) */
} Item;

static int item_new(Item *item, int64_t pixels, int64_t channels, Err *e)
{
    item->image = mem_alloc((size_t)(pixels * channels) * sizeof(float), e);
    item->labels = mem_alloc((size_t)pixels * sizeof(int16_t), e);
    item->pixels = mem_alloc((size_t)(2 * pixels * 3), e);
    return item->image && item->labels && item->pixels ? 0 : ERR_NOMEM;
}

static void item_free(Item *item)
{
    mem_free(item->image);
    mem_free(item->labels);
    mem_free(item->pixels);
}

/* Red, green or blue of a label: hues differ by the golden angle, so that consecutive labels have different colours. */
static double label_color(int label, int component)
{
    const double hue = fmod(label * 0.61803398875 + component / 3.0, 1);
    return 0.5 + 0.5 * cos(2 * 3.14159265358979323846 * hue);
}

/* Draws three channels of the slice as colours, otherwise its first one in gray; each is scaled from its minimum to its
 * maximum. */
static void paint(const Item *item, const Sampler *s)
{
    const int64_t width = s->geometry.final_yx[1], pixels = s->geometry.final_yx[0] * width;
    const int channels = sampler_channels(s), own = s->cases->channels;
    for (int component = 0; component < 3; component++) {
        const int channel = s->adjacent_slices * own + (own == 3 ? component : 0);
        float low = INFINITY, high = -INFINITY;
        for (int64_t i = 0; i < pixels; i++) {
            low = fminf(low, item->image[i * channels + channel]);
            high = fmaxf(high, item->image[i * channels + channel]);
        }
        for (int64_t i = 0; i < pixels; i++) {
            const float shade = high > low ? (item->image[i * channels + channel] - low) / (high - low) : 0;
            const int label = item->labels[i];
            const double tinted = label ? 0.5 * shade + 0.5 * label_color(label, component) : shade;
            uint8_t *row = item->pixels + i / width * 2 * width * 3;
            row[i % width * 3 + component] = (uint8_t)(255 * shade + 0.5f);
            row[(width + i % width) * 3 + component] = (uint8_t)(255 * tinted + 0.5);
        }
    }
}

static int write_item(const Sampler *s, SamplerWorkspace *w, int epoch, int number, const Item *item,
                      const char *folder, Err *e)
{
    const int64_t height = s->geometry.final_yx[0], width = s->geometry.final_yx[1];
    TRY(sampler_fill(s, w, epoch, number / s->batch_size, number % s->batch_size, item->image, item->labels, e));
    paint(item, s);
    char *path = path_format(e, "%s/patch_%02d.png", folder, number);
    const int code = path ? picture_write(path, item->pixels, height, 2 * width, 3, e) : ERR_NOMEM;
    mem_free(path);
    return code;
}

int augmentation_pictures_write(const Sampler *s, int epoch, int count, const char *folder, Err *e)
{
    Item item = {0};
    SamplerWorkspace workspace = {0};
    int code = file_make_folders(folder, e);
    if (!code) code = sampler_workspace_new(&workspace, s, e);
    if (!code) code = item_new(&item, s->geometry.final_yx[0] * s->geometry.final_yx[1], sampler_channels(s), e);
    for (int i = 0; i < count && !code; i++) code = write_item(s, &workspace, epoch, i, &item, folder, e);
    item_free(&item);
    sampler_workspace_free(&workspace);
    return code;
}
