/* Pixels: the stored values of a DICOM file's frames, of all transfer syntaxes that DCMTK and OpenJPEG decode.
 *
 * `DicomPixels *p`; dicom_pixels_open, dicom_pixels_frame, dicom_pixels_close. Also compiled as C++. */
#ifndef DICOM_PIXELS_H
#define DICOM_PIXELS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#include "base/error.h"

/* Prepares DCMTK: its decoders, and no messages of its own. To be called once, before all other functions. Fails:
 * ERR_IO if its data dictionary is not there. */
int dicom_begin(Err *e);

typedef struct DicomPixels DicomPixels;

/* bytes: of the file, borrowed until the close. Fails: ERR_FORMAT, ERR_UNSUPPORTED (a bit depth that is not read),
 * ERR_NOMEM; the text does not name the file. */
int dicom_pixels_open(DicomPixels **p, const void *bytes, size_t count, Err *e);
void dicom_pixels_close(DicomPixels *p); /* NULL is fine */

/* The values of a frame: `count` must be its rows times its columns. A MONOCHROME1 image, which shows low values
 * bright, is turned round within the range of its bits. Fails: ERR_FORMAT, ERR_SHAPE; ERR_UNSUPPORTED with the
 * transfer syntax. */
int dicom_pixels_frame(DicomPixels *p, int frame, int32_t *values, size_t count, Err *e);

/* Compares the size that a JPEG or JPEG-LS codestream begins with; other bytes are not looked at (dicom/jpeg_size.c).
 * DCMTK compares it, too, but may have decoded a progressive image of that size before. Fails: ERR_FORMAT; ERR_SHAPE
 * for another size. */
int jpeg_expect_size(const void *bytes, size_t count, int64_t rows, int64_t columns, Err *e);

/* Checks that a frame in RLE has so many segments, and that they lie in its bytes (dicom/rle_size.c): DCMTK reads where its header
 * says. Fails: ERR_FORMAT. */
int rle_expect_segments(const void *frame, size_t count, int segments, Err *e);

/* Decodes a JPEG 2000 codestream of one component (dicom/jpeg2000.c). Fails: ERR_FORMAT; ERR_SHAPE for another size. */
int jpeg2000_decode(int32_t *values, int64_t rows, int64_t columns, const void *bytes, size_t count, Err *e);

#ifdef __cplusplus
}
#endif
#endif
