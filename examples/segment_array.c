/* segment_array MODEL: shows what the model wants, then segments a volume in memory, with probabilities. Another thread
 * cancels it if it takes longer than ten seconds. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <swin_umamba.h>

enum { DEPTH = 3, HEIGHT = 64, WIDTH = 80, VOXELS = DEPTH * HEIGHT * WIDTH };

static void show(const swin_info *info)
{
    printf("%s, trained on %s, version %s\n", info->network, info->dataset, swin_version());
    for (int i = 0; i < info->channel_count; i++) printf("channel %d: %s\n", i, info->channel_names[i]);
    for (int i = 0; i < info->class_count; i++)
        printf("class %d: %s, label %d\n", i, info->classes[i].name, info->classes[i].value);
}

/* A bright block on noise, in every channel. */
static void fill(float *voxels, int channels)
{
    for (int i = 0; i < channels * VOXELS; i++) {
        const int x = i % WIDTH, y = i / WIDTH % HEIGHT;
        voxels[i] = (float)(rand() % 100) + (x > 20 && x < 50 && y > 20 && y < 40 ? 500.0f : 0.0f);
    }
}

static void *cancel_later(void *model)
{
    const struct timespec limit = {.tv_sec = 10};
    nanosleep(&limit, NULL);
    swin_cancel(model);
    return NULL;
}

static int segment(swin_model *model, swin_error *error)
{
    const swin_info *info = swin_model_info(model);
    float *voxels = malloc(sizeof *voxels * VOXELS * (size_t)info->channel_count);
    float *probabilities = malloc(sizeof *probabilities * VOXELS * (size_t)info->class_count);
    void *labels = malloc(VOXELS * (size_t)info->label_bytes);
    const swin_image image = {.size = sizeof image,
                              .voxels = voxels,
                              .type = SWIN_FLOAT32,
                              .channels = info->channel_count,
                              .shape_zyx = {DEPTH, HEIGHT, WIDTH},
                              .spacing_zyx_mm = {info->median_spacing_zyx_mm[0], info->median_spacing_zyx_mm[1],
                                                 info->median_spacing_zyx_mm[2]}};
    int code = SWIN_NO_MEMORY;
    if (voxels && probabilities && labels) {
        fill(voxels, info->channel_count);
        code = swin_predict(model, &image, labels, probabilities, NULL, error);
    }
    double sum = 0; /* of all classes: 1 in each voxel, unless they are regions */
    for (int i = 0; !code && i < info->class_count; i++) sum += probabilities[i];
    if (!code) printf("label of the first voxel: %d, sum of its probabilities: %.3f\n", *(unsigned char *)labels, sum);
    free(labels);
    free(probabilities);
    free(voxels);
    return code;
}

int main(int argc, char **argv)
{
    pthread_t watch;
    swin_error error = {.text = "out of memory"};
    const swin_options options = {.size = sizeof options, .threads = 2, .memory = 4LL << 30};
    swin_model *model = argc == 2 ? swin_open(argv[1], &options, NULL, &error) : NULL;
    if (!model) {
        fprintf(stderr, "%s: %s\n", argv[0], argc == 2 ? error.text : "give a results folder");
        return 1;
    }
    show(swin_model_info(model));
    const int is_watched = !pthread_create(&watch, NULL, cancel_later, model);
    const int code = segment(model, &error);
    if (code) fprintf(stderr, "%s: %s\n", argv[0], error.text);
    if (is_watched) {
        pthread_cancel(watch);
        pthread_join(watch, NULL);
    }
    swin_close(model);
    return code != 0;
}
