#include "pretrain/encoder_file.h"

#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/text.h"
#include "weights/pth.h"
#include "weights/safetensors.h"

static const char ENCODER[] = "vssm_encoder.";

/* "downsamples.1.norm.weight" → "layers.1.downsample.norm.weight"; other names are VMamba's. */
static void add_name(Text *name, const char *own)
{
    int layer = 0, used = 0;
    sscanf(own, "downsamples.%4d.%n", &layer, &used);
    if (used) text_add(name, "layers.%d.downsample.%s", layer, own + used);
    else text_add(name, "%s", own);
}

static int take_encoder(WeightsFile *to, const WeightsFile *from, Err *e)
{
    int code = 0;
    for (int i = 0; i < from->count && !code; i++) {
        const char *own = from->tensors[i].name;
        const Array *a = &from->tensors[i].array;
        Text name = {0};
        if (strncmp(own, ENCODER, strlen(ENCODER))) continue;
        own += strlen(ENCODER);
        if (!strcmp(own, "mask_token")) continue;
        add_name(&name, own);
        code = text_check(&name, e);
        if (!code) code = weights_add(to, name.data, array_view(a->dtype, a->rank, a->shape, a->data), e);
        text_free(&name);
    }
    return code;
}

int encoder_write(const char *path, const char *checkpoint, Err *e)
{
    WeightsFile from = {0}, to = {0};
    TRY(safetensors_open(&from, checkpoint, e));
    int code = take_encoder(&to, &from, e);
    if (!code && !to.count) code = err_set(e, ERR_FORMAT, "%s: there is no encoder in it", checkpoint);
    if (!code)
        code = path_ends_with(path, ".safetensors") ? safetensors_write(&to, path, e)
                                                    : pth_write_weights(&to, "model", path, e);
    weights_close(&to);
    weights_close(&from);
    return code;
}
