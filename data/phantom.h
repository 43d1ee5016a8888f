/* Phantoms: synthetic labelled volumes that thresholds cannot segment.
 *
 * A body with a bright and a dark layer below its surface and thin bright and dark vessels; in it two organs of
 * varying shape, place and intensity: label 1 as bright as the outer layer, label 2 as dark as the inner one. In
 * each case an organ has the same intensity as its layer and vessels, so that no threshold finds it; but it is
 * thick and inside the body. Noise (Rician), a bias field, anisotropic spacing. Everything is a function of (seed,
 * case), so that any thread can make any case. */
#ifndef DATA_PHANTOM_H
#define DATA_PHANTOM_H

#include <stdint.h>

#include "base/array.h"
#include "base/error.h"
#include "data/geometry.h"

typedef struct PhantomOptions {
    int64_t shape_zyx[3]; /* each at least 1 */
    int channels;         /* at least 1; each has its own contrast, bias field and noise */
    uint64_t seed;
    const char *ending; /* of the files on disk, a known one (image_ending); NULL: .nii.gz */
} PhantomOptions;

typedef struct Phantom {
    Array voxels; /* int16 (C,Z,Y,X) */
    Array labels; /* uint8 (Z,Y,X): 0, 1, 2 */
    Geometry geometry;
} Phantom;

/* Makes case `index` (from 0); the caller frees it. Fails: ERR_NOMEM, ERR_SHAPE. */
int phantom_make(Phantom *p, const PhantomOptions *options, int index, Err *e);
void phantom_free(Phantom *p);

/* Makes the case and writes it into the raw dataset `folder` (imagesTr, labelsTr are made as needed) as phantom_001
 * … for index 0 …. A picture has one slice; BMP has 8 bits, so it stores a quarter of the intensity. Fails: as
 * phantom_make and image_write. */
int phantom_write_case(const char *folder, const PhantomOptions *options, int index, Err *e);

/* Writes folder/dataset.json for `cases` cases. Fails: ERR_IO, ERR_NOMEM. */
int phantom_write_json(const char *folder, const PhantomOptions *options, int cases, Err *e);

#endif
