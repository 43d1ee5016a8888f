#include "data/image_channels.h"

#include <string.h>
#include <strings.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"

static void list_names(Text *t, const ChannelNames *expected)
{
    enum { SHOWN = 6 };
    for (int i = 0; i < expected->count && i < SHOWN; i++) text_add(t, "%s%s", i ? ", " : "", expected->names[i]);
    if (expected->count > SHOWN) text_add(t, " …");
}

/* Adds what the user can do about a wrong number of channels; `names` are the expected channels. */
static int wrong_number(const ImageHeader *first, const char *path, int count, int64_t channels,
                        const ChannelNames *expected, const char *names, Err *e)
{
    const int wanted = expected->count;
    const bool picture = count == 1 && image_is_picture(path);
    if (first->alpha && count == 1 && channels == wanted + 1)
        return err_set(e, ERR_SHAPE,
                       "%s: channel %lld, alpha, is not constant, and dataset.json names %d channel(s) (%s): remove "
                       "it (for example: mogrify -alpha off FILE), or name it as another channel",
                       path, (long long)channels - 1, wanted, names);
    if (picture && channels == 1)
        return err_set(
            e, ERR_SHAPE,
            "%s: gray, the dataset has %d channels (%s): convert it to colours (for example: mogrify "
            "-type TrueColor -define png:color-type=2 FILE), or add files with _0001 … for the other channels",
            path, wanted, names);
    if (picture && wanted == 1 && channels == 3 + first->alpha)
        return err_set(e, ERR_SHAPE,
                       "%s: colours (%s), the dataset has one channel (%s): convert it to gray (for example: "
                       "mogrify -colorspace Gray FILE), or name three channels in dataset.json",
                       path, first->alpha ? "RGB and alpha" : "RGB", names);
    if (channels < wanted)
        return err_set(e, ERR_SHAPE,
                       "%lld channel(s) in %d file(s), the first is %s: expected %d; channel %lld, %s, is "
                       "missing (a file _%04lld)",
                       (long long)channels, count, path, wanted, (long long)channels, expected->names[channels],
                       (long long)channels);
    const char *ending = image_ending(path);
    const bool tiff = count == 1 && ending && !strncasecmp(ending, ".tif", 4);
    return err_set(
        e, ERR_SHAPE, "%lld channel(s) in %d file(s), the first is %s: expected %d, as dataset.json names (%s)%s",
        (long long)channels, count, path, wanted, names,
        tiff ? "; if its pages are slices, write it with metadata that say so (axes ZYX), or without metadata" : "");
}

static int expect_number(const ImageHeader *first, const char *path, int count, int64_t channels,
                         const ChannelNames *expected, Err *e)
{
    if (channels == expected->count) return 0;
    Text names = {0};
    list_names(&names, expected);
    const int code = wrong_number(first, path, count, channels, expected, names.data ? names.data : "", e);
    text_free(&names);
    return code;
}

int image_expect_channels(int64_t *channels, const ImageHeader *headers, const char *const *paths, int count,
                          const ChannelNames *expected, Err *e)
{
    int64_t alphas = 0;
    *channels = 0;
    for (int i = 0; i < count; i++) {
        *channels += headers[i].channels;
        alphas += headers[i].alpha;
    }
    if (*channels - alphas == expected->count) *channels -= alphas;
    return expect_number(&headers[0], paths[0], count, *channels, expected, e);
}

/* Whether all values of an image's last channel are equal. */
static bool last_is_constant(const Image *image)
{
    const int64_t channels = image->voxels.shape[0], plane = array_count(&image->voxels) / channels;
    const float *values = (const float *)image->voxels.data + (channels - 1) * plane;
    for (int64_t i = 1; i < plane; i++)
        if (values[i] != values[0]) return false;
    return true;
}

/* Only reduces the number of channels: the channel's voxels stay in memory behind the others, and are freed with
 * them. */
static void drop_alpha(Image *part, const char *path, FaultList *notes)
{
    const int64_t last = part->voxels.shape[0] - 1, plane = array_count(&part->voxels) / (last + 1);
    fault_add(notes, FAULT_WARNING, "%s: channel %lld, alpha, is %g everywhere: it is left out", path, (long long)last,
              (double)((const float *)part->voxels.data)[last * plane]);
    part->voxels.shape[0] = last;
    part->alpha = false;
}

static int64_t channels_of(const Image *parts, int count)
{
    int64_t channels = 0;
    for (int i = 0; i < count; i++) channels += parts[i].voxels.shape[0];
    return channels;
}

int image_fit_channels(Image *parts, const char *const *paths, int count, const ChannelNames *expected,
                       FaultList *notes, Err *e)
{
    for (int i = 0; i < count && channels_of(parts, count) > expected->count; i++)
        if (parts[i].alpha && parts[i].voxels.shape[0] > 1 && last_is_constant(&parts[i]))
            drop_alpha(&parts[i], paths[i], notes);
    const ImageHeader first = {.alpha = parts[0].alpha};
    return expect_number(&first, paths[0], count, channels_of(parts, count), expected, e);
}

int image_join(Image *image, Image *parts, int count, Err *e)
{
    const int64_t *shape = parts[0].voxels.shape;
    *image = (Image){0};
    if (count == 1) {
        *image = parts[0];
        parts[0] = (Image){0};
        return 0;
    }
    TRY(array_new(&image->voxels, DTYPE_F32, 4, (int64_t[]){channels_of(parts, count), shape[1], shape[2], shape[3]},
                  e));
    char *at = image->voxels.data;
    for (int i = 0; i < count; i++) {
        const size_t bytes = array_bytes(&parts[i].voxels);
        memcpy(at, parts[i].voxels.data, bytes);
        at += bytes;
    }
    image->geometry = parts[0].geometry;
    image->alpha = parts[count - 1].alpha;
    return 0;
}

/* Reorients a part to the grid of the first one. */
static int bring_part(Image *part, const Image *first, const char *path, const char *of, FaultList *notes, Err *e)
{
    GridAxes axes;
    Text note = {0};
    int failed = grid_bring(&axes, &note, &part->geometry, &first->geometry, of, e);
    if (!failed) failed = grid_axes_turn(&axes, &part->voxels, e);
    if (!failed && note.length) fault_add(notes, FAULT_WARNING, "%s: %s", path, note.data);
    text_free(&note);
    return failed ? err_context(e, "%s", path) : 0;
}

int image_read_channels(Image *image, const char *const *paths, int count, const ChannelNames *expected,
                        FaultList *notes, Err *e)
{
    *image = (Image){0};
    Image *parts = mem_zalloc((size_t)count, sizeof *parts, e);
    if (!parts) return ERR_NOMEM;
    int failed = 0;
    for (int i = 0; i < count && !failed; i++) {
        failed = image_read(&parts[i], paths[i], e);
        if (!failed && i) failed = bring_part(&parts[i], &parts[0], paths[i], paths[0], notes, e);
    }
    if (!failed && expected) failed = image_fit_channels(parts, paths, count, expected, notes, e);
    if (!failed) failed = image_join(image, parts, count, e);
    for (int i = 0; i < count; i++) image_free(&parts[i]);
    mem_free(parts);
    return failed;
}
