#include "dicom/stack.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "data/grid_axes.h"
#include "data/lps.h"

static const double same_place = 1e-3; /* mm */
static const double same_direction = 1e-3, same_spacing = 1e-3;

static const char *name_of(const Frame *f, const DicomScan *scan, const DicomSources *source)
{
    return sources_name(source, scan->files[f->file].source);
}

static double dot(const double a[3], const double b[3]) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }

static void normal_of(double normal[3], const Frame *f)
{
    const double *a = f->direction[0], *b = f->direction[1];
    for (int i = 0; i < 3; i++) {
        const int j = (i + 1) % 3, k = (i + 2) % 3;
        normal[i] = a[j] * b[k] - a[k] * b[j];
    }
}

/* ---- the order ---- */

static int expect_like(const Frame *first, const Frame *f, const DicomScan *scan, const DicomSources *source, Err *e)
{
    const DicomFile *a = &scan->files[first->file], *b = &scan->files[f->file];
    const char *x = name_of(first, scan, source), *y = name_of(f, scan, source);
    double turned = 0, scaled = 0;
    if (!first->has_place || !f->has_place)
        return err_set(e, ERR_VALUE, "%s: it has no place (ImagePositionPatient), but the series has several images",
                       first->has_place ? y : x);
    if (a->rows != b->rows || a->columns != b->columns)
        return err_set(e, ERR_VALUE, "%s has %lldx%lld pixels, but %s has %lldx%lld: they are no slices of one volume",
                       x, (long long)a->columns, (long long)a->rows, y, (long long)b->columns, (long long)b->rows);
    for (int i = 0; i < 6; i++)
        turned = fmax(turned, fabs(first->direction[i / 3][i % 3] - f->direction[i / 3][i % 3]));
    if (turned > same_direction)
        return err_set(
            e, ERR_VALUE,
            "%s and %s lie in different directions (ImageOrientationPatient): they are no slices of one volume; is it a localizer?",
            x, y);
    for (int i = 0; i < 2; i++) scaled = fmax(scaled, fabs(f->spacing_yx[i] / first->spacing_yx[i] - 1));
    if (scaled > same_spacing)
        return err_set(e, ERR_VALUE, "%s has a PixelSpacing of %g\\%g mm, but %s one of %g\\%g", x,
                       first->spacing_yx[0], first->spacing_yx[1], y, f->spacing_yx[0], f->spacing_yx[1]);
    return 0;
}

typedef struct Placed {
    double at; /* along the normal */
    int frame;
} Placed;

static int by_place(const void *a, const void *b)
{
    const Placed *x = a, *y = b;
    if (x->at != y->at) return x->at < y->at ? -1 : 1;
    return x->frame - y->frame;
}

static int expect_own_places(const Placed *list, int count, const DicomScan *scan, const DicomSources *source, Err *e)
{
    for (int i = 1; i < count; i++)
        if (list[i].at - list[i - 1].at < same_place)
            return err_set(e, ERR_VALUE, "%s and %s are two images of one place: expected one image for each place",
                           name_of(&scan->frames[list[i - 1].frame], scan, source),
                           name_of(&scan->frames[list[i].frame], scan, source));
    return 0;
}

int stack_sort(int *slices, int count, const DicomScan *scan, const DicomSources *source, Err *e)
{
    double normal[3];
    if (count < 2) return 0;
    for (int i = 1; i < count; i++)
        TRY(expect_like(&scan->frames[slices[0]], &scan->frames[slices[i]], scan, source, e));
    Placed *list = mem_alloc(mem_product((size_t)count, sizeof *list), e);
    if (!list) return ERR_NOMEM;
    normal_of(normal, &scan->frames[slices[0]]);
    for (int i = 0; i < count; i++) list[i] = (Placed){dot(scan->frames[slices[i]].position, normal), slices[i]};
    qsort(list, (size_t)count, sizeof *list, by_place);
    const int code = expect_own_places(list, count, scan, source, e);
    for (int i = 0; i < count; i++) slices[i] = list[i].frame;
    mem_free(list);
    return code;
}

bool stack_is_one_place(const int *slices, int count, const DicomScan *scan)
{
    const Frame *first = &scan->frames[slices[0]];
    for (int i = 1; i < count; i++) {
        const Frame *f = &scan->frames[slices[i]];
        for (int k = 0; k < 3; k++)
            if (fabs(f->position[k] - first->position[k]) > same_place) return false;
    }
    return true;
}

/* ---- the grid ---- */

/* The mean step from a slice to the next. */
static void step_of(double step[3], const Series *s)
{
    const double *first = series_frame(s, 0)->position, *last = series_frame(s, s->count - 1)->position;
    for (int i = 0; i < 3; i++) step[i] = (last[i] - first[i]) / (s->count - 1);
}

/* How far a slice is from its place on the grid: along the normal, as a part of the step, and across it, in pixels. */
static void place_error(double *along, double *across, const Series *s, int slice, const double step[3])
{
    const Frame *first = series_frame(s, 0), *f = series_frame(s, slice);
    double off[3], normal[3];
    normal_of(normal, first);
    for (int i = 0; i < 3; i++) off[i] = f->position[i] - first->position[i] - slice * step[i];
    *along = fabs(dot(off, normal)) / fabs(dot(step, normal));
    *across = fmax(fabs(dot(off, first->direction[0])) / first->spacing_yx[1],
                   fabs(dot(off, first->direction[1])) / first->spacing_yx[0]);
}

static double gap_before(const Series *s, int slice)
{
    double normal[3];
    normal_of(normal, series_frame(s, 0));
    return dot(series_frame(s, slice)->position, normal) - dot(series_frame(s, slice - 1)->position, normal);
}

/* Tells the largest gap, and whether it is several times the smallest one: then slices are missing. */
static int uneven(const Series *s, const DicomSources *source, Err *e)
{
    double least = gap_before(s, 1);
    int widest = 1;
    for (int i = 2; i < s->count; i++) {
        least = fmin(least, gap_before(s, i));
        if (gap_before(s, i) > gap_before(s, widest)) widest = i;
    }
    const double most = gap_before(s, widest), times = most / least;
    const char *a = name_of(series_frame(s, widest - 1), &s->scan, source);
    const char *b = name_of(series_frame(s, widest), &s->scan, source);
    if (times > 1.5 && times < INT_MAX && fabs(times - round(times)) < 0.1 * times)
        return err_set(
            e, ERR_VALUE,
            "%d slice%s missing between %s and %s: they are %.6g mm apart, others %.6g mm: export the whole series",
            (int)round(times) - 1, round(times) > 2 ? "s are" : " is", a, b, most, least);
    return err_set(
        e, ERR_VALUE,
        "the slices are unevenly spaced: %.6g mm between %s and %s, and %.6g mm elsewhere; dcm2niix can resample them",
        most, a, b, least);
}

static int expect_line(const Series *s, const DicomSources *source, const double step[3], Err *e)
{
    double along, across, farthest = 0;
    int outside = 0;
    for (int i = 1; i < s->count; i++) {
        place_error(&along, &across, s, i, step);
        if (along > GRID_TOLERANCE) return uneven(s, source, e);
        if (across > farthest) {
            farthest = across;
            outside = i;
        }
    }
    if (farthest <= GRID_TOLERANCE) return 0;
    return err_set(e, ERR_VALUE, "the slices do not lie in one line: %s is %.3g pixels off (ImagePositionPatient)",
                   name_of(series_frame(s, outside), &s->scan, source), farthest);
}

static void warn_of_tilt(Series *s, const double step[3])
{
    double normal[3];
    normal_of(normal, series_frame(s, 0));
    const double length = sqrt(dot(step, step)), cosine = fmin(1, dot(step, normal) / length);
    const double shift = (s->count - 1) * length * sqrt(1 - cosine * cosine);
    const Frame *f = series_frame(s, 0);
    if (shift <= GRID_TOLERANCE * fmin(f->spacing_yx[0], f->spacing_yx[1])) return;
    text_add(
        &s->warnings,
        "the slices are tilted by %.3g degrees (gantry tilt): the image keeps them as they are, with a shear in its header; programs that expect right angles refuse it\n",
        acos(cosine) * 180 / acos(-1));
}

/* A single slice: across it the slice's thickness is its spacing. */
static void step_of_one(double step[3], const Frame *f)
{
    double normal[3];
    normal_of(normal, f);
    for (int i = 0; i < 3; i++) step[i] = normal[i] * (f->thickness > 0 ? f->thickness : 1);
}

static int set_geometry(Series *s, const double step[3], Err *e)
{
    const Frame *f = series_frame(s, 0);
    const DicomFile *file = series_file(s, 0);
    const int64_t shape[3] = {s->count, file->rows, file->columns};
    const double length = sqrt(dot(step, step));
    LpsPlace place = {.given = f->has_place, .spacing_xyz = {f->spacing_yx[1], f->spacing_yx[0], length}};
    for (int i = 0; i < 3; i++) {
        place.direction[0][i] = f->direction[0][i];
        place.direction[1][i] = f->direction[1][i];
        place.direction[2][i] = f->has_place ? step[i] / length : 0;
        place.origin[i] = f->position[i];
    }
    if (!f->has_place) memcpy(place.direction, lps_plain().direction, sizeof place.direction);
    return lps_to_geometry(&s->geometry, f->has_place ? 3 : 2, shape, &place, e);
}

int stack_geometry(Series *s, const DicomSources *source, Err *e)
{
    double step[3] = {0, 0, 1};
    Frame *f = &s->scan.frames[s->slices[0]];
    const char *name = name_of(f, &s->scan, source);
    if (f->has_place && !(f->spacing_yx[0] > 0))
        return err_set(e, ERR_VALUE, "%s: it has a place, but no PixelSpacing", name);
    if (!(f->spacing_yx[0] > 0)) {
        f->spacing_yx[0] = f->spacing_yx[1] = 1;
        text_add(&s->warnings, "%s: it has no PixelSpacing: 1 mm is used\n", name);
    }
    if (s->count > 1) {
        step_of(step, s);
        TRY(expect_line(s, source, step, e));
        warn_of_tilt(s, step);
    } else if (f->has_place) step_of_one(step, f);
    const int code = set_geometry(s, step, e);
    return code ? err_context(e, "%s", name) : 0;
}
