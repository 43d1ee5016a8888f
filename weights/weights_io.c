#include "weights/weights_io.h"

#include <errno.h>

#include "base/file.h"
#include "weights/pth.h"
#include "weights/safetensors.h"

static bool is_safetensors(const char *path) { return path_ends_with(path, ".safetensors"); }

int weights_check_ending(const char *path, Err *e)
{
    if (is_safetensors(path) || path_ends_with(path, ".pth") || path_ends_with(path, ".pt")) return 0;
    return err_set(e, ERR_VALUE, "%s: unknown ending; expected .safetensors, .pth or .pt", path);
}

int weights_read(WeightsFile *w, const char *path, Err *e)
{
    bool there, is_folder;
    *w = (WeightsFile){0};
    TRY(file_is_there(path, &there, e));
    if (!there) return err_errno(e, ENOENT, "%s: cannot open", path);
    TRY(file_is_folder(path, &is_folder, e));
    if (is_folder)
        return err_set(e, ERR_VALUE,
                       "%s: is a folder; expected a file of weights, such as its fold_0/checkpoint_final.safetensors",
                       path);
    TRY(weights_check_ending(path, e));
    if (!is_safetensors(path)) return pth_read_weights(w, path, e);
    TRY(safetensors_open(w, path, e));
    if (!weights_refuse_nonfinite(w, e)) return 0;
    weights_close(w);
    return err_context(e, "%s", path);
}

int weights_write(const WeightsFile *w, const char *path, Err *e)
{
    TRY(weights_check_ending(path, e));
    return is_safetensors(path) ? safetensors_write(w, path, e)
                                : pth_write_weights(w, w->note_count ? "network_weights" : NULL, path, e);
}
