/* SeriesImages: DICOM series as the images of a case, and its labels as DICOM-SEG (docs/dicom.md). The program
 * convert_dicom reads and writes the objects, in a process of its own (base/tool.h); what goes between is in files in
 * memory.
 *
 *   SeriesImages s;
 *   series_images_open(&s, &source, channels, orientations, &warnings, e) … s.paths … s.labels, to be written …
 *   series_images_write(&s, "seg.dcm", "results/dataset.json", false, &warnings, e);
 *   series_images_close(&s); */
#ifndef INFERENCE_SERIES_IMAGES_H
#define INFERENCE_SERIES_IMAGES_H

#include <stdbool.h>

#include "base/memory_file.h"
#include "base/text.h"

enum { SERIES_CHANNELS = 16, SERIES_VOLUMES = 1000000 };

/* Where the series are: one for each channel, in their order. */
typedef struct SeriesSource {
    const char *const *inputs; /* folders, zip archives or files; one for all channels, or one for each */
    int input_count;
    const char *const *choices; /* of convert_dicom --series: none, one for all channels, or one for each */
    int choice_count;
    int volume; /* of convert_dicom --volume, from 1; 0: none is chosen */
} SeriesSource;

typedef struct SeriesImages {
    const SeriesSource *source; /* borrowed */
    int count;                  /* channels */
    char volume[16];            /* source->volume as text */
    int files[SERIES_CHANNELS + 1];
    const char *inputs[SERIES_CHANNELS]; /* paths, as an argument of a prediction */
    char paths[SERIES_CHANNELS][MEMORY_FILE_PATH_BYTES];
    char labels[MEMORY_FILE_PATH_BYTES]; /* for the prediction to write to */
} SeriesImages;

/* Whether a path is DICOM: a file or zip archive by its content, a folder if it has no images of other formats and one
 * of its first files is DICOM. What does not exist is not. Fails: ERR_IO for what cannot be read; ERR_NOMEM. */
int series_images_meant(const char *path, bool *is, Err *e);

/* Reads the series of `channels` channels. orientations: of the plan; images are turned to the first one unless they
 * have one of them; "": they stay as they are. warnings: a line each. Fails: ERR_VALUE for another number of series
 * than the model has channels; as tool_run, with the input's path. */
int series_images_open(SeriesImages *s, const SeriesSource *source, int channels, const char *orientations,
                       Text *warnings, Err *e);

/* Writes the labels as DICOM-SEG of the first series. Fails: as tool_run. */
int series_images_write(const SeriesImages *s, const char *output, const char *dataset_json, bool overwrite,
                        Text *warnings, Err *e);
void series_images_close(SeriesImages *s);

/* Replaces the paths in memory by those of the series, in a message. */
void series_images_rename(const SeriesImages *s, char *text, size_t bytes);

#endif
