/* DICOM files, and zip archives of them: the list of series, then the volume of one. DCMTK, which takes them apart, is not
 * instrumented: only a crash of its own is seen. */
#ifdef FUZZ_DICOM
#include <string.h>

#include "base/file.h"
#include "dicom/pixels.h"
#include "dicom/series.h"
#include "dicom/volume.h"
#include "tests/fuzz/fuzz.h"

enum { MOST = 1 << 20 }; /* larger volumes would only take time */

static bool read_volume(const DicomSources *source)
{
    Series s;
    Array voxels;
    Err e = {0};
    if (!fuzz_done(series_open(&s, source, &(SeriesChoice){0}, &e), &e)) return false;
    const int64_t *n = s.geometry.shape_zyx;
    const bool is_small =
        n[0] <= MOST && n[1] <= MOST && n[2] <= MOST && n[0] * n[1] <= MOST && n[0] * n[1] * n[2] <= MOST;
    const bool done = !is_small || fuzz_done(volume_read(&voxels, &s, source, &e), &e);
    if (done && is_small) {
        FUZZ_EXPECT(!memcmp(voxels.shape, n, sizeof s.geometry.shape_zyx));
        fuzz_touch(voxels.data, array_bytes(&voxels));
        array_free(&voxels);
    }
    series_close(&s);
    return done;
}

static bool run(const uint8_t *data, size_t bytes)
{
    static bool begun;
    DicomSources source;
    Text table = {0}, warnings = {0};
    Err e = {0};
    if (!begun) FUZZ_EXPECT(!dicom_begin(&e));
    begun = true;
    const char *path = fuzz_file("a.dcm", data, bytes);
    if (!fuzz_done(sources_open(&source, &path, 1, &e), &e)) return false;
    fuzz_done(series_table(&table, &warnings, &source, &e), &e);
    fuzz_touch(table.data, table.length);
    fuzz_touch(warnings.data, warnings.length);
    const bool done = read_volume(&source);
    text_free(&table);
    text_free(&warnings);
    sources_close(&source);
    return done;
}

/* An element in explicit little endian; value: of an even length. */
static void put(Text *t, unsigned group, unsigned element, const char *vr, const void *value, size_t bytes)
{
    const bool is_long = !strcmp(vr, "OB") || !strcmp(vr, "OW");
    const uint8_t head[12] = {(uint8_t)group,
                              (uint8_t)(group >> 8),
                              (uint8_t)element,
                              (uint8_t)(element >> 8),
                              (uint8_t)vr[0],
                              (uint8_t)vr[1],
                              is_long ? 0 : (uint8_t)bytes,
                              is_long ? 0 : (uint8_t)(bytes >> 8),
                              (uint8_t)bytes,
                              (uint8_t)(bytes >> 8)};
    text_add_bytes(t, (const char *)head, is_long ? 12 : 8);
    text_add_bytes(t, value, bytes);
}

static void put_text(Text *t, unsigned group, unsigned element, const char *vr, const char *value)
{
    put(t, group, element, vr, value, strlen(value));
}

static void put_number(Text *t, unsigned element, unsigned value)
{
    put(t, 0x0028, element, "US", (const uint8_t[]){(uint8_t)value, (uint8_t)(value >> 8)}, 2);
}

/* A slice of 2x2 pixels. */
static void add_slice(Text *t)
{
    static const uint8_t pixels[8] = {1, 0, 2, 0, 3, 0, 4, 1};
    text_add_bytes(t, (const char[128]){0}, 128);
    text_add_bytes(t, "DICM", 4);
    put(t, 2, 0x0000, "UL", (const uint8_t[]){28, 0, 0, 0}, 4);
    put_text(t, 2, 0x0010, "UI", "1.2.840.10008.1.2.1 ");
    put_text(t, 8, 0x0016, "UI", "1.2.840.10008.5.1.4.1.1.2 ");
    put_text(t, 8, 0x0018, "UI", "1.2.3.44");
    put_text(t, 8, 0x0060, "CS", "CT");
    put_text(t, 0x20, 0x000e, "UI", "1.2.3.45");
    put_text(t, 0x20, 0x0032, "DS", "1\\2.5\\-3");
    put_text(t, 0x20, 0x0037, "DS", "1\\0\\0\\0\\1\\0 ");
    put_number(t, 0x0002, 1);
    put_text(t, 0x28, 0x0004, "CS", "MONOCHROME2 ");
    put_number(t, 0x0010, 2);
    put_number(t, 0x0011, 2);
    put_text(t, 0x28, 0x0030, "DS", "0.5\\0.75");
    put_number(t, 0x0100, 16);
    put_number(t, 0x0101, 12);
    put_number(t, 0x0102, 11);
    put_number(t, 0x0103, 0);
    put_text(t, 0x28, 0x1052, "DS", "-1024 ");
    put_text(t, 0x28, 0x1053, "DS", "2 ");
    put(t, 0x7fe0, 0x0010, "OW", pixels, sizeof pixels);
}

static int seed(const char *folder, Err *e)
{
    Text t = {0};
    add_slice(&t);
    int code = text_check(&t, e);
    if (!code) code = file_put(fuzz_seed_path(folder, "slice"), t.data, t.length, e);
    text_free(&t);
    return code;
}

const FuzzTarget fuzz_target_dicom = {"dicom", run, seed, NULL};
#endif
