#include "dicom/segmentation.h"

#include "dicom/stream.h"

extern "C" {
#include "base/file.h"
}

#include <dcmtk/config/osconfig.h>

#include <dcmtk/dcmdata/dcdeftag.h>
#include <dcmtk/dcmdata/dcfilefo.h>
#include <dcmtk/dcmdata/dcostrmb.h>
#include <dcmtk/dcmdata/dcvrda.h>
#include <dcmtk/dcmdata/dcvrtm.h>
#include <dcmtk/dcmfg/fgderimg.h>
#include <dcmtk/dcmfg/fgfracon.h>
#include <dcmtk/dcmfg/fgpixmsr.h>
#include <dcmtk/dcmfg/fgplanor.h>
#include <dcmtk/dcmfg/fgplanpo.h>
#include <dcmtk/dcmiod/cielabutil.h>
#include <dcmtk/dcmseg/segdoc.h>
#include <dcmtk/dcmseg/segment.h>

#include <cmath>
#include <cstdio>
#include <cstring>
#include <memory>
#include <new>
#include <vector>

namespace
{
/* A failure of the library, with what it was about. */
int failed(Err *e, const char *what, const OFCondition &condition)
{
    return err_set(e, ERR_FORMAT, "%s: %s", what, condition.text());
}

#define TRY_DICOM(what, call)                           \
    do {                                                \
        const OFCondition done_ = (call);               \
        if (done_.bad()) return failed(e, what, done_); \
    } while (0)

/* A decimal string has at most 16 characters. */
OFString decimal(double value)
{
    char text[32];
    for (int digits = 15; digits > 0; digits--) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strlen(text) <= 16) break;
    }
    return text;
}

OFString two(const double pair[2]) { return decimal(pair[0]) + "\\" + decimal(pair[1]); }

/* ---- the source ---- */

bool is_ascii(const SegmentationJob *job)
{
    bool plain = true;
    const auto check = [&](const char *text) {
        for (; *text; text++) plain = plain && (unsigned char)*text < 128;
    };
    for (int i = 0; i < job->segment_count; i++) check(job->segments[i].label);
    check(job->description);
    return plain;
}

int read_source(DcmFileFormat *format, const SegmentationJob *job, Err *e)
{
    DicomStream stream(job->source, job->source_bytes);
    format->transferInit();
    const OFCondition read = format->readUntilTag(stream, EXS_Unknown, EGL_noChange, DCM_MaxReadLength, DCM_PixelData);
    format->transferEnd();
    if (read.bad()) return failed(e, "the series' first image", read);
    if (!is_ascii(job))
        TRY_DICOM("the patient's data as UTF-8, which the labels need", format->getDataset()->convertToUTF8());
    return 0;
}

/* ---- the object without its frames ---- */

int create(DcmSegmentation **seg, const SegmentationJob *job, Err *e)
{
    const IODGeneralEquipmentModule::EquipmentInfo equipment("Swin-UMamba in C", "swin-umamba-c", "0", job->version);
    ContentIdentificationMacro *content = NULL;
    TRY_DICOM("its content", ContentIdentificationMacro::create("1", "SEGMENTATION", "", "", content));
    const std::unique_ptr<ContentIdentificationMacro> owner(content);
    TRY_DICOM("the segmentation", DcmSegmentation::createBinarySegmentation(*seg, (Uint16)job->rows,
                                                                            (Uint16)job->columns, equipment, *content));
    return 0;
}

int name_series(DcmSegmentation *seg, DcmItem *source, Err *e)
{
    char series[UID_BYTES], instance[UID_BYTES], place[UID_BYTES];
    OFString reference;
    Sint32 number = 0;
    OFString date, time;
    TRY(uid_new(series, e));
    TRY(uid_new(instance, e));
    TRY(uid_new(place, e));
    source->findAndGetSint32(DCM_SeriesNumber, number);
    DcmDate::getCurrentDate(date);
    DcmTime::getCurrentTime(time);
    char shown[16];
    snprintf(shown, sizeof shown, "%ld", number > 0 && number < 1000000 ? (long)number + 1000 : 1000L);
    IODGeneralSeriesModule &module = seg->getSeries();
    TRY_DICOM("SeriesInstanceUID", module.setSeriesInstanceUID(series));
    TRY_DICOM("SOPInstanceUID", seg->getSOPCommon().setSOPInstanceUID(instance));
    TRY_DICOM("SeriesNumber", module.setSeriesNumber(shown));
    TRY_DICOM("SeriesDate", module.setSeriesDate(date));
    TRY_DICOM("SeriesTime", module.setSeriesTime(time));
    if (source->findAndGetOFString(DCM_FrameOfReferenceUID, reference).bad() || reference.empty())
        TRY_DICOM("FrameOfReferenceUID", seg->getFrameOfReference().setFrameOfReferenceUID(place));
    return 0;
}

CodeSequenceMacro code_of(const SegmentCode &c) { return CodeSequenceMacro(c.value, "SCT", c.meaning); }

/* A source that has lost something in compression makes the segmentation "lossy", too. */
int copy_loss(DcmSegmentation *seg, DcmItem *source, Err *e)
{
    OFString lost, ratios, methods;
    source->findAndGetOFString(DCM_LossyImageCompression, lost);
    source->findAndGetOFStringArray(DCM_LossyImageCompressionRatio, ratios);
    source->findAndGetOFStringArray(DCM_LossyImageCompressionMethod, methods);
    if (lost == "01") TRY_DICOM("LossyImageCompression", seg->setLossyImageCompressionFlag(ratios, methods, OFFalse));
    return 0;
}

int add_segment(DcmSegmentation *seg, const DicomSegment *s, Err *e)
{
    DcmSegment *segment = NULL;
    Uint16 number;
    double lab[3];
    TRY_DICOM(s->label, DcmSegment::create(segment, "segment", code_of(s->codes.category), code_of(s->codes.type),
                                           DcmSegTypes::SAT_AUTOMATIC, "Swin-UMamba in C"));
    std::unique_ptr<DcmSegment> owner(segment);
    if (s->codes.side.value)
        segment->getSegmentedPropertyTypeModifierCode().push_back(new CodeSequenceMacro(code_of(s->codes.side)));
    IODCIELabUtil::rgb2DicomLab(lab[0], lab[1], lab[2], s->rgb[0] / 255.0, s->rgb[1] / 255.0, s->rgb[2] / 255.0);
    TRY_DICOM(s->label, segment->setRecommendedDisplayCIELabValue(
                            (Uint16)std::lround(lab[0]), (Uint16)std::lround(lab[1]), (Uint16)std::lround(lab[2])));
    TRY_DICOM(s->label, seg->addSegment(segment, number));
    owner.release();
    return 0;
}

int add_dimensions(DcmSegmentation *seg, Err *e)
{
    char uid[UID_BYTES];
    IODMultiframeDimensionModule &dimensions = seg->getDimensions();
    TRY(uid_new(uid, e));
    TRY_DICOM("its dimensions",
              dimensions.addDimensionIndex(DCM_ReferencedSegmentNumber, uid, DCM_SegmentIdentificationSequence,
                                           "ReferencedSegmentNumber"));
    TRY_DICOM("its dimensions", dimensions.addDimensionIndex(DCM_ImagePositionPatient, uid, DCM_PlanePositionSequence,
                                                             "ImagePositionPatient"));
    return 0;
}

int add_shared(DcmSegmentation *seg, const SegmentationJob *job, Err *e)
{
    FGPixelMeasures measures;
    const double(*d)[3] = job->direction;
    TRY_DICOM("PixelSpacing", measures.setPixelSpacing(two(job->spacing_yx)));
    TRY_DICOM("SliceThickness", measures.setSliceThickness(decimal(job->thickness)));
    TRY_DICOM("SpacingBetweenSlices", measures.setSpacingBetweenSlices(decimal(job->spacing_between)));
    TRY_DICOM("its spacing", seg->addForAllFrames(measures));
    const std::unique_ptr<FGPlaneOrientationPatient> plane(FGPlaneOrientationPatient::createMinimal(
        decimal(d[0][0]), decimal(d[0][1]), decimal(d[0][2]), decimal(d[1][0]), decimal(d[1][1]), decimal(d[1][2])));
    if (!plane) return err_set(e, ERR_FORMAT, "ImageOrientationPatient cannot be written");
    TRY_DICOM("its orientation", seg->addForAllFrames(*plane));
    return 0;
}

/* ---- frames ---- */

FGDerivationImage *derivation_of(const SegmentedSlice *slice)
{
    ImageSOPInstanceReferenceMacro image;
    OFVector<ImageSOPInstanceReferenceMacro> images;
    image.setReferencedSOPClassUID(slice->kind);
    image.setReferencedSOPInstanceUID(slice->instance);
    if (slice->frame > 0 && slice->frame <= 0xffff) image.addReferencedFrameNumber((Uint16)slice->frame);
    images.push_back(image);
    return FGDerivationImage::createMinimal(
        images, "", CodeSequenceMacro("113076", "DCM", "Segmentation"),
        CodeSequenceMacro("121322", "DCM", "Source image for image processing operation"));
}

/* pixels: not 0 in the segment. */
int add_frame(DcmSegmentation *seg, const SegmentationJob *job, int segment, int64_t slice, Uint8 *pixels, Err *e)
{
    const SegmentedSlice *s = &job->slices[slice];
    FGFrameContent content;
    const std::unique_ptr<FGPlanePosPatient> place(
        FGPlanePosPatient::createMinimal(decimal(s->position[0]), decimal(s->position[1]), decimal(s->position[2])));
    const std::unique_ptr<FGDerivationImage> derivation(derivation_of(s));
    if (!place || !derivation)
        return err_set(e, ERR_FORMAT, "the place of slice %lld cannot be written", (long long)slice + 1);
    TRY_DICOM("DimensionIndexValues", content.setDimensionIndexValues((Uint32)segment, 0));
    TRY_DICOM("DimensionIndexValues", content.setDimensionIndexValues((Uint32)slice + 1, 1));
    OFVector<FGBase *> groups;
    groups.push_back(&content);
    groups.push_back(place.get());
    groups.push_back(derivation.get());
    TRY_DICOM("a frame", seg->addFrame(pixels, (Uint16)segment, groups));
    return 0;
}

/* Whether the slice has voxels of the value; marks them. */
bool mark(std::vector<Uint8> &pixels, const int16_t *labels, int value)
{
    bool any = false;
    for (size_t i = 0; i < pixels.size(); i++) {
        pixels[i] = labels[i] == value;
        any = any || pixels[i];
    }
    return any;
}

int add_frames(DcmSegmentation *seg, const SegmentationJob *job, Err *e)
{
    std::vector<Uint8> pixels((size_t)(job->rows * job->columns));
    for (int k = 0; k < job->segment_count; k++) {
        bool any = false;
        for (int64_t i = 0; i < job->slice_count; i++) {
            if (!mark(pixels, job->labels + i * (int64_t)pixels.size(), job->segments[k].value)) continue;
            TRY(add_frame(seg, job, k + 1, i, pixels.data(), e));
            any = true;
        }
        if (any) continue;
        pixels.assign(pixels.size(), 0); /* dcmseg wants as many frames as segments */
        TRY(add_frame(seg, job, k + 1, 0, pixels.data(), e));
    }
    return 0;
}

/* ---- writing ---- */

/* The texts that may have letters beyond ASCII: dcmseg would refuse them. */
int add_texts(DcmItem *dataset, const SegmentationJob *job, Err *e)
{
    DcmItem *segment = NULL;
    TRY_DICOM("SeriesDescription", dataset->putAndInsertString(DCM_SeriesDescription, job->description));
    TRY_DICOM("ContentDescription", dataset->putAndInsertString(DCM_ContentDescription, job->description));
    for (int i = 0; i < job->segment_count; i++) {
        TRY_DICOM("its segments", dataset->findAndGetSequenceItem(DCM_SegmentSequence, segment, i));
        TRY_DICOM("SegmentLabel", segment->putAndInsertString(DCM_SegmentLabel, job->segments[i].label));
    }
    return 0;
}

/* All images of the series, each once (the module of common references). */
int add_references(DcmItem *dataset, DcmItem *source, const SegmentationJob *job, Err *e)
{
    DcmItem *series = NULL, *item = NULL;
    OFString uid;
    source->findAndGetOFString(DCM_SeriesInstanceUID, uid);
    TRY_DICOM("its references", dataset->findOrCreateSequenceItem(DCM_ReferencedSeriesSequence, series, 0));
    TRY_DICOM("its references", series->putAndInsertOFStringArray(DCM_SeriesInstanceUID, uid));
    for (int64_t i = 0; i < job->slice_count; i++) {
        const SegmentedSlice *s = &job->slices[i];
        if (i && !strcmp(s->instance, s[-1].instance)) continue;
        TRY_DICOM("its references", series->findOrCreateSequenceItem(DCM_ReferencedInstanceSequence, item, -2));
        TRY_DICOM("its references", item->putAndInsertString(DCM_ReferencedSOPClassUID, s->kind));
        TRY_DICOM("its references", item->putAndInsertString(DCM_ReferencedSOPInstanceUID, s->instance));
    }
    return 0;
}

/* Says of each frame's source that the voxels are in the same places; dcmseg has no function for it. */
int add_preserved(DcmItem *dataset, Err *e)
{
    DcmSequenceOfItems *frames = NULL;
    TRY_DICOM("its frames", dataset->findAndGetSequence(DCM_PerFrameFunctionalGroupsSequence, frames));
    for (DcmObject *frame = frames->nextInContainer(NULL); frame; frame = frames->nextInContainer(frame)) {
        DcmItem *derivation = NULL, *source = NULL;
        TRY_DICOM("a frame's source",
                  static_cast<DcmItem *>(frame)->findAndGetSequenceItem(DCM_DerivationImageSequence, derivation));
        TRY_DICOM("a frame's source", derivation->findAndGetSequenceItem(DCM_SourceImageSequence, source));
        TRY_DICOM("a frame's source", source->putAndInsertString(DCM_SpatialLocationsPreserved, "YES"));
    }
    return 0;
}

/* Writes in pieces, so that the bytes are not in memory twice. */
int write_pieces(OutFile *f, DcmFileFormat *format, Err *e)
{
    std::vector<char> piece(1 << 20);
    DcmOutputBufferStream stream(piece.data(), (offile_off_t)piece.size());
    OFCondition state = EC_StreamNotifyClient;
    format->transferInit();
    while (state == EC_StreamNotifyClient) {
        void *bytes = NULL;
        offile_off_t count = 0;
        state = format->write(stream, EXS_LittleEndianExplicit, EET_ExplicitLength, NULL);
        stream.flushBuffer(bytes, count);
        TRY(file_write(f, bytes, (size_t)count, e));
    }
    format->transferEnd();
    return state.good() ? 0 : failed(e, "the segmentation cannot be written", state);
}

int write_file(const char *path, DcmFileFormat *format, Err *e)
{
    OutFile f;
    TRY(file_create(&f, path, e));
    int code;
    try {
        code = write_pieces(&f, format, e);
    } catch (const std::bad_alloc &) {
        code = err_set(e, ERR_NOMEM, "not enough memory for the segmentation");
    }
    if (!code) return file_commit(&f, e);
    file_abort(&f);
    return code;
}

int write(const char *path, const SegmentationJob *job, Err *e)
{
    DcmFileFormat source, format;
    DcmSegmentation *created = NULL;
    TRY(read_source(&source, job, e));
    TRY(create(&created, job, e));
    const std::unique_ptr<DcmSegmentation> seg(created);
    TRY_DICOM("the patient and the study of the series", seg->importFromSourceImage(*source.getDataset()));
    TRY(name_series(seg.get(), source.getDataset(), e));
    TRY(copy_loss(seg.get(), source.getDataset(), e));
    for (int i = 0; i < job->segment_count; i++) TRY(add_segment(seg.get(), &job->segments[i], e));
    TRY(add_dimensions(seg.get(), e));
    TRY(add_shared(seg.get(), job, e));
    TRY(add_frames(seg.get(), job, e));
    TRY_DICOM("the segmentation", seg->writeDataset(*format.getDataset()));
    TRY(add_texts(format.getDataset(), job, e));
    TRY(add_references(format.getDataset(), source.getDataset(), job, e));
    TRY(add_preserved(format.getDataset(), e));
    TRY_DICOM("the segmentation", format.validateMetaInfo(EXS_LittleEndianExplicit));
    return write_file(path, &format, e);
}
} // namespace

int segmentation_write(const char *path, const SegmentationJob *job, Err *e)
{
    const int64_t most = 0xffff; /* rows, columns and segments are 16-bit numbers */
    if (job->rows > most || job->columns > most || job->segment_count > most)
        return err_set(e, ERR_UNSUPPORTED, "a segmentation has at most 65535 rows, columns and segments");
    try {
        return write(path, job, e);
    } catch (const std::bad_alloc &) {
        return err_set(e, ERR_NOMEM, "not enough memory for the segmentation");
    }
}
