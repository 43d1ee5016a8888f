#include "dicom/pixels.h"

#include "dicom/attributes.h"
#include "dicom/stream.h"

#include <dcmtk/config/osconfig.h>

#include <dcmtk/dcmdata/dcdeftag.h>
#include <dcmtk/dcmdata/dcdict.h>
#include <dcmtk/dcmdata/dcfilefo.h>
#include <dcmtk/dcmdata/dcpixel.h>
#include <dcmtk/dcmdata/dcpixseq.h>
#include <dcmtk/dcmdata/dcpxitem.h>
#include <dcmtk/dcmdata/dcrledrg.h>
#include <dcmtk/dcmdata/dcxfer.h>
#include <dcmtk/dcmjpeg/djdecode.h>
#include <dcmtk/dcmjpls/djdecode.h>

#include <climits>
#include <cstring>
#include <new>
#include <unistd.h>
#include <vector>

struct DicomPixels {
    DcmFileFormat format;
    DcmPixelData *pixels;
    E_TransferSyntax syntax;
    long frames, rows, columns;
    int bits_allocated, bits_stored, high_bit;
    bool is_signed, is_inverse;
    std::vector<Uint8> frame, joined; /* as they are decoded; a codestream of several fragments */
};

/* ---- opening ---- */

/* The dictionary is a file of DCMTK's package. A folder of programs that is moved has its own
 * (tools/portable_folder). */
static bool load_own_dictionary()
{
    char path[PATH_MAX];
    const ssize_t length = readlink("/proc/self/exe", path, sizeof path - 64);
    if (length <= 0) return false;
    path[length] = '\0';
    strcpy(strrchr(path, '/'), "/../share/swin-umamba-c/dicom.dic");
    const bool loaded = dcmDataDict.wrlock().loadDictionary(path, OFFalse);
    dcmDataDict.wrunlock();
    return loaded;
}

static int begin(Err *e)
{
    DicomStream::begin();
    dcmEnableUnknownVRConversion.set(OFTrue); /* known attributes whose type was lost are what they are */
    if (!dcmDataDict.isDictionaryLoaded() && !load_own_dictionary())
        return err_set(e, ERR_IO, "DCMTK's data dictionary %s is not there: install it, or set DCMDICTPATH to its path",
                       DCM_DICT_DEFAULT_PATH);
    DJDecoderRegistration::registerCodecs();
    DJLSDecoderRegistration::registerCodecs();
    DcmRLEDecoderRegistration::registerCodecs();
    return 0;
}

int dicom_begin(Err *e)
{
    try {
        return begin(e);
    } catch (const std::bad_alloc &) {
        return err_set(e, ERR_NOMEM, "out of memory for DCMTK's dictionary and codecs");
    }
}

static int read_layout(DicomPixels *p, DcmItem *dataset, Err *e)
{
    OFString photometric;
    dataset->findAndGetOFString(DCM_PhotometricInterpretation, photometric);
    p->frames = whole_of(dataset, DCM_NumberOfFrames, 1);
    p->rows = whole_of(dataset, DCM_Rows, 0);
    p->columns = whole_of(dataset, DCM_Columns, 0);
    p->bits_allocated = (int)whole_of(dataset, DCM_BitsAllocated, 0);
    p->bits_stored = (int)whole_of(dataset, DCM_BitsStored, p->bits_allocated);
    p->high_bit = (int)whole_of(dataset, DCM_HighBit, p->bits_stored - 1);
    p->is_signed = whole_of(dataset, DCM_PixelRepresentation, 0) == 1;
    p->is_inverse = photometric == "MONOCHROME1";
    if (p->bits_allocated != 8 && p->bits_allocated != 16 && p->bits_allocated != 32)
        return err_set(e, ERR_UNSUPPORTED, "%d bits per pixel: expected 8, 16 or 32", p->bits_allocated);
    if (p->bits_stored < 1 || p->bits_stored > p->high_bit + 1 || p->high_bit >= p->bits_allocated)
        return err_set(e, ERR_FORMAT, "BitsAllocated %d, BitsStored %d and HighBit %d contradict each other",
                       p->bits_allocated, p->bits_stored, p->high_bit);
    if (p->bits_stored == 32 && !p->is_signed)
        return err_set(e, ERR_UNSUPPORTED, "unsigned values of 32 bits: expected at most 31, or signed ones");
    return 0;
}

/* The sizes in a fragment's own header. Of JPEG only the fragments have one with which an image begins. */
static int expect_sizes(const DicomPixels *p, const Uint8 *bytes, size_t count, Err *e)
{
    if (p->syntax == EXS_RLELossless) return rle_expect_segments(bytes, count, p->bits_allocated / 8, e);
    return jpeg_expect_size(bytes, count, p->rows, p->columns, e);
}

/* The first fragment is a table of offsets. */
static int expect_fragments(DicomPixels *p, Err *e)
{
    DcmPixelSequence *all = NULL;
    if (p->pixels->getEncapsulatedRepresentation(p->syntax, NULL, all).bad() || !all) return 0;
    long pieces = 0;
    DcmObject *at = all->nextInContainer(NULL);
    while (at && (at = all->nextInContainer(at))) {
        DcmPixelItem *item = static_cast<DcmPixelItem *>(at);
        Uint8 *bytes = NULL;
        if (item->getUint8Array(bytes).bad() || !bytes) continue;
        TRY(expect_sizes(p, bytes, item->getLength(), e));
        pieces++;
    }
    if (p->syntax != EXS_RLELossless || pieces == p->frames) return 0;
    return err_set(e, ERR_FORMAT, "%ld RLE frames in %ld pieces: expected one for each frame", p->frames, pieces);
}

/* What follows the pixels is not needed, and may be padding or damaged. */
static bool has_whole_pixels(DcmItem *dataset)
{
    DcmElement *element = NULL;
    return dataset->findAndGetElement(DCM_PixelData, element).good() && element->transferState() == ERW_ready &&
           element->loadAllDataIntoMemory().good();
}

static int open(DicomPixels *p, const void *bytes, size_t count, Err *e)
{
    DicomStream stream(bytes, count);
    DcmElement *element = NULL;
    p->format.transferInit();
    const OFCondition read = p->format.read(stream);
    DcmDataset *dataset = p->format.getDataset();
    const bool is_whole = read.good() || has_whole_pixels(dataset);
    p->format.transferEnd();
    if (!is_whole) return err_set(e, ERR_FORMAT, "cut off or damaged: %s", read.text());
    if (!stream.has_end()) return err_set(e, ERR_FORMAT, "cut off or damaged: its deflated part has no end");
    if (dataset->findAndGetElement(DCM_PixelData, element).bad() ||
        !(p->pixels = dynamic_cast<DcmPixelData *>(element)))
        return err_set(e, ERR_FORMAT, "there is no PixelData");
    p->syntax = dataset->getOriginalXfer();
    TRY(read_layout(p, dataset, e));
    return expect_fragments(p, e);
}

int dicom_pixels_open(DicomPixels **result, const void *bytes, size_t count, Err *e)
{
    *result = NULL;
    try {
        DicomPixels *p = new DicomPixels();
        const int code = open(p, bytes, count, e);
        if (code) delete p;
        else *result = p;
        return code;
    } catch (const std::bad_alloc &) {
        return err_set(e, ERR_NOMEM, "not enough memory for its pixels");
    }
}

void dicom_pixels_close(DicomPixels *p) { delete p; }

/* ---- JPEG 2000 ---- */

/* The fragments first … past - 1 of a frame. */
static int find_fragments(unsigned long *first, unsigned long *past, DcmPixelSequence *all, long frame, long frames,
                          Err *e)
{
    const unsigned long count = all->card(); /* the first one is a table of offsets */
    *first = 1;
    *past = count;
    if (frames == 1 && count > 1) return 0;
    *first = (unsigned long)frame + 1;
    *past = *first + 1;
    if (count == (unsigned long)frames + 1) return 0;
    return err_set(e, ERR_UNSUPPORTED, "%ld JPEG 2000 frames in %lu pieces: expected one for each frame", frames,
                   count ? count - 1 : 0);
}

static int decode_jpeg2000(DicomPixels *p, long frame, int32_t *values, Err *e)
{
    DcmPixelSequence *all = NULL;
    unsigned long first, past;
    if (p->pixels->getEncapsulatedRepresentation(p->syntax, NULL, all).bad() || !all)
        return err_set(e, ERR_FORMAT, "its compressed pixels cannot be found");
    TRY(find_fragments(&first, &past, all, frame, p->frames, e));
    p->joined.clear();
    for (unsigned long i = first; i < past; i++) {
        DcmPixelItem *item = NULL;
        Uint8 *bytes = NULL;
        if (all->getItem(item, i).bad() || item->getUint8Array(bytes).bad() || !bytes)
            return err_set(e, ERR_FORMAT, "its compressed pixels are cut off");
        p->joined.insert(p->joined.end(), bytes, bytes + item->getLength());
    }
    return jpeg2000_decode(values, p->rows, p->columns, p->joined.data(), p->joined.size(), e);
}

/* ---- all others ---- */

static int decode(DicomPixels *p, long frame, int32_t *values, size_t count, Err *e)
{
    OFString model;
    Uint32 fragment = 0; /* it finds the frame itself */
    const size_t size = (size_t)p->bits_allocated / 8, bytes = count * size;
    if (bytes > 0xfffffffe) return err_set(e, ERR_UNSUPPORTED, "a frame of more than 4 GiB");
    p->frame.resize(bytes + (bytes & 1));
    const OFCondition done = p->pixels->getUncompressedFrame(p->format.getDataset(), (Uint32)frame, fragment,
                                                             p->frame.data(), (Uint32)p->frame.size(), model);
    if (done == EC_UnsupportedEncoding || done == EC_CannotChangeRepresentation)
        return err_set(e, ERR_UNSUPPORTED,
                       "the transfer syntax %s is not read: convert the files with dcmdjpeg or gdcmconv --raw",
                       DcmXfer(p->syntax).getXferName());
    if (done.bad())
        return err_set(e, ERR_FORMAT, "its pixels (%s) cannot be decoded: %s", DcmXfer(p->syntax).getXferName(),
                       done.text());
    for (size_t i = 0; i < count; i++) {
        if (size == 1) values[i] = p->frame[i];
        else if (size == 2) {
            Uint16 value;
            memcpy(&value, &p->frame[2 * i], 2);
            values[i] = value;
        } else memcpy(&values[i], &p->frame[4 * i], 4);
    }
    return 0;
}

/* The bits up to high_bit are the value; others may hold overlays. */
static void take_bits(const DicomPixels *p, int32_t *values, size_t count, int shift)
{
    const uint32_t mask = p->bits_stored == 32 ? 0xffffffffu : (1u << p->bits_stored) - 1,
                   sign = 1u << (p->bits_stored - 1);
    const int64_t sum = p->is_signed ? -1 : (int64_t)mask; /* of the lowest and the highest value */
    for (size_t i = 0; i < count; i++) {
        const uint32_t bits = (uint32_t)values[i] >> shift & mask;
        int64_t value = bits;
        if (p->is_signed && bits & sign) value -= (int64_t)mask + 1;
        values[i] = (int32_t)(p->is_inverse ? sum - value : value);
    }
}

int dicom_pixels_frame(DicomPixels *p, int frame, int32_t *values, size_t count, Err *e)
{
    const bool is_2000 = p->syntax == EXS_JPEG2000LosslessOnly || p->syntax == EXS_JPEG2000;
    if (count != (size_t)p->rows * (size_t)p->columns || frame >= p->frames)
        return err_set(e, ERR_SHAPE, "its frames have changed while it was read");
    try {
        TRY(is_2000 ? decode_jpeg2000(p, frame, values, e) : decode(p, frame, values, count, e));
    } catch (const std::bad_alloc &) {
        return err_set(e, ERR_NOMEM, "not enough memory for its pixels");
    }
    take_bits(p, values, count, is_2000 ? 0 : p->high_bit + 1 - p->bits_stored);
    return 0;
}
