#include "data/nii_header.h"

#include <math.h>
#include <nifti2_io.h>
#include <string.h>

#include "base/memory.h"

static const char magic_2[] = "n+2\0\r\n\032\n", magic_2_pair[] = "ni2\0\r\n\032\n"; /* 8 bytes each */
enum { MAX_AXIS_1 = 32767 };

static const struct {
    int code;
    DType dtype;
    int components;
} types[] = {
    {DT_UINT8, DTYPE_U8, 1},    {DT_INT8, DTYPE_I8, 1},     {DT_UINT16, DTYPE_U16, 1}, {DT_INT16, DTYPE_I16, 1},
    {DT_UINT32, DTYPE_U32, 1},  {DT_INT32, DTYPE_I32, 1},   {DT_UINT64, DTYPE_U64, 1}, {DT_INT64, DTYPE_I64, 1},
    {DT_FLOAT32, DTYPE_F32, 1}, {DT_FLOAT64, DTYPE_F64, 1}, {DT_RGB24, DTYPE_U8, 3},   {DT_RGBA32, DTYPE_U8, 4},
};
enum { TYPE_COUNT = sizeof types / sizeof *types };

size_t nii_header_bytes(const void *first_four)
{
    int32_t size;
    memcpy(&size, first_four, sizeof size);
    if (size != NII1_BYTES && size != NII2_BYTES) nifti_swap_4bytes(1, &size);
    return size == NII1_BYTES || size == NII2_BYTES ? (size_t)size : 0;
}

/* Converts NIfTI-1 to NIfTI-2, except vox_offset (a float in NIfTI-1) and the magic. */
static void widen(nifti_2_header *to, const nifti_1_header *from)
{
    memset(to, 0, sizeof *to);
    to->datatype = from->datatype;
    for (int i = 0; i < 8; i++) to->dim[i] = from->dim[i];
    for (int i = 0; i < 8; i++) to->pixdim[i] = (double)from->pixdim[i];
    to->scl_slope = (double)from->scl_slope;
    to->scl_inter = (double)from->scl_inter;
    to->xyzt_units = from->xyzt_units;
    to->qform_code = from->qform_code;
    to->sform_code = from->sform_code;
    to->quatern_b = (double)from->quatern_b;
    to->quatern_c = (double)from->quatern_c;
    to->quatern_d = (double)from->quatern_d;
    to->qoffset_x = (double)from->qoffset_x;
    to->qoffset_y = (double)from->qoffset_y;
    to->qoffset_z = (double)from->qoffset_z;
    for (int i = 0; i < 4; i++) {
        to->srow_x[i] = (double)from->srow_x[i];
        to->srow_y[i] = (double)from->srow_y[i];
        to->srow_z[i] = (double)from->srow_z[i];
    }
}

/* The reverse; floats of NIfTI-1 are rounded. */
static void narrow(nifti_1_header *to, const nifti_2_header *from)
{
    memset(to, 0, sizeof *to);
    to->sizeof_hdr = NII1_BYTES;
    to->regular = 'r';
    to->datatype = from->datatype;
    to->bitpix = from->bitpix;
    for (int i = 0; i < 8; i++) to->dim[i] = (int16_t)from->dim[i];
    for (int i = 0; i < 8; i++) to->pixdim[i] = (float)from->pixdim[i];
    to->vox_offset = (float)from->vox_offset;
    to->scl_slope = (float)from->scl_slope;
    to->scl_inter = (float)from->scl_inter;
    to->xyzt_units = (char)from->xyzt_units;
    to->qform_code = (int16_t)from->qform_code;
    to->sform_code = (int16_t)from->sform_code;
    to->quatern_b = (float)from->quatern_b;
    to->quatern_c = (float)from->quatern_c;
    to->quatern_d = (float)from->quatern_d;
    to->qoffset_x = (float)from->qoffset_x;
    to->qoffset_y = (float)from->qoffset_y;
    to->qoffset_z = (float)from->qoffset_z;
    for (int i = 0; i < 4; i++) {
        to->srow_x[i] = (float)from->srow_x[i];
        to->srow_y[i] = (float)from->srow_y[i];
        to->srow_z[i] = (float)from->srow_z[i];
    }
}

/* Offset of the data: vox_offset as a double, since NIfTI-1 allows any float. */
static int parse_offset(NiiHeader *h, double offset, double lowest, Err *e)
{
    if (!(offset >= (h->pair ? 0 : lowest) && offset < 9e18 && offset == floor(offset)))
        return err_set(e, ERR_FORMAT, "vox_offset is %g: expected a whole number from %g on, where the data begin",
                       offset, h->pair ? 0 : lowest);
    h->data_at = (uint64_t)offset;
    return 0;
}

static int parse_first(NiiHeader *h, nifti_2_header *wide, void *bytes, Err *e)
{
    const size_t size = nii_header_bytes(bytes);
    int32_t stored;
    memcpy(&stored, bytes, sizeof stored);
    h->swapped = (size_t)stored != size;
    if (size == NII2_BYTES) {
        memcpy(wide, bytes, sizeof *wide);
        if (h->swapped) nifti_swap_as_nifti2(wide);
        h->pair = !memcmp(wide->magic, magic_2_pair, 8);
        if (!h->pair && memcmp(wide->magic, magic_2, 8))
            return err_set(e, ERR_FORMAT, "a header of 540 bytes without the magic of NIfTI-2 (\"n+2\" or \"ni2\")");
        return parse_offset(h, (double)wide->vox_offset, NII2_BYTES + 4, e);
    }
    nifti_1_header narrow_header;
    memcpy(&narrow_header, bytes, sizeof narrow_header);
    if (h->swapped) nifti_swap_as_nifti1(&narrow_header);
    h->pair = !memcmp(narrow_header.magic, "ni1", 4);
    if (!h->pair && memcmp(narrow_header.magic, "n+1", 4))
        return err_set(e, ERR_FORMAT,
                       "the magic is not that of NIfTI-1, \"n+1\" or \"ni1\" (Analyze 7.5 has no "
                       "orientation: convert it)");
    widen(wide, &narrow_header);
    return parse_offset(h, (double)narrow_header.vox_offset, NII1_BYTES + 4, e);
}

static int parse_axes(NiiHeader *h, const nifti_2_header *wide, Err *e)
{
    const int64_t rank = wide->dim[0];
    if (rank < 2 || rank > 7)
        return err_set(e, ERR_FORMAT, "dim[0], the number of axes, is %lld: expected 2 to 7", (long long)rank);
    Geometry *g = &h->geometry;
    g->dimensions = rank == 2 ? 2 : 3;
    g->shape_zyx[0] = h->volumes = 1;
    for (int i = 1; i <= (int)rank; i++) {
        if (wide->dim[i] < 1)
            return err_set(e, ERR_FORMAT, "dim[%d] is %lld: expected at least 1", i, (long long)wide->dim[i]);
        if (i <= 3) g->shape_zyx[3 - i] = wide->dim[i];
        else if (__builtin_mul_overflow(h->volumes, wide->dim[i], &h->volumes)) h->volumes = INT64_MAX;
    }
    for (int i = 1; i <= g->dimensions; i++) {
        const double spacing = fabs(wide->pixdim[i]) * geometry_unit_mm(wide->xyzt_units, NULL);
        if (!geometry_is_spacing(spacing))
            return err_set(e, ERR_VALUE, "pixdim[%d], a voxel's size, is %g: expected " GEOMETRY_SPACINGS, i,
                           wide->pixdim[i]);
        g->spacing_zyx_mm[3 - i] = spacing;
    }
    if (g->dimensions == 2) g->spacing_zyx_mm[0] = 999 * fmax(g->spacing_zyx_mm[1], g->spacing_zyx_mm[2]);
    return 0;
}

static int parse_orientation(Orientation *o, const nifti_2_header *wide, Err *e)
{
    const double unit = geometry_unit_mm(wide->xyzt_units, NULL), depth = fabs(wide->pixdim[3]) * unit;
    *o = (Orientation){
        .units = wide->xyzt_units,
        .qform_code = wide->qform_code,
        .sform_code = wide->sform_code,
        .qfac = wide->pixdim[0] < 0 ? -1 : 1,
        .quatern_bcd = {wide->quatern_b, wide->quatern_c, wide->quatern_d},
        .offset_xyz = {wide->qoffset_x * unit, wide->qoffset_y * unit, wide->qoffset_z * unit},
        .depth = geometry_is_spacing(depth) ? depth : 1,
    };
    memcpy(o->sform[0], wide->srow_x, sizeof o->sform[0]);
    memcpy(o->sform[1], wide->srow_y, sizeof o->sform[1]);
    memcpy(o->sform[2], wide->srow_z, sizeof o->sform[2]);
    for (int i = 0; i < 12; i++) o->sform[i / 4][i % 4] *= unit;
    for (int i = 0; i < 12; i++)
        if (o->sform_code > 0 && !isfinite((float)o->sform[i / 4][i % 4]))
            return err_set(e, ERR_VALUE, "the sform holds a %g: expected numbers, or sform_code 0",
                           o->sform[i / 4][i % 4]);
    for (int i = 0; i < 3; i++)
        if (o->qform_code > 0 && !(isfinite((float)o->quatern_bcd[i]) && isfinite((float)o->offset_xyz[i])))
            return err_set(e, ERR_VALUE,
                           "the qform holds a number that is not finite: expected numbers, or "
                           "qform_code 0");
    return 0;
}

static int parse_values(NiiHeader *h, const nifti_2_header *wide, Err *e)
{
    int type = 0;
    while (type < TYPE_COUNT && types[type].code != wide->datatype) type++;
    if (type == TYPE_COUNT)
        return err_set(e, ERR_UNSUPPORTED,
                       "data type %d (%s): expected whole numbers of 8 to 64 bits, float32, "
                       "float64, RGB or RGBA",
                       wide->datatype, nifti_datatype_to_string(wide->datatype));
    h->dtype = types[type].dtype;
    h->components = types[type].components;
    h->slope = 1;
    h->intercept = 0;
    if (wide->scl_slope == 0 || !isfinite(wide->scl_slope)) return 0; /* not scaled */
    if (!isfinite(wide->scl_inter))
        return err_set(e, ERR_VALUE, "scl_inter is %g: all voxels would be infinite or NaN", wide->scl_inter);
    h->slope = wide->scl_slope;
    h->intercept = wide->scl_inter;
    return 0;
}

int nii_header_parse(NiiHeader *h, void *bytes, Err *e)
{
    nifti_2_header wide;
    *h = (NiiHeader){0};
    TRY(parse_first(h, &wide, bytes, e));
    TRY(parse_axes(h, &wide, e));
    TRY(parse_orientation(&h->geometry.orientation, &wide, e));
    return parse_values(h, &wide, e);
}

uint64_t nii_data_bytes(const NiiHeader *h)
{
    size_t bytes = dtype_size(h->dtype) * (size_t)h->components;
    for (int i = 0; i < 3; i++) bytes = mem_product(bytes, (size_t)h->geometry.shape_zyx[i]);
    return mem_product(bytes, (size_t)h->volumes);
}

/* Fills all but size, magic and offset; returns whether NIfTI-1 can hold the axes. */
static bool fill(nifti_2_header *wide, const NiiHeader *h)
{
    const Geometry *g = &h->geometry;
    const Orientation *o = &g->orientation;
    const double unit = geometry_unit_mm(o->units, NULL);
    memset(wide, 0, sizeof *wide);
    wide->dim[0] = h->volumes > 1 ? 4 : g->dimensions;
    wide->pixdim[0] = o->qfac < 0 ? -1 : 1;
    bool short_axes = h->volumes <= MAX_AXIS_1;
    for (int i = 1; i < 8; i++) {
        wide->dim[i] = i <= 3 ? g->shape_zyx[3 - i] : i == 4 ? h->volumes : 1;
        wide->pixdim[i] = i > 3 ? 1 : i == 3 && g->dimensions == 2 ? o->depth / unit : g->spacing_zyx_mm[3 - i] / unit;
        short_axes = short_axes && wide->dim[i] <= MAX_AXIS_1;
    }
    int type = 0;
    while (types[type].dtype != h->dtype) type++;
    wide->datatype = (int16_t)types[type].code;
    wide->bitpix = (int16_t)(8 * dtype_size(h->dtype));
    wide->scl_slope = 1;
    wide->xyzt_units = o->units;
    wide->qform_code = o->qform_code;
    wide->sform_code = o->sform_code;
    wide->quatern_b = o->quatern_bcd[0];
    wide->quatern_c = o->quatern_bcd[1];
    wide->quatern_d = o->quatern_bcd[2];
    wide->qoffset_x = o->offset_xyz[0] / unit;
    wide->qoffset_y = o->offset_xyz[1] / unit;
    wide->qoffset_z = o->offset_xyz[2] / unit;
    for (int i = 0; i < 4; i++) {
        wide->srow_x[i] = o->sform[0][i] / unit;
        wide->srow_y[i] = o->sform[1][i] / unit;
        wide->srow_z[i] = o->sform[2][i] / unit;
    }
    return short_axes;
}

size_t nii_header_format(void *bytes, const NiiHeader *h)
{
    nifti_2_header wide;
    memset(bytes, 0, NII_MAX_HEADER_BYTES);
    if (!fill(&wide, h)) {
        wide.sizeof_hdr = NII2_BYTES;
        memcpy(wide.magic, h->pair ? magic_2_pair : magic_2, 8);
        wide.vox_offset = h->pair ? 0 : NII2_BYTES + 4;
        memcpy(bytes, &wide, sizeof wide);
        return NII2_BYTES + 4;
    }
    nifti_1_header header;
    wide.vox_offset = h->pair ? 0 : NII1_BYTES + 4;
    narrow(&header, &wide);
    memcpy(header.magic, h->pair ? "ni1" : "n+1", 4);
    memcpy(bytes, &header, sizeof header);
    return NII1_BYTES + 4;
}
