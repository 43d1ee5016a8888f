/* make_dicom: DICOM series for tests (tests/cli/dicom*.sh).
 *   make_dicom FOLDER IMAGE [KEY=VALUE]…   writes a series, and the image that it must become
 *   make_dicom compare FOUND EXPECTED      compares values and places of two images; the axes may be turned
 *   make_dicom pattern LIKE IMAGE [0]      writes labels 0 … 3 on the grid of LIKE, or 0 only, with RAS axes
 *   make_dicom labels SEG.dcm IMAGE LIKE   writes the labels of a segmentation, as DCMTK reads it, on the grid of LIKE
 * Keys: size=XxYxZ bits= signed=1 slope= intercept= spacing=Y,X first=X,Y,Z row=… column=… step=… (mm, in DICOM's
 * axes) syntax=explicit|implicit|big|deflated|rle|jpeg|jpegls|jpeg2000 enhanced=1 invert=1 blank=1 (all values are 0)
 * omit=N number=… instances=FIRST codestream=FILE (the compressed pixels of each image) nest=N behind=N (a sequence N
 * levels deep at the beginning of the dataset, or behind its pixels) falling=N (elements in falling order at its beginning)
 * zeros=N (bytes behind its pixels) begin=HEX (the dataset begins with these bytes) and attributes: GGGG,EEEE=VALUE of all objects,
 * N:GGGG,EEEE=VALUE of slice N. Files are not named in the order of slices. */
extern "C" {
#include "base/memory.h"
#include "data/grid_axes.h"
#include "data/image_io.h"
#include "data/lps.h"
}

#include <dcmtk/config/osconfig.h>

#include <dcmtk/dcmdata/dcdeftag.h>
#include <dcmtk/dcmdata/dcfilefo.h>
#include <dcmtk/dcmdata/dcpixel.h>
#include <dcmtk/dcmdata/dcpixseq.h>
#include <dcmtk/dcmdata/dcpxitem.h>
#include <dcmtk/dcmdata/dcrleerg.h>
#include <dcmtk/dcmdata/dcuid.h>
#include <dcmtk/dcmfg/fgderimg.h>
#include <dcmtk/dcmfg/fgplanpo.h>
#include <dcmtk/dcmfg/fgseg.h>
#include <dcmtk/dcmjpeg/djencode.h>
#include <dcmtk/dcmjpls/djencode.h>
#include <dcmtk/dcmseg/segdoc.h>
#include <dcmtk/dcmseg/segment.h>
#include <dcmtk/dcmseg/segutils.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <map>
#include <openjpeg.h>
#include <string>
#include <sys/stat.h>
#include <vector>

#include "tests/support/dicom_bytes.h"

using Keys = std::map<std::string, std::string>;

static void expect(const OFCondition &done, const char *what)
{
    if (done.bad()) fail(std::string(what) + ": " + done.text());
}

static void expect(int code, const Err &e)
{
    if (code) fail(e.text);
}

/* ---- keys ---- */

static std::string text_of(const Keys &keys, const char *key, const char *missing)
{
    const auto found = keys.find(key);
    return found == keys.end() ? missing : found->second;
}

static double number_of(const Keys &keys, const char *key, double missing)
{
    return atof(text_of(keys, key, std::to_string(missing).c_str()).c_str());
}

/* Numbers separated by one character each. */
static std::vector<double> numbers_of(const Keys &keys, const char *key, const char *missing)
{
    const std::string text = text_of(keys, key, missing);
    std::vector<double> values;
    for (const char *at = text.c_str(); *at;) {
        char *past;
        values.push_back(strtod(at, &past));
        if (past == at) fail(std::string(key) + "=" + text);
        at = *past ? past + 1 : past;
    }
    return values;
}

static std::string joined(const std::vector<double> &values)
{
    std::string text;
    char one[32];
    for (const double v : values) {
        snprintf(one, sizeof one, "%.10g", v);
        text += (text.empty() ? "" : "\\") + std::string(one);
    }
    return text;
}

/* ---- a series ---- */

struct Made {
    int x, y, z, bits;
    bool is_signed, is_inverse, is_enhanced, is_blank;
    double slope, intercept;
    std::vector<double> spacing, first, row, column, step;
    std::string syntax, codestream, begin;
    int nest, behind, falling, zeros;
};

static Made read_keys(const Keys &keys)
{
    Made m;
    const std::vector<double> size = numbers_of(keys, "size", "24x20x6");
    m.x = (int)size.at(0), m.y = (int)size.at(1), m.z = (int)size.at(2);
    m.bits = (int)number_of(keys, "bits", 12);
    m.is_signed = number_of(keys, "signed", 0) != 0;
    m.is_inverse = number_of(keys, "invert", 0) != 0;
    m.is_enhanced = number_of(keys, "enhanced", 0) != 0;
    m.is_blank = number_of(keys, "blank", 0) != 0;
    m.slope = number_of(keys, "slope", 1);
    m.intercept = number_of(keys, "intercept", 0);
    m.spacing = numbers_of(keys, "spacing", "0.75,0.5");
    m.first = numbers_of(keys, "first", "-12.5,-30,40.25");
    m.row = numbers_of(keys, "row", "1,0,0");
    m.column = numbers_of(keys, "column", "0,1,0");
    m.step = numbers_of(keys, "step", "0,0,2.5");
    m.syntax = text_of(keys, "syntax", "explicit");
    m.codestream = text_of(keys, "codestream", "");
    m.nest = (int)number_of(keys, "nest", 0);
    m.behind = (int)number_of(keys, "behind", 0);
    m.falling = (int)number_of(keys, "falling", 0);
    m.zeros = (int)number_of(keys, "zeros", 0);
    m.begin = text_of(keys, "begin", "");
    return m;
}

/* A different value for each voxel nearby, negative where there are signs. */
static int stored(const Made &m, int x, int y, int z)
{
    const int range = 1 << m.bits, value = (x * 37 + y * 101 + z * 307 + (x * y) % 13) % range;
    if (m.is_blank) return 0;
    return m.is_signed ? value - range / 2 : value;
}

static double shown(const Made &m, int x, int y, int z)
{
    const int value = stored(m, x, y, z), sum = m.is_signed ? -1 : (1 << m.bits) - 1;
    return (m.is_inverse ? sum - value : value) * m.slope + m.intercept;
}

static std::vector<double> place(const Made &m, int z)
{
    std::vector<double> p(3);
    for (int i = 0; i < 3; i++) p[i] = m.first[i] + z * m.step[i];
    return p;
}

static double length(const std::vector<double> &v) { return std::sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2]); }

static void put(DcmItem *item, const DcmTagKey &tag, const std::string &value)
{
    expect(item->putAndInsertString(tag, value.c_str()), DcmTag(tag).getTagName());
}

static void put_image(DcmItem *d, const Made &m)
{
    const bool wide = m.bits > 8;
    d->putAndInsertUint16(DCM_SamplesPerPixel, 1);
    put(d, DCM_PhotometricInterpretation, m.is_inverse ? "MONOCHROME1" : "MONOCHROME2");
    d->putAndInsertUint16(DCM_Rows, (Uint16)m.y);
    d->putAndInsertUint16(DCM_Columns, (Uint16)m.x);
    d->putAndInsertUint16(DCM_BitsAllocated, wide ? 16 : 8);
    d->putAndInsertUint16(DCM_BitsStored, (Uint16)m.bits);
    d->putAndInsertUint16(DCM_HighBit, (Uint16)(m.bits - 1));
    d->putAndInsertUint16(DCM_PixelRepresentation, m.is_signed);
}

static void put_pixels(DcmItem *d, const Made &m, int from, int past)
{
    std::vector<Uint16> wide;
    std::vector<Uint8> narrow;
    for (int z = from; z < past; z++)
        for (int y = 0; y < m.y; y++)
            for (int x = 0; x < m.x; x++) {
                const int value = stored(m, x, y, z);
                if (m.bits > 8) wide.push_back((Uint16)value);
                else narrow.push_back((Uint8)value);
            }
    if (narrow.size() & 1) narrow.push_back(0);
    if (m.bits > 8) expect(d->putAndInsertUint16Array(DCM_PixelData, wide.data(), wide.size()), "pixels");
    else expect(d->putAndInsertUint8Array(DCM_PixelData, narrow.data(), narrow.size()), "pixels");
}

static const char study[] = "1.2.826.0.1.3680043.9.9999.1";

static void put_head(DcmItem *d, const Keys &keys, int instance)
{
    const std::string number = text_of(keys, "number", "4"), series = std::string(study) + "." + number;
    const bool enhanced = number_of(keys, "enhanced", 0) != 0;
    put(d, DCM_SOPClassUID, enhanced ? UID_EnhancedCTImageStorage : UID_CTImageStorage);
    put(d, DCM_SOPInstanceUID, series + "." + std::to_string(instance + 1));
    put(d, DCM_StudyInstanceUID, study);
    put(d, DCM_SeriesInstanceUID, series);
    put(d, DCM_FrameOfReferenceUID, std::string(study) + ".99");
    put(d, DCM_Modality, "CT");
    put(d, DCM_ImageType, "ORIGINAL\\PRIMARY\\AXIAL");
    put(d, DCM_PatientName, "Phantom^Test");
    put(d, DCM_PatientID, "P1");
    put(d, DCM_PatientBirthDate, "19700101");
    put(d, DCM_PatientSex, "O");
    put(d, DCM_StudyDate, "20260102");
    put(d, DCM_StudyTime, "030405");
    put(d, DCM_StudyID, "1");
    put(d, DCM_AccessionNumber, "A1");
    put(d, DCM_ReferringPhysicianName, "");
    put(d, DCM_Manufacturer, "tests");
    put(d, DCM_PatientPosition, "HFS");
    put(d, DCM_SeriesNumber, number);
    put(d, DCM_SeriesDescription, "phantom " + number);
    put(d, DCM_InstanceNumber, std::to_string(instance + 1));
}

static DcmItem *item_in(DcmItem *d, const DcmTagKey &sequence, long index)
{
    DcmItem *item = NULL;
    expect(d->findOrCreateSequenceItem(sequence, item, index), "a sequence");
    return item;
}

static void put_plane(DcmItem *d, const Made &m, int slice)
{
    std::vector<double> six = m.row;
    six.insert(six.end(), m.column.begin(), m.column.end());
    put(d, DCM_ImagePositionPatient, joined(place(m, slice)));
    put(d, DCM_ImageOrientationPatient, joined(six));
    put(d, DCM_PixelSpacing, joined(m.spacing));
    put(d, DCM_SliceThickness, "2");
    put(d, DCM_RescaleSlope, joined({m.slope}));
    put(d, DCM_RescaleIntercept, joined({m.intercept}));
}

/* The functional groups of an enhanced object; frames are stored from the last slice to the first. */
static void put_groups(DcmItem *d, const Made &m)
{
    DcmItem *shared = item_in(d, DCM_SharedFunctionalGroupsSequence, -2), whole;
    put_plane(&whole, m, 0);
    const auto move = [&](const DcmTagKey &sequence, std::initializer_list<DcmTagKey> tags) {
        for (const DcmTagKey &tag : tags) {
            OFString value;
            whole.findAndGetOFStringArray(tag, value);
            put(item_in(shared, sequence, 0), tag, value.c_str());
        }
    };
    put(item_in(shared, DCM_PixelMeasuresSequence, 0), DCM_SpacingBetweenSlices, joined({length(m.step)}));
    move(DCM_PixelMeasuresSequence, {DCM_PixelSpacing, DCM_SliceThickness});
    move(DCM_PlaneOrientationSequence, {DCM_ImageOrientationPatient});
    move(DCM_PixelValueTransformationSequence, {DCM_RescaleSlope, DCM_RescaleIntercept});
    for (int i = 0; i < m.z; i++) {
        DcmItem *own = item_in(d, DCM_PerFrameFunctionalGroupsSequence, -2);
        put(item_in(own, DCM_PlanePositionSequence, 0), DCM_ImagePositionPatient, joined(place(m, m.z - 1 - i)));
        put(item_in(own, DCM_FrameContentSequence, 0), DCM_StackID, "1");
    }
    put(d, DCM_NumberOfFrames, std::to_string(m.z));
}

/* Attributes of all objects, and of this one. */
static void put_others(DcmItem *d, const Keys &keys, int slice)
{
    for (const auto &pair : keys) {
        unsigned group, element;
        const char *key = pair.first.c_str(), *colon = strchr(key, ':');
        if (colon && atoi(key) != slice + 1) continue;
        if (sscanf(colon ? colon + 1 : key, "%4x,%4x", &group, &element) != 2) continue;
        const DcmTagKey tag((Uint16)group, (Uint16)element);
        if (pair.second == "-") d->findAndDeleteElement(tag);
        else put(d, tag, pair.second);
    }
}

/* ---- transfer syntaxes ---- */

struct Written {
    std::vector<Uint8> bytes;
    size_t at;
};

static OPJ_SIZE_T take(void *from, OPJ_SIZE_T count, void *context)
{
    Written *w = static_cast<Written *>(context);
    if (w->bytes.size() < w->at + count) w->bytes.resize(w->at + count);
    memcpy(&w->bytes[w->at], from, count);
    w->at += count;
    return count;
}

static OPJ_OFF_T skip(OPJ_OFF_T count, void *context)
{
    static_cast<Written *>(context)->at += (size_t)count;
    return count;
}

static OPJ_BOOL seek(OPJ_OFF_T to, void *context)
{
    static_cast<Written *>(context)->at = (size_t)to;
    return OPJ_TRUE;
}

/* DCMTK has no encoder of JPEG 2000. */
static std::vector<Uint8> encode_jpeg2000(const Made &m, int slice)
{
    Written w = {{}, 0};
    opj_cparameters_t parameters;
    opj_image_cmptparm_t component;
    memset(&component, 0, sizeof component);
    component.dx = component.dy = 1;
    component.w = (OPJ_UINT32)m.x, component.h = (OPJ_UINT32)m.y;
    component.prec = (OPJ_UINT32)m.bits, component.sgnd = m.is_signed;
    opj_set_default_encoder_parameters(&parameters);
    parameters.tcp_numlayers = 1;
    parameters.cp_disto_alloc = 1;
    parameters.numresolution = 3;
    opj_image_t *image = opj_image_create(1, &component, OPJ_CLRSPC_GRAY);
    image->x1 = (OPJ_UINT32)m.x, image->y1 = (OPJ_UINT32)m.y;
    for (int y = 0; y < m.y; y++)
        for (int x = 0; x < m.x; x++) image->comps[0].data[y * m.x + x] = stored(m, x, y, slice);
    opj_codec_t *codec = opj_create_compress(OPJ_CODEC_J2K);
    opj_stream_t *stream = opj_stream_default_create(OPJ_FALSE);
    opj_stream_set_user_data(stream, &w, NULL);
    opj_stream_set_write_function(stream, take);
    opj_stream_set_skip_function(stream, skip);
    opj_stream_set_seek_function(stream, seek);
    if (!opj_setup_encoder(codec, &parameters, image) || !opj_start_compress(codec, image, stream) ||
        !opj_encode(codec, stream) || !opj_end_compress(codec, stream))
        fail("JPEG 2000 cannot be encoded");
    opj_stream_destroy(stream);
    opj_destroy_codec(codec);
    opj_image_destroy(image);
    return w.bytes;
}

static E_TransferSyntax syntax_of(const std::string &name)
{
    static const std::map<std::string, E_TransferSyntax> known = {{"explicit", EXS_LittleEndianExplicit},
                                                                  {"implicit", EXS_LittleEndianImplicit},
                                                                  {"big", EXS_BigEndianExplicit},
                                                                  {"deflated", EXS_DeflatedLittleEndianExplicit},
                                                                  {"rle", EXS_RLELossless},
                                                                  {"jpeg", EXS_JPEGProcess14SV1},
                                                                  {"jpegls", EXS_JPEGLSLossless},
                                                                  {"jpeg2000", EXS_JPEG2000LosslessOnly}};
    const auto found = known.find(name);
    if (found == known.end()) fail("syntax=" + name);
    return found->second;
}

/* Whether the pixels are compressed here, and not by DCMTK. */
static bool is_compressed_here(const Made &m) { return m.syntax == "jpeg2000" || !m.codestream.empty(); }

static void put_compressed(DcmItem *d, const Made &m, int from, int past)
{
    DcmPixelSequence *all = new DcmPixelSequence(DcmTag(DCM_PixelData, EVR_OB));
    DcmPixelData *pixels = new DcmPixelData(DCM_PixelData);
    all->insert(new DcmPixelItem(DcmTag(DCM_Item, EVR_OB)));
    for (int z = from; z < past; z++) {
        std::vector<Uint8> bytes = m.codestream.empty() ? encode_jpeg2000(m, z) : read_bytes(m.codestream);
        DcmPixelItem *item = new DcmPixelItem(DcmTag(DCM_Item, EVR_OB));
        if (bytes.size() & 1) bytes.push_back(0);
        item->putUint8Array(bytes.data(), bytes.size());
        all->insert(item);
    }
    pixels->putOriginalRepresentation(syntax_of(m.syntax), NULL, all);
    expect(d->insert(pixels, true), "pixels");
}

static void save(DcmFileFormat *format, const std::string &path, const Made &m)
{
    const E_TransferSyntax syntax = syntax_of(m.syntax);
    DcmDataset *d = format->getDataset();
    if (!is_compressed_here(m)) expect(d->chooseRepresentation(syntax, NULL), m.syntax.c_str());
    expect(format->saveFile(path.c_str(), syntax), path.c_str());
    if (m.nest || m.behind) enclose(path, m.syntax, nested(m.syntax, m.nest), nested(m.syntax, m.behind));
    if (!m.begin.empty()) enclose(path, m.syntax, of_hex(m.begin), {});
    if (m.falling || m.zeros)
        enclose(path, m.syntax, falling(m.syntax, m.falling), std::vector<Uint8>((size_t)m.zeros));
}

static void write_object(const std::string &path, const Keys &keys, const Made &m, int slice)
{
    DcmFileFormat format;
    DcmDataset *d = format.getDataset();
    const int from = m.is_enhanced ? 0 : slice, past = m.is_enhanced ? m.z : slice + 1;
    put_head(d, keys, slice + (int)number_of(keys, "instances", 0));
    put_image(d, m);
    if (m.is_enhanced) put_groups(d, m);
    else put_plane(d, m, slice);
    put_others(d, keys, slice);
    if (is_compressed_here(m)) put_compressed(d, m, from, past);
    else put_pixels(d, m, from, past);
    save(&format, path, m);
}

/* ---- what it must become ---- */

static void write_expected(const char *path, const Made &m)
{
    Err e = {};
    Array voxels;
    Geometry g;
    const int64_t shape[3] = {m.z, m.y, m.x};
    double affine[3][4]; /* DICOM's axes to NIfTI's: x and y change their signs */
    for (int i = 0; i < 3; i++) {
        const double sign = i < 2 ? -1 : 1;
        affine[i][0] = sign * m.row[i] * m.spacing[1];
        affine[i][1] = sign * m.column[i] * m.spacing[0];
        affine[i][2] = sign * m.step[i];
        affine[i][3] = sign * m.first[i];
    }
    memset(&g, 0, sizeof g);
    g.dimensions = 3;
    g.orientation.sform_code = 1;
    g.orientation.qfac = g.orientation.depth = 1;
    memcpy(g.orientation.sform, affine, sizeof affine);
    memcpy(g.shape_zyx, shape, sizeof shape);
    g.spacing_zyx_mm[2] = m.spacing[1], g.spacing_zyx_mm[1] = m.spacing[0];
    g.spacing_zyx_mm[0] = length(m.step);
    expect(array_new(&voxels, DTYPE_F32, 3, shape, &e), e);
    float *to = static_cast<float *>(voxels.data);
    for (int z = 0; z < m.z; z++)
        for (int y = 0; y < m.y; y++)
            for (int x = 0; x < m.x; x++) *to++ = (float)shown(m, x, y, z);
    expect(image_write(path, &g, &voxels, &e), e);
    array_free(&voxels);
}

static int make(const char *folder, const char *image, const Keys &keys)
{
    Made m = read_keys(keys);
    const int omit = (int)number_of(keys, "omit", 0);
    mkdir(folder, 0777);
    DJEncoderRegistration::registerCodecs();
    DJLSEncoderRegistration::registerCodecs();
    DcmRLEEncoderRegistration::registerCodecs();
    for (int z = 0; z < (m.is_enhanced ? 1 : m.z); z++) {
        char name[64];
        snprintf(name, sizeof name, "/%s_%03d_%s", text_of(keys, "number", "4").c_str(), (z * 7 + 3) % 10007,
                 text_of(keys, "instances", "0").c_str());
        if (z + 1 != omit) write_object(std::string(folder) + name, keys, m, z);
    }
    if (m.is_enhanced) { /* whose pixels are from the first slice on, while its places are from the last one on */
        for (int i = 0; i < 3; i++) {
            m.first[i] += (m.z - 1) * m.step[i];
            m.step[i] = -m.step[i];
        }
    }
    write_expected(image, m);
    return 0;
}

/* ---- comparing ---- */

static int compare(const char *found, const char *expected)
{
    Err e = {};
    Image a, b;
    GridMatch match;
    expect(image_read(&a, found, &e), e);
    expect(image_read(&b, expected, &e), e);
    expect(image_turn_onto(&a, &b.geometry, &match, &e), e);
    if (match > GRID_TURNED) fail(match == GRID_MOVED ? "another origin" : "another grid");
    double own[3][4], wanted[3][4];
    geometry_affine(&a.geometry, own);
    geometry_affine(&b.geometry, wanted);
    for (int i = 0; i < 12; i++)
        if (std::fabs(own[i / 4][i % 4] - wanted[i / 4][i % 4]) > 1e-3)
            fail("element " + std::to_string(i) + " of the affine is " + std::to_string(own[i / 4][i % 4]) +
                 " instead of " + std::to_string(wanted[i / 4][i % 4]));
    const float *x = static_cast<float *>(a.voxels.data), *y = static_cast<float *>(b.voxels.data);
    for (int64_t i = 0; i < array_count(&b.voxels); i++)
        if (std::fabs(x[i] - y[i]) > 1e-3)
            fail("voxel " + std::to_string(i) + " is " + std::to_string(x[i]) + " instead of " + std::to_string(y[i]));
    image_free(&a);
    image_free(&b);
    return 0;
}

static int pattern(const char *like, const char *image, bool empty)
{
    Err e = {};
    Array labels;
    Geometry g;
    int64_t channels;
    expect(image_probe(&g, &channels, like, &e), e);
    const GridAxes axes = grid_axes_read(&g, READER_RAS, 0);
    g = grid_axes_apply(&axes, &g);
    expect(array_new(&labels, DTYPE_U8, 3, g.shape_zyx, &e), e);
    Uint8 *to = static_cast<Uint8 *>(labels.data);
    for (int64_t i = 0; i < array_count(&labels) && !empty; i++) to[i] = (Uint8)(i * 2654435761u >> 16 & 3);
    expect(image_write(image, &g, &labels, &e), e);
    array_free(&labels);
    return 0;
}

/* ---- a segmentation ---- */

/* The slice of the grid that has its first pixel at this place. */
static int64_t slice_at(const Geometry *g, const double place[3])
{
    double affine[3][4];
    geometry_affine(g, affine);
    for (int64_t z = 0; z < g->shape_zyx[0]; z++) {
        double off = 0;
        for (int i = 0; i < 3; i++)
            off = std::max(off, std::fabs((i < 2 ? -place[i] : place[i]) - affine[i][3] - (double)z * affine[i][2]));
        if (off < 1e-3) return z;
    }
    fail("a frame lies in no slice");
}

static void tell_segment(DcmSegmentation *seg, size_t number)
{
    OFString label, type, meaning, value;
    Uint16 l, a, b;
    DcmSegment *s = seg->getSegment(number);
    s->getSegmentLabel(label);
    s->getSegmentedPropertyTypeCode().getCodeMeaning(meaning);
    s->getSegmentedPropertyTypeCode().getCodeValue(value);
    s->getRecommendedDisplayCIELabValue(l, a, b);
    printf("segment %zu: %s (%s %s) Lab %u %u %u\n", number, label.c_str(), value.c_str(), meaning.c_str(), l, a, b);
}

/* The codes of what a frame was made from. */
static void tell_derivation(FGInterface *groups, Uint32 frame)
{
    bool is_per_frame;
    FGBase *group = groups->get(frame, DcmFGTypes::EFG_DERIVATIONIMAGE, is_per_frame);
    FGDerivationImage *of = OFstatic_cast(FGDerivationImage *, group);
    if (!of) fail("a frame has no source");
    const auto tell = [](const char *what, CodeSequenceMacro &code) {
        OFString value, meaning;
        code.getCodeValue(value);
        code.getCodeMeaning(meaning);
        printf("%s: %s %s\n", what, value.c_str(), meaning.c_str());
    };
    for (DerivationImageItem *item : of->getDerivationImageItems()) {
        for (CodeSequenceMacro *code : item->getDerivationCodeItems()) tell("derivation", *code);
        for (SourceImageItem *source : item->getSourceImageItems())
            tell("purpose", source->getPurposeOfReferenceCode());
    }
}

static int unpack(const char *path, const char *image, const char *like)
{
    Err e = {};
    Array labels;
    Geometry g;
    int64_t channels;
    DcmSegmentation *seg = NULL;
    expect(image_probe(&g, &channels, like, &e), e);
    expect(array_new(&labels, DTYPE_U8, 3, g.shape_zyx, &e), e);
    expect(DcmSegmentation::loadFile(path, seg), path);
    for (size_t s = 1; s <= seg->getNumberOfSegments(); s++) tell_segment(seg, s);
    const size_t plane = (size_t)(g.shape_zyx[1] * g.shape_zyx[2]);
    for (size_t f = 0; f < seg->getNumberOfFrames(); f++) {
        bool is_per_frame;
        double at[3];
        Uint16 number;
        FGInterface &groups = seg->getFunctionalGroups();
        FGPlanePosPatient *place =
            OFstatic_cast(FGPlanePosPatient *, groups.get((Uint32)f, DcmFGTypes::EFG_PLANEPOSPATIENT, is_per_frame));
        FGSegmentation *of =
            OFstatic_cast(FGSegmentation *, groups.get((Uint32)f, DcmFGTypes::EFG_SEGMENTATION, is_per_frame));
        if (!place || !of) fail("a frame has no place or no segment");
        expect(place->getImagePositionPatient(at[0], at[1], at[2]), "place");
        expect(of->getReferencedSegmentNumber(number), "segment");
        DcmIODTypes::Frame *pixels =
            DcmSegUtils::unpackBinaryFrame(seg->getFrame(f), (Uint16)g.shape_zyx[1], (Uint16)g.shape_zyx[2]);
        Uint8 *to = static_cast<Uint8 *>(labels.data) + (size_t)slice_at(&g, at) * plane;
        for (size_t i = 0; i < plane; i++)
            if (pixels->pixData[i]) to[i] = (Uint8)number;
        delete pixels;
        tell_derivation(&groups, (Uint32)f);
    }
    printf("%zu frames\n", seg->getNumberOfFrames());
    expect(image_write(image, &g, &labels, &e), e);
    array_free(&labels);
    delete seg;
    return 0;
}

int main(int argc, char **argv)
{
    Keys keys;
    OFLog::configure(OFLogger::ERROR_LOG_LEVEL);
    if (argc == 4 && !strcmp(argv[1], "compare")) return compare(argv[2], argv[3]);
    if (argc >= 4 && !strcmp(argv[1], "pattern")) return pattern(argv[2], argv[3], argc > 4);
    if (argc == 5 && !strcmp(argv[1], "labels")) return unpack(argv[2], argv[3], argv[4]);
    if (argc < 3) fail("expected FOLDER IMAGE KEY=VALUE…");
    for (int i = 3; i < argc; i++) {
        const char *is = strchr(argv[i], '=');
        if (!is) fail(argv[i]);
        keys[std::string(argv[i], (size_t)(is - argv[i]))] = is + 1;
    }
    return make(argv[1], argv[2], keys);
}
