#include "dicom/frames.h"

extern "C" {
#include "base/plain.h"
#include "data/geometry.h"
}

#include "dicom/attributes.h"
#include "dicom/stream.h"

#include <dcmtk/config/osconfig.h>

#include <dcmtk/dcmdata/dcdeftag.h>
#include <dcmtk/dcmdata/dcfilefo.h>
#include <dcmtk/dcmdata/dcmetinf.h>
#include <dcmtk/dcmdata/dcsequen.h>
#include <dcmtk/dcmdata/dcuid.h>
#include <dcmtk/dcmdata/dcxfer.h>

#include <cfloat>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>

/* ---- attributes ---- */

/* The value of an attribute as DICOM writes it, several joined by '\'; "" where it is not there. One line: messages and
 * tables quote it. */
static void text_of(char *text, size_t bytes, DcmItem *item, const DcmTagKey &tag)
{
    OFString value;
    *text = '\0';
    if (item && item->findAndGetOFStringArray(tag, value).good()) snprintf(text, bytes, "%s", value.c_str());
    plain_line(text);
}

/* NaN where the text is not a number and nothing else. */
static double number_in(const char *text)
{
    static const char blanks[] = " \t\r\n";
    char *end;
    const double value = strtod(text, &end);
    const bool is_number = end > text && !text[strspn(text, " \t\r\n+-.0123456789eE")];
    return is_number && !end[strspn(end, blanks)] ? value : NAN;
}

/* NaN where something else than a number is there. */
static double number_of(DcmItem *item, const DcmTagKey &tag, unsigned long index, double missing)
{
    DcmElement *element;
    OFString text;
    Float64 value;
    Float32 single;
    if (!item || item->findAndGetElement(tag, element).bad()) return missing;
    if (element->getFloat32(single, index).good()) return single;
    if (element->getVR() == EVR_FD && element->getFloat64(value, index).good()) return value;
    if (element->getOFString(text, index).bad()) return missing;
    if (text.empty()) return element->getVM() > 1 ? NAN : missing;
    return number_in(text.c_str());
}

/* Fails where the number is none. */
static int read_number(double *value, DcmItem *item, const DcmTagKey &tag, const char *name, double missing, Err *e)
{
    char text[DICOM_TEXT_BYTES];
    *value = number_of(item, tag, 0, missing);
    if (!std::isnan(*value)) return 0;
    text_of(text, sizeof text, item, tag);
    return err_set(e, ERR_VALUE, "%s is '%s': expected a number", name, text);
}

static DcmItem *item_of(DcmItem *item, const DcmTagKey &sequence)
{
    DcmItem *found = NULL;
    if (!item || item->findAndGetSequenceItem(sequence, found).bad()) return NULL;
    return found;
}

/* Reads `count` numbers; 1: all are there; 0: none is; -1: some are missing or not finite. */
static int numbers_of(double *values, unsigned long count, DcmItem *item, const DcmTagKey &tag)
{
    DcmElement *element;
    if (!item || item->findAndGetElement(tag, element).bad() || !element->getLength()) return 0;
    for (unsigned long i = 0; i < count; i++) {
        values[i] = number_of(item, tag, i, NAN);
        if (!std::isfinite(values[i])) return -1;
    }
    return 1;
}

/* ---- a frame ---- */

/* Where a frame's attributes are: in an enhanced object in its own functional groups or those of all frames, else in
 * the dataset. */
struct Groups {
    DcmItem *own, *shared, *dataset;

    DcmItem *find(const DcmTagKey &sequence) const
    {
        if (!shared && !own) return dataset;
        DcmItem *item = item_of(own, sequence);
        return item ? item : item_of(shared, sequence);
    }
};

static double length_of(const double v[3]) { return std::sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2]); }

static int read_directions(Frame *f, const double six[6], Err *e)
{
    double across = 0;
    for (int k = 0; k < 2; k++) {
        const double length = length_of(six + 3 * k);
        if (!(std::fabs(length - 1) < 0.01))
            return err_set(e, ERR_VALUE, "ImageOrientationPatient has a direction of length %g: expected 1", length);
        for (int i = 0; i < 3; i++) f->direction[k][i] = six[3 * k + i] / length;
    }
    for (int i = 0; i < 3; i++) across += f->direction[0][i] * f->direction[1][i];
    if (std::fabs(across) > 0.01)
        return err_set(e, ERR_VALUE, "ImageOrientationPatient has rows and columns that are not perpendicular");
    return 0;
}

static int incomplete(const char *name, const char *count, DcmItem *item, const DcmTagKey &tag, Err *e)
{
    char text[256];
    text_of(text, sizeof text, item, tag);
    return err_set(e, ERR_VALUE, "%s is not complete: '%s', expected %s numbers", name, text, count);
}

static int read_place(Frame *f, const Groups &groups, Err *e)
{
    double six[6];
    DcmItem *position_item = groups.find(DCM_PlanePositionSequence);
    DcmItem *direction_item = groups.find(DCM_PlaneOrientationSequence);
    const int position = numbers_of(f->position, 3, position_item, DCM_ImagePositionPatient);
    const int directions = numbers_of(six, 6, direction_item, DCM_ImageOrientationPatient);
    if (position < 0) return incomplete("ImagePositionPatient", "three", position_item, DCM_ImagePositionPatient, e);
    if (directions < 0)
        return incomplete("ImageOrientationPatient", "six", direction_item, DCM_ImageOrientationPatient, e);
    if (position != directions)
        return err_set(e, ERR_VALUE, "%s is missing", position ? "ImageOrientationPatient" : "ImagePositionPatient");
    f->has_place = position > 0;
    return position ? read_directions(f, six, e) : 0;
}

static int read_spacing(Frame *f, const Groups &groups, Err *e)
{
    DcmItem *measures = groups.find(DCM_PixelMeasuresSequence);
    DcmItem *item = measures;
    DcmTagKey tag = DCM_PixelSpacing;
    int given = numbers_of(f->spacing_yx, 2, item, tag);
    if (!given) given = numbers_of(f->spacing_yx, 2, item = groups.dataset, tag = DCM_ImagerPixelSpacing);
    if (given > 0 && f->spacing_yx[0] == 0 && f->spacing_yx[1] == 0) given = 0; /* as some X-rays have it */
    if (given < 0 || (given && !(geometry_is_spacing(f->spacing_yx[0]) && geometry_is_spacing(f->spacing_yx[1])))) {
        char text[DICOM_TEXT_BYTES];
        text_of(text, sizeof text, item, tag);
        return err_set(e, ERR_VALUE, "PixelSpacing is '%s': expected two numbers, each " GEOMETRY_SPACINGS, text);
    }
    if (!given) f->spacing_yx[0] = f->spacing_yx[1] = 0;
    f->thickness = number_of(measures, DCM_SpacingBetweenSlices, 0, 0);
    if (!geometry_is_spacing(f->thickness)) f->thickness = number_of(measures, DCM_SliceThickness, 0, 0);
    if (!geometry_is_spacing(f->thickness)) f->thickness = 0;
    return 0;
}

static int read_rescale(Frame *f, const Groups &groups, Err *e)
{
    DcmItem *item = groups.find(DCM_PixelValueTransformationSequence);
    TRY(read_number(&f->slope, item, DCM_RescaleSlope, "RescaleSlope", 1, e));
    TRY(read_number(&f->intercept, item, DCM_RescaleIntercept, "RescaleIntercept", 0, e));
    const double stored_most = 0x1p32, slope = std::fabs(f->slope);
    if (!(slope >= FLT_MIN && slope * stored_most + std::fabs(f->intercept) <= FLT_MAX))
        return err_set(e, ERR_VALUE, "RescaleSlope %g and RescaleIntercept %g give no values that float32 can hold",
                       f->slope, f->intercept);
    return 0;
}

static void read_keys(Frame *f, const Groups &groups)
{
    DcmItem *content = groups.find(DCM_FrameContentSequence);
    DcmItem *data = groups.dataset, *diffusion = groups.find(DCM_MRDiffusionSequence);
    const bool enhanced = content != data;
    const auto take = [&](int key, DcmItem *item, const DcmTagKey &tag) {
        text_of(f->keys[key], DICOM_KEY_BYTES, item, tag);
    };
    take(KEY_TEMPORAL, content, enhanced ? DCM_TemporalPositionIndex : DCM_TemporalPositionIdentifier);
    take(KEY_ECHO, groups.find(DCM_MREchoSequence), enhanced ? DCM_EffectiveEchoTime : DCM_EchoTime);
    take(KEY_B_VALUE, diffusion, DCM_DiffusionBValue);
    take(KEY_TRIGGER, groups.find(DCM_CardiacSynchronizationSequence),
         enhanced ? DCM_NominalCardiacTriggerDelayTime : DCM_TriggerTime);
    take(KEY_STACK, enhanced ? content : NULL, DCM_StackID);
    take(KEY_ACQUISITION, content, enhanced ? DCM_FrameAcquisitionNumber : DCM_AcquisitionNumber);
    take(KEY_TIME, content, enhanced ? DCM_FrameAcquisitionDateTime : DCM_AcquisitionTime);
    take(KEY_TYPE, data, DCM_ImageType);
    for (const DcmTagKey &tag : {DCM_MRImageFrameTypeSequence, DCM_CTImageFrameTypeSequence, DCM_PETFrameTypeSequence})
        if (DcmItem *item = enhanced ? groups.find(tag) : NULL) take(KEY_TYPE, item, DCM_FrameType);
}

static int read_frame(Frame *f, const Groups &groups, Err *e)
{
    TRY(read_place(f, groups, e));
    TRY(read_spacing(f, groups, e));
    TRY(read_rescale(f, groups, e));
    read_keys(f, groups);
    return 0;
}

static int expect_groups(const DicomFile *file, DcmItem *dataset, Err *e)
{
    DcmSequenceOfItems *each = NULL;
    if (!file->is_enhanced) return 0;
    dataset->findAndGetSequence(DCM_PerFrameFunctionalGroupsSequence, each);
    if (each && each->card() == (unsigned long)file->count) return 0;
    return err_set(e, ERR_FORMAT, "NumberOfFrames is %d, but there are functional groups of %lu frames", file->count,
                   each ? each->card() : 0);
}

static int read_frames(DicomScan *s, const DicomFile *file, DcmItem *dataset, Err *e)
{
    DcmSequenceOfItems *each = NULL;
    Groups groups = {NULL, NULL, dataset};
    if (file->is_enhanced) {
        groups.shared = item_of(dataset, DCM_SharedFunctionalGroupsSequence);
        dataset->findAndGetSequence(DCM_PerFrameFunctionalGroupsSequence, each);
    }
    DcmObject *item = NULL;
    for (int i = 0; i < file->count; i++) {
        Frame *f = &s->frames[file->first + i];
        if (each) groups.own = static_cast<DcmItem *>(item = each->nextInContainer(item));
        f->file = s->file_count - 1;
        f->number = i;
        if (read_frame(f, groups, e)) return file->count > 1 ? err_context(e, "frame %d", i + 1) : e->code;
    }
    return 0;
}

/* ---- a file ---- */

/* Why the object's frames are no slices; NULL: they are. */
static const char *unusable(const DicomFile *file, DcmItem *dataset)
{
    char type[256];
    text_of(type, sizeof type, dataset, DCM_ImageType);
    if (whole_of(dataset, DCM_SamplesPerPixel, 1) != 1) return "its pixels are colours: expected one value per pixel";
    if (strncmp(file->photometric, "MONOCHROME", 10)) return "its pixels are no gray values: expected MONOCHROME1 or 2";
    if (strstr(type, "\\MOSAIC")) return "it is a mosaic, several slices in one image: convert it with dcm2niix";
    if (file->count > 1 && !file->is_enhanced)
        return "it has several frames without functional groups, which tell their places: expected an enhanced object, or "
               "an object for each slice";
    if (item_of(dataset, DCM_ModalityLUTSequence))
        return "its values are given by a table (ModalityLUTSequence), which is not read";
    return NULL;
}

static void read_file(DicomFile *file, DcmItem *dataset)
{
    text_of(file->series, sizeof file->series, dataset, DCM_SeriesInstanceUID);
    text_of(file->study, sizeof file->study, dataset, DCM_StudyInstanceUID);
    text_of(file->reference, sizeof file->reference, dataset, DCM_FrameOfReferenceUID);
    text_of(file->instance, sizeof file->instance, dataset, DCM_SOPInstanceUID);
    text_of(file->kind, sizeof file->kind, dataset, DCM_SOPClassUID);
    text_of(file->modality, sizeof file->modality, dataset, DCM_Modality);
    text_of(file->description, sizeof file->description, dataset, DCM_SeriesDescription);
    text_of(file->photometric, sizeof file->photometric, dataset, DCM_PhotometricInterpretation);
    file->series_number = whole_of(dataset, DCM_SeriesNumber, -1);
    file->instance_number = whole_of(dataset, DCM_InstanceNumber, 0);
    file->tilt = number_of(dataset, DCM_GantryDetectorTilt, 0, 0);
    file->is_enhanced = dataset->tagExists(DCM_PerFrameFunctionalGroupsSequence);
}

/* Parts of DICOM without a preamble begin with group 2 or 8, little or big endian. */
static bool looks_like_dicom(const unsigned char *bytes, size_t count)
{
    if (count >= 132 && !memcmp(bytes + 128, "DICM", 4)) return true;
    if (count < 16) return false;
    const bool little = (bytes[0] == 2 || bytes[0] == 8) && !bytes[1] && !bytes[3];
    const bool big = !bytes[0] && (bytes[1] == 2 || bytes[1] == 8) && !bytes[2];
    return little || big;
}

/* As a copy that was cut off leaves it: no byte, or nothing but zeros where a preamble and a header belong. */
static bool is_blank(const unsigned char *bytes, size_t count)
{
    for (size_t i = 0; i < count && i < 132; i++)
        if (bytes[i]) return false;
    return true;
}

/* DCMTK 3.6.7 does not know it yet. */
static const char label_map_segmentation[] = "1.2.840.10008.5.1.4.1.1.66.7";

static bool is_image(DcmItem *dataset)
{
    OFString kind;
    dataset->findAndGetOFString(DCM_SOPClassUID, kind);
    return whole_of(dataset, DCM_Rows, 0) > 0 && whole_of(dataset, DCM_Columns, 0) > 0 &&
           kind != UID_SegmentationStorage && kind != label_map_segmentation &&
           whole_of(dataset, DCM_BitsAllocated, 0) > 0;
}

/* How many pixels a byte of the file can make. Nothing in JPEG-LS and JPEG 2000 limits it: an empty image of 2048x2048
 * pixels takes about 1 kB. */
static double pixels_most(E_TransferSyntax syntax, long bits)
{
    const double deflate_most = 1032, rle_most = 64, jpeg_most = 4096, stored = 8 / (double)bits;
    switch (syntax) {
    case EXS_LittleEndianImplicit:
    case EXS_LittleEndianExplicit:
    case EXS_BigEndianExplicit: return stored;
    case EXS_DeflatedLittleEndianExplicit: return deflate_most * stored;
    case EXS_RLELossless: return rle_most * stored;
    default: return jpeg_most;
    }
}

/* Memory is taken by the numbers of the header: it may claim no more than its file can hold. */
static int expect_bytes(const DicomFile *file, DcmDataset *dataset, size_t count, Err *e)
{
    const long bits = whole_of(dataset, DCM_BitsAllocated, 0);
    const double pixels = (double)file->count * (double)file->rows * (double)file->columns;
    if (pixels <= (double)count * pixels_most(dataset->getOriginalXfer(), bits)) return 0;
    return err_set(
        e, ERR_FORMAT, "cut off or damaged: a file of %zu bytes cannot hold %d image%s of %lldx%lld pixels of %ld bits",
        count, file->count, file->count == 1 ? "" : "s", (long long)file->columns, (long long)file->rows, bits);
}

/* count: the bytes of the file. */
static int check_file(DicomFile *file, DcmDataset *dataset, size_t count, Err *e)
{
    const long frames = whole_of(dataset, DCM_NumberOfFrames, 1);
    if (frames < 1 || frames > 1 << 20) return err_set(e, ERR_VALUE, "NumberOfFrames is %ld", frames);
    file->count = (int)frames;
    file->rows = whole_of(dataset, DCM_Rows, 0);
    file->columns = whole_of(dataset, DCM_Columns, 0);
    const char *why = unusable(file, dataset);
    if (why) return err_set(e, ERR_UNSUPPORTED, "%s", why);
    TRY(expect_groups(file, dataset, e));
    return expect_bytes(file, dataset, count, e);
}

static void keep_fault(DicomFile *file, Err *fault)
{
    file->fault_code = fault->code;
    snprintf(file->fault, sizeof file->fault, "%s", fault->text);
    err_clear(fault);
}

/* found: what is wrong with the file as a whole. Room for frames is made only where the file can be used. */
static int add_image(DicomScan *s, int source, DcmDataset *dataset, size_t count, Err *found, Err *e)
{
    DicomFile read = {};
    read.source = source;
    read.count = 1;
    read_file(&read, dataset);
    if (!found->code) check_file(&read, dataset, count, found);
    TRY(scan_add(s, found->code ? 0 : read.count, e));
    DicomFile *file = &s->files[s->file_count - 1];
    read.first = file->first;
    *file = read;
    if (!found->code) read_frames(s, file, dataset, found);
    if (found->code) keep_fault(file, found);
    return 0;
}

/* The class of what the object is; a file that is cut off may have it in its first part alone. */
static void class_of(char *kind, size_t bytes, DcmFileFormat *format)
{
    text_of(kind, bytes, format->getDataset(), DCM_SOPClassUID);
    if (!*kind) text_of(kind, bytes, format->getMetaInfo(), DCM_MediaStorageSOPClassUID);
}

/* Where the file ended within an element, DCMTK leaves that with the length that its header claims: with memory that was
 * never filled, or to be read again. count: the bytes of the file. */
static void drop_unfinished(DcmItem *dataset, size_t count)
{
    for (unsigned long i = dataset->card(); i-- > 0;) {
        DcmElement *element = dataset->getElement(i);
        if (element->transferState() != ERW_ready || (element->isLeaf() && element->getLengthField() > count))
            delete dataset->remove(i);
    }
}

static HeaderKind kind_of(DcmFileFormat *format, Err *found)
{
    char kind[DICOM_UID_BYTES];
    class_of(kind, sizeof kind, format);
    const bool is_meant = dcmIsImageStorageSOPClassUID(kind), is_known = dcmFindNameOfUID(kind) != NULL;
    if (is_known && !is_meant && (found->code || !is_image(format->getDataset()))) return HEADER_OTHER;
    if (found->code || is_image(format->getDataset())) return HEADER_IMAGE;
    if (is_meant) err_set(found, ERR_FORMAT, "cut off or damaged: Rows, Columns or BitsAllocated is missing");
    return is_meant ? HEADER_IMAGE : HEADER_OTHER;
}

int dicom_read_header(DicomScan *s, HeaderKind *kind, int source, const void *bytes, size_t count, Err *e)
{
    *kind = HEADER_NONE;
    if (is_blank(static_cast<const unsigned char *>(bytes), count))
        return err_set(e, ERR_FORMAT, "%s: copy it again, or remove it if it is no slice",
                       count ? "its beginning holds zeros only" : "it is empty");
    if (!looks_like_dicom(static_cast<const unsigned char *>(bytes), count)) return 0;
    try {
        DicomStream stream(bytes, count);
        DcmFileFormat format;
        format.transferInit();
        const OFCondition read =
            format.readUntilTag(stream, EXS_Unknown, EGL_noChange, DCM_MaxReadLength, DCM_PixelData);
        DcmDataset *dataset = format.getDataset();
        if (read.bad()) drop_unfinished(dataset, count);
        format.transferEnd();
        Err found = {};
        if (read.bad()) err_set(&found, ERR_FORMAT, "cut off or damaged: %s", read.text());
        *kind = kind_of(&format, &found);
        if (found.code && *kind == HEADER_IMAGE && !dataset->tagExists(DCM_SeriesInstanceUID)) {
            *e = found;
            return e->code;
        }
        if (*kind == HEADER_IMAGE) return add_image(s, source, dataset, count, &found, e);
        if (!s->other_count++) s->first_other = source;
        return 0;
    } catch (const std::bad_alloc &) {
        return err_set(e, ERR_NOMEM, "not enough memory for its header");
    }
}
