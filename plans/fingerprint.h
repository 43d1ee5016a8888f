/* Fingerprint: sizes, spacings and intensities of a dataset's cases (nnU-Net's keys; docs/reference.md, Fingerprint).
 *
 * Beside nnU-Net's keys, `orientations` holds the direction of each case's axes as a code (data/grid_axes.h: "RAS",
 * "none"). Shapes and spacings are those of the axes as they are read (plans/readers.h).
 *
 * Made by fingerprint_new or fingerprint_read, freed by fingerprint_free; it owns its lists. */
#ifndef PLANS_FINGERPRINT_H
#define PLANS_FINGERPRINT_H

#include <stdint.h>

#include "base/error.h"
#include "plans/plan.h"

enum { FINGERPRINT_CODE_BYTES = 5 };

typedef struct Fingerprint {
    int case_count;
    double (*spacings_mm)[3];    /* key: spacings; array order (z,y,x), not transposed */
    int (*shapes_after_crop)[3]; /* voxels, likewise */
    double median_relative_size_after_cropping;
    char (*orientations)[FINGERPRINT_CODE_BYTES]; /* of each case, "RAS"; "": not in the file */
    int channel_count;
    IntensityProperties *intensities; /* foreground_intensity_properties_per_channel */
} Fingerprint;

/* A zeroed fingerprint for so many cases and channels. Fails: ERR_NOMEM. */
int fingerprint_new(Fingerprint *f, int case_count, int channel_count, Err *e);

/* Fails: ERR_IO; ERR_FORMAT with "file:line:column: what". */
int fingerprint_read(Fingerprint *f, const char *path, Err *e);

/* YAML, or JSON where the path ends in .json; atomic; doubles read back exactly. */
int fingerprint_write(const Fingerprint *f, const char *path, Err *e);
void fingerprint_free(Fingerprint *f);

#endif
