/* swin_umamba.h: segments images with a trained model, from C and C++. Link with -lswinumamba (docs/library.md).
 *
 *   swin_error error;
 *   swin_model *model = swin_open("results", NULL, NULL, &error);
 *   if (!model) …error.text says what was found, what was expected and what to do…
 *   const swin_info *info = swin_model_info(model);
 *   uint8_t *labels = malloc(voxels * info->label_bytes);
 *   if (swin_predict(model, &image, labels, NULL, NULL, &error)) …
 *   swin_close(model);
 *
 * Threads. Every function may be called from every thread. The predictions of one model run one after another, those of
 * several models at the same time. Only swin_close may not be called while another call uses the model. A model has
 * nothing in common with other models. The work is done on threads of the library, which block all signals and end with
 * the call; the caller waits. So OpenMP's settings of the caller neither matter nor change.
 *
 * Errors. Functions return 0, or one of the negative numbers below with `error` filled (NULL: not wanted). The library
 * does not print, does not exit and handles no signals. After an error a model may be used as before.
 *
 * Compatibility. Structures that begin with `size` are given by the caller: set it to their sizeof, and all fields that
 * are not used to 0. Later versions add fields at the end, with 0 for what was before. */
#ifndef SWIN_UMAMBA_H
#define SWIN_UMAMBA_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SWIN_VERSION "0.1.0"
#define SWIN_API __attribute__((visibility("default")))

enum {
    SWIN_OK = 0,
    SWIN_NO_MEMORY = -1,   /* out of memory, or no thread could be started */
    SWIN_IO = -2,          /* a file could not be opened, read or written */
    SWIN_FORMAT = -3,      /* a file's content is not what it must be */
    SWIN_VALUE = -4,       /* a value is outside its range, or two values contradict */
    SWIN_SHAPE = -5,       /* shapes or numbers of channels do not fit */
    SWIN_UNSUPPORTED = -6, /* valid, but not supported */
    SWIN_CANCELLED = -7,   /* by swin_cancel, or by the progress function */
    SWIN_MEMORY_LIMIT = -8 /* needs more memory than options.memory */
};

typedef struct swin_error {
    int code;
    char text[1024]; /* one line, UTF-8 */
} swin_error;

typedef struct swin_model swin_model;

/* What the caller wants to hear of. Each function may be NULL; they are called on a thread of the library, never two of
 * one call at the same time, and must not call the model. */
typedef struct swin_listener {
    size_t size;
    void *context;                                               /* handed to each function */
    void (*warning)(void *context, const char *text);            /* text: valid during the call */
    int (*progress)(void *context, int64_t done, int64_t parts); /* not 0: cancels this prediction */
} swin_listener;

typedef struct swin_options {
    size_t size;
    const char *folds;      /* "0,1,2", "0-4" or "all"; NULL: all numbered folds; the mean of several is predicted */
    const char *checkpoint; /* "final", "best" or "latest"; NULL: the path's, else final */
    const char *device;     /* "cpu", "cuda", "cuda:1"; NULL: cpu */
    const char *precision;  /* "fp32" or "bf16"; NULL: fp32 */
    int threads;            /* 0: OMP_NUM_THREADS, else the processors that the process may use */
    int mirroring;          /* average over mirrored predictions: 0 as the plan says, 1 yes, -1 no */
    double step;            /* of the sliding window, as a part of the patch; 0: the plan's, 0.5 */
    int64_t memory;         /* bytes for one prediction and its networks, besides the caller's arrays; 0: no limit */
} swin_options;

/* The version of the library, as SWIN_VERSION of its header. */
SWIN_API const char *swin_version(void);

/* Opens a model: a results folder of train or of an nnU-Net trainer, or an inference.yaml with one model, whose
 * post-processing is then applied. The weights are read by swin_warm, or by the first prediction. options and listener may be NULL. NULL on
 * failure: SWIN_VALUE (also where there is no model), SWIN_IO, SWIN_FORMAT, SWIN_UNSUPPORTED, SWIN_NO_MEMORY. */
SWIN_API swin_model *swin_open(const char *path, const swin_options *options, const swin_listener *listener,
                               swin_error *error);
SWIN_API void swin_close(swin_model *model); /* NULL is fine */

/* A class of the probabilities, and its value in label images. A voxel has the value of the most probable class. Regions
 * (unions of labels) overlap: there it has that of the last class above one half, and 0 without any. */
typedef struct swin_class {
    const char *name;
    int value;
} swin_class;

/* What a model is and wants; belongs to the model. Later versions add fields at the end. */
typedef struct swin_info {
    const char *network;     /* "swin_umamba_d" */
    const char *dataset;     /* its name in the plan */
    const char *file_ending; /* of the training images, ".nii.gz" */
    int channel_count;
    const char *const *channel_names;
    int class_count; /* of the probabilities; without regions the first is the background */
    const swin_class *classes;
    int has_regions;
    int label_bytes;                 /* of a voxel of label images: 1 (uint8_t) or 2 (uint16_t) */
    int fold_count;                  /* networks whose mean is predicted */
    int patch_yx[2];                 /* pixels of the sliding window */
    double median_spacing_zyx_mm[3]; /* of the training images, axes as in their files; 0: not known */
    int threads;                     /* that a prediction uses */
    const char *orientation;  /* of the training images' axes, the most frequent first: "RAS,LPS"; NULL: not known */
    const char *dataset_json; /* path of its file, which has the labels' names */
} swin_info;

SWIN_API const swin_info *swin_model_info(const swin_model *model);

enum {
    SWIN_FLOAT32,
    SWIN_FLOAT64,
    SWIN_UINT8,
    SWIN_INT8,
    SWIN_UINT16,
    SWIN_INT16,
    SWIN_UINT32,
    SWIN_INT32,
    SWIN_UINT64,
    SWIN_INT64
};

/* An image in memory; borrowed and not changed. Each axis as a file of the training images would have it. */
typedef struct swin_image {
    size_t size;
    const void *voxels; /* dense (channels, Z, Y, X): x is the fastest. One slice has Z = 1 */
    int type;           /* of a voxel: SWIN_FLOAT32 … */
    int channels;
    int64_t shape_zyx[3];
    double spacing_zyx_mm[3]; /* that of Z does not matter if Z = 1 */
    /* NULL, or 3 rows of 4 numbers: voxel (x,y,z,1) to mm to the right, to the front and up, as NIfTI and nibabel have it.
     * A model that was trained on reoriented images turns the image by it; else it is compared with the orientations of
     * the training images. Without it axes are taken as they are. A warning tells if it has another spacing. */
    const double *affine;
} swin_image;

/* Reads the weights and runs the networks once, so that the first prediction takes no longer than later ones. Without it the
 * first prediction does so. Nothing is done if options.memory does not allow a slice of the training images.
 * Fails: SWIN_NO_MEMORY, SWIN_IO, SWIN_FORMAT, SWIN_CANCELLED. */
SWIN_API int swin_warm(swin_model *model, swin_error *error);

/* Seconds that the networks have computed so far, in all predictions: the rest of a prediction's time is spent on reading,
 * resampling and writing. */
SWIN_API double swin_network_seconds(const swin_model *model);

/* Segments an image. labels: room for Z·Y·X values of info->label_bytes; probabilities: for Z·Y·X·class_count floats, the
 * class is the fastest; either may be NULL. Both have the axes of the image. listener may be NULL. Their content is not
 * defined on failure: SWIN_SHAPE, SWIN_VALUE (also for NaN and infinity), SWIN_NO_MEMORY,
 * SWIN_MEMORY_LIMIT, SWIN_CANCELLED. */
SWIN_API int swin_predict(swin_model *model, const swin_image *image, void *labels, float *probabilities,
                          const swin_listener *listener, swin_error *error);

/* Segments image files of one case: one per channel in their order, or one with all channels. The labels are written to
 * `output`, whose ending names the format; they are the file that the program predict writes. An existing file is
 * replaced when the new one is complete; nothing is written on failure: as swin_predict; SWIN_IO, SWIN_FORMAT,
 * SWIN_UNSUPPORTED. */
SWIN_API int swin_predict_file(swin_model *model, const char *const *images, int image_count, const char *output,
                               const swin_listener *listener, swin_error *error);

/* Ends all predictions of the model that run or wait now; they return SWIN_CANCELLED, at the latest when the network has
 * done its present piece. Later predictions are not affected. */
SWIN_API void swin_cancel(swin_model *model);

#ifdef __cplusplus
}
#endif

#endif
