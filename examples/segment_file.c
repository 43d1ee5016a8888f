/* segment_file MODEL OUTPUT IMAGE…: segments an image file; several files are the channels of one case. */
#include <stdio.h>

#include <swin_umamba.h>

static void show_warning(void *context, const char *text)
{
    (void)context;
    fprintf(stderr, "warning: %s\n", text);
}

static int show_progress(void *context, int64_t done, int64_t parts)
{
    (void)context;
    fprintf(stderr, "\r%3d %%%s", (int)(100 * done / parts), done == parts ? "\n" : "");
    return 0; /* another value would cancel */
}

int main(int argc, char **argv)
{
    swin_error error;
    swin_listener listener = {.size = sizeof listener, .warning = show_warning, .progress = show_progress};
    if (argc < 4) {
        fprintf(stderr, "usage: %s MODEL OUTPUT.nii.gz IMAGE.nii.gz…\n", argv[0]);
        return 2;
    }
    swin_model *model = swin_open(argv[1], NULL, &listener, &error);
    const char *const *images = (const char *const *)argv + 3;
    if (!model || swin_predict_file(model, images, argc - 3, argv[2], &listener, &error)) {
        fprintf(stderr, "%s: %s\n", argv[0], error.text);
        swin_close(model);
        return 1;
    }
    swin_close(model);
    return 0;
}
