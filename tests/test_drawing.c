/* pictures/: the labels' colours, sections, slices with contours, legends, sheets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "data/image_io.h"
#include "pictures/case_sheet.h"
#include "pictures/label_colors.h"
#include "pictures/legend.h"
#include "pictures/slice_picture.h"
#include "tests/support/folder.h"

/* ---- colours ---- */

/* How linear RGB is seen: normally; with protanopia, deuteranopia and tritanopia (Machado, Oliveira and Fernandes, 2009,
 * IEEE TVCG 15(6), severity 1.0). */
enum { SIGHTS = 4 };
static const double sights[SIGHTS][3][3] = {
    {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}},
    {{0.152286, 1.052583, -0.204868}, {0.114503, 0.786281, 0.099216}, {-0.003882, -0.048116, 1.051998}},
    {{0.367322, 0.860646, -0.227968}, {0.280085, 0.672501, 0.047413}, {-0.011820, 0.042940, 0.968881}},
    {{1.255528, -0.076749, -0.178779}, {-0.078411, 0.930809, 0.147602}, {0.004733, 0.691367, 0.303900}}};

static double linear(uint8_t value)
{
    const double s = value / 255.0;
    return s <= 0.04045 ? s / 12.92 : pow((s + 0.055) / 1.055, 2.4);
}

static double lab_curve(double t) { return t > 216.0 / 24389 ? cbrt(t) : (24389.0 / 27 * t + 16) / 116; }

/* sRGB, D65: CIELAB of a colour as it is seen. */
static void to_lab(double lab[3], Color color, int sight)
{
    static const double xyz[3][3] = {
        {0.4124564, 0.3575761, 0.1804375}, {0.2126729, 0.7151522, 0.0721750}, {0.0193339, 0.1191920, 0.9503041}};
    static const double white[3] = {0.95047, 1, 1.08883};
    const double rgb[3] = {linear(color.r), linear(color.g), linear(color.b)};
    double seen[3], f[3];
    for (int i = 0; i < 3; i++) {
        const double *m = sights[sight][i];
        seen[i] = fmin(1, fmax(0, m[0] * rgb[0] + m[1] * rgb[1] + m[2] * rgb[2]));
    }
    for (int i = 0; i < 3; i++)
        f[i] = lab_curve((xyz[i][0] * seen[0] + xyz[i][1] * seen[1] + xyz[i][2] * seen[2]) / white[i]);
    lab[0] = 116 * f[1] - 16;
    lab[1] = 500 * (f[0] - f[1]);
    lab[2] = 200 * (f[1] - f[2]);
}

/* The least distance between two colours over all sights. */
static double distance(Color a, Color b)
{
    double least = INFINITY;
    for (int sight = 0; sight < SIGHTS; sight++) {
        double p[3], q[3];
        to_lab(p, a, sight);
        to_lab(q, b, sight);
        least = fmin(least, sqrt(pow(p[0] - q[0], 2) + pow(p[1] - q[1], 2) + pow(p[2] - q[2], 2)));
    }
    return least;
}

/* CIELAB has published values for these: white, and sRGB's red (53.24, 80.09, 67.20). */
static void lab_is_right(void **state)
{
    (void)state;
    double lab[3];
    to_lab(lab, (Color){255, 255, 255}, 0);
    assert_true(fabs(lab[0] - 100) < 0.01 && fabs(lab[1]) < 0.01 && fabs(lab[2]) < 0.01);
    to_lab(lab, (Color){255, 0, 0}, 0);
    assert_true(fabs(lab[0] - 53.24) < 0.01 && fabs(lab[1] - 80.09) < 0.01 && fabs(lab[2] - 67.20) < 0.01);
    assert_true(distance((Color){200, 0, 0}, (Color){90, 90, 0}) < 25); /* red and green: as good as one */
}

static void colors_differ_for_all_eyes(void **state)
{
    (void)state;
    double least = INFINITY, of_four = INFINITY, of_twelve = INFINITY, least_to_gray = INFINITY;
    for (int a = 1; a <= LABEL_COLORS; a++) {
        for (int b = a + 1; b <= LABEL_COLORS; b++) {
            const double here = distance(label_color(a), label_color(b));
            least = fmin(least, here);
            if (b <= 4) of_four = fmin(of_four, here);
            if (b <= 12) of_twelve = fmin(of_twelve, here);
        }
        for (int gray = 0; gray < 256; gray++) {
            const uint8_t g = (uint8_t)gray;
            least_to_gray = fmin(least_to_gray, distance(label_color(a), (Color){g, g, g}));
        }
    }
    print_message("# least distance: any two %.1f, of the first twelve %.1f, of the first four %.1f, to a gray %.1f\n",
                  least, of_twelve, of_four, least_to_gray);
    assert_true(least > 16.9 && of_twelve > 22.4 && of_four > 36.8);
    assert_true(least_to_gray > 17.0);
}

static void later_labels_are_dashed(void **state)
{
    (void)state;
    const Color first = label_color(1), later = label_color(21);
    assert_memory_equal(&first, &later, sizeof first);
    assert_int_equal(label_dash(20), 0);
    assert_int_equal(label_dash(21), label_dash(40));
    assert_int_equal(label_dash(41), 2 * label_dash(40));
    assert_true(label_dash(65535) > 0);
    for (int direction = 0; direction < 4; direction++) { /* lines in each direction have gaps and dashes */
        int gaps = 0;
        for (int i = 0; i < 32; i++)
            gaps += label_gap(21, direction == 1 ? 100 : 100 + i,
                              direction == 0   ? 100
                              : direction == 3 ? 100 - i
                                               : 100 + i);
        if (gaps < 8 || gaps > 24) fail_msg("direction %d: %d gaps", direction, gaps);
    }
}

/* ---- sections ---- */

static Geometry volume(int64_t z, int64_t y, int64_t x, double z_mm, double y_mm, double x_mm)
{
    return (Geometry){.dimensions = 3, .shape_zyx = {z, y, x}, .spacing_zyx_mm = {z_mm, y_mm, x_mm}};
}

/* A place by a sform: file axis i (x, y, z) leads along world axis to[i] in direction sign[i]. */
static Geometry placed(Geometry g, const int to[3], const int sign[3])
{
    g.orientation.sform_code = 1;
    for (int i = 0; i < 3; i++) g.orientation.sform[to[i]][i] = sign[i] * g.spacing_zyx_mm[2 - i];
    return g;
}

static void sections_are_as_radiologists_look(void **state)
{
    (void)state;
    const Geometry plain = volume(3, 4, 5, 5, 1, 1);
    const Section stored = section_of(&plain);
    assert_true(stored.axis == 0 && stored.rows == 1 && stored.columns == 2 && !stored.flip_rows && !stored.up);
    /* RAS: the right side must be left, the front up. */
    const Geometry ras = placed(plain, (const int[]){0, 1, 2}, (const int[]){1, 1, 1});
    const Section s = section_of(&ras);
    assert_true(s.axis == 0 && s.flip_rows && s.flip_columns && s.up == 'A' && s.left == 'R');
    assert_int_equal(section_voxel(&s, 1, 0, 0), (1 * 4 + 3) * 5 + 4);
    const Geometry lps = placed(plain, (const int[]){0, 1, 2}, (const int[]){-1, -1, 1});
    const Section same = section_of(&lps);
    assert_true(!same.flip_rows && !same.flip_columns && same.up == 'A' && same.left == 'R');
    /* Coronal slices, stored with x to the bottom and z along: turned so that the head is up. */
    const Geometry turned = placed(plain, (const int[]){2, 0, 1}, (const int[]){1, 1, 1});
    const Section coronal = section_of(&turned);
    assert_true(coronal.rows == 2 && coronal.columns == 1 && coronal.up == 'S' && coronal.left == 'R');
    assert_true(coronal.height == 5 && coronal.width == 4);
    /* A flat volume is cut across its axis of length 1. */
    const Geometry flat = volume(6, 1, 7, 5, 1, 1);
    assert_int_equal(section_of(&flat).axis, 1);
}

static void slices_show_every_label(void **state)
{
    (void)state;
    static uint8_t voxels[40 * 10 * 10];
    const Geometry g = volume(40, 10, 10, 3, 1, 1);
    const Section s = section_of(&g);
    Array labels = array_view(DTYPE_U8, 3, g.shape_zyx, voxels);
    int64_t slices[6];
    memset(voxels, 0, sizeof voxels);
    assert_int_equal(section_choose(slices, 6, &s, &labels, NULL), 1);
    assert_int_equal(slices[0], 20); /* no foreground: the middle */
    for (int z = 5; z < 20; z++) memset(voxels + z * 100, 1, (size_t)(z < 12 ? 8 * z : 40));
    voxels[33 * 100 + 50] = 2;
    assert_int_equal(section_choose(slices, 1, &s, &labels, NULL), 1);
    assert_int_equal(slices[0], 33); /* it has all of label 2 */
    const int count = section_choose(slices, 6, &s, &labels, NULL);
    assert_true(count >= 4);
    assert_int_equal(slices[count - 1], 33);
    bool has_largest = false;
    for (int i = 0; i < count; i++) {
        has_largest |= slices[i] == 11;
        if (i) assert_true(slices[i] - slices[i - 1] > 3); /* not close to each other */
    }
    assert_true(has_largest);
    Array none = {0};
    assert_int_equal(section_choose(slices, 6, &s, &none, NULL), 1);
}

/* ---- slices ---- */

typedef struct Drawn {
    Canvas canvas;
    int size[2];
} Drawn;

static Drawn draw(const Geometry *g, const Array *image, const Array *labels, int longest, int line)
{
    Drawn d;
    CasePictures p = case_pictures(g, image, labels);
    const SlicePart whole = slice_whole(&p.section, 0);
    slice_fit(&p.section, longest, d.size);
    assert_int_equal(canvas_new(&d.canvas, d.size[0], d.size[1], (Color){0, 0, 0}, NULL), 0);
    assert_int_equal(case_pictures_window(&p, &whole, 1, NULL), 0);
    assert_int_equal(slice_draw(&d.canvas, 0, 0, d.size, &p, &whole, line, NULL), 0);
    return d;
}

static const uint8_t *pixel(const Drawn *d, int y, int x) { return d->canvas.pixels + 3 * (y * d->canvas.width + x); }

static bool has_color(const uint8_t *p, Color c) { return p[0] == c.r && p[1] == c.g && p[2] == c.b; }

static int count_color(const Drawn *d, Color c)
{
    int count = 0;
    for (int i = 0; i < d->size[0] * d->size[1]; i++) count += has_color(d->canvas.pixels + 3 * (int64_t)i, c);
    return count;
}

/* A square of 4x4 voxels, each 10 pixels: a contour of 2 pixels, in it the fill over the gray. */
static void contours_and_fill(void **state)
{
    (void)state;
    const Geometry g = geometry_plane(8, 8);
    float gray[64];
    int16_t square[64] = {0};
    for (int i = 0; i < 64; i++) {
        gray[i] = i % 8 < 4 ? 0 : 100;
        square[i] = i / 8 >= 2 && i / 8 < 6 && i % 8 >= 2 && i % 8 < 6 ? 3 : 0;
    }
    const Array image = array_view(DTYPE_F32, 4, (const int64_t[]){1, 1, 8, 8}, gray);
    const Array labels = array_view(DTYPE_I16, 3, g.shape_zyx, square);
    Drawn d = draw(&g, &image, &labels, 80, 2);
    const Color c = label_color(3);
    assert_true(d.size[0] == 80 && d.size[1] == 80);
    assert_true(has_color(pixel(&d, 0, 0), (Color){0, 0, 0}) && has_color(pixel(&d, 0, 79), (Color){255, 255, 255}));
    assert_true(has_color(pixel(&d, 20, 20), c) && has_color(pixel(&d, 21, 40), c) && has_color(pixel(&d, 59, 59), c));
    assert_false(has_color(pixel(&d, 19, 20), c));
    assert_int_equal(count_color(&d, c), 4 * 40 * 2 - 4 * 4);
    const uint8_t *inner = pixel(&d, 40, 30);
    assert_int_equal(inner[0], (int)(LABEL_FILL * c.r + 0.5));
    canvas_free(&d.canvas);
    d = draw(&g, &image, &labels, 80, 0);
    assert_int_equal(count_color(&d, c), 0); /* no line: no labels */
    canvas_free(&d.canvas);
}

/* Voxels of 3 mm down and 1 mm along. */
static void proportions_are_true(void **state)
{
    (void)state;
    const Geometry g = volume(2, 10, 15, 7, 3, 1);
    const Section s = section_of(&g);
    int size[2];
    slice_fit(&s, 100, size);
    assert_true(size[0] == 100 && size[1] == 50);
    const Geometry line = volume(1, 1, 1000, 1, 1, 1);
    const Section thin = section_of(&line);
    slice_fit(&thin, 100, size);
    assert_true(size[0] == 1 && size[1] == 100);
}

/* Single pixels stay in the picture: enlarged, and where 20x20 voxels become a pixel; beside a large label, too. */
static void single_pixels_stay_visible(void **state)
{
    (void)state;
    const Geometry g = geometry_plane(400, 400);
    static float zeros[160000];
    static uint16_t values[160000];
    const Array image = array_view(DTYPE_F32, 4, (const int64_t[]){1, 1, 400, 400}, zeros);
    const Array labels = array_view(DTYPE_U16, 3, g.shape_zyx, values);
    for (int i = 0; i < 160000; i++) values[i] = i / 400 > 200 ? 1 : 0;
    values[57 * 400 + 311] = 2;  /* alone */
    values[300 * 400 + 77] = 24; /* within label 1, and dashed */
    for (int longest = 20; longest <= 800; longest *= 40) {
        Drawn d = draw(&g, &image, &labels, longest, 1);
        assert_int_equal(count_color(&d, label_color(2)), longest == 20 ? 1 : 4);
        assert_int_equal(count_color(&d, label_color(24)), longest == 20 ? 1 : 4);
        canvas_free(&d.canvas);
    }
}

static void dashed_contours_have_gaps(void **state)
{
    (void)state;
    const Geometry g = geometry_plane(100, 100);
    static float zeros[10000];
    static int16_t values[10000];
    const Array image = array_view(DTYPE_F32, 4, (const int64_t[]){1, 1, 100, 100}, zeros);
    const Array labels = array_view(DTYPE_I16, 3, g.shape_zyx, values);
    for (int i = 0; i < 10000; i++) values[i] = i / 100 >= 20 && i / 100 < 80 && i % 100 >= 20 && i % 100 < 80 ? 1 : 0;
    Drawn whole = draw(&g, &image, &labels, 100, 1);
    for (int i = 0; i < 10000; i++) values[i] = values[i] ? 21 : 0;
    Drawn dashed = draw(&g, &image, &labels, 100, 1);
    const int all = count_color(&whole, label_color(1)), some = count_color(&dashed, label_color(1));
    assert_int_equal(all, 4 * 59);
    assert_true(some > all / 3 && some < 2 * all / 3);
    canvas_free(&whole.canvas);
    canvas_free(&dashed.canvas);
}

/* Colours stay as they are; 16 bits are scaled; alpha is no colour; a volume of three channels is gray. */
static void colours_are_shown(void **state)
{
    (void)state;
    const Geometry plane = geometry_plane(1, 2), flat = volume(2, 1, 1, 1, 1, 1);
    float values[8] = {10, 200, 20, 100, 30, 0, 255, 255};
    const Array none = {0}, rgb = array_view(DTYPE_F32, 4, (const int64_t[]){3, 1, 1, 2}, values),
                rgba = array_view(DTYPE_F32, 4, (const int64_t[]){4, 1, 1, 2}, values),
                channels = array_view(DTYPE_F32, 4, (const int64_t[]){3, 2, 1, 1}, values);
    for (int i = 0; i < 2; i++) {
        Drawn d = draw(&plane, i ? &rgba : &rgb, &none, 2, 2);
        assert_true(has_color(pixel(&d, 0, 0), (Color){10, 20, 30}) &&
                    has_color(pixel(&d, 0, 1), (Color){200, 100, 0}));
        canvas_free(&d.canvas);
    }
    assert_int_equal(case_pictures(&flat, &channels, &none).channels, 1);
    for (int i = 0; i < 6; i++) values[i] *= 257;
    Drawn d = draw(&plane, &rgb, &none, 2, 2);
    assert_true(has_color(pixel(&d, 0, 1), (Color){255, 128, 0}));
    canvas_free(&d.canvas);
}

static void odd_values_are_black(void **state)
{
    (void)state;
    const Geometry g = geometry_plane(1, 4);
    float values[4] = {NAN, INFINITY, 1, 2};
    const Array none = {0}, image = array_view(DTYPE_F32, 4, (const int64_t[]){1, 1, 1, 4}, values);
    Drawn d = draw(&g, &image, &none, 4, 2);
    assert_true(has_color(pixel(&d, 0, 0), (Color){0, 0, 0}) && has_color(pixel(&d, 0, 3), (Color){255, 255, 255}));
    canvas_free(&d.canvas);
    values[2] = values[3] = NAN;
    values[1] = -INFINITY;
    d = draw(&g, &image, &none, 4, 2);
    assert_true(has_color(pixel(&d, 0, 3), (Color){0, 0, 0}));
    canvas_free(&d.canvas);
}

/* ---- names ---- */

static const int v0 = 0, v1 = 1, v2 = 2, all[] = {1, 2, 3}, core[] = {2, 3}, active[] = {3};

static void values_have_names(void **state)
{
    (void)state;
    const DatasetLabel plain[] = {{"background", &v0, 1, false}, {"liver", &v1, 1, false}, {"", &v2, 1, false}};
    const DatasetInfo labels = {.label_count = 3, .labels = plain, .max_value = 2, .ignore_value = 3};
    assert_string_equal(dataset_value_name(&labels, 1), "liver");
    assert_null(dataset_value_name(&labels, 2));
    assert_string_equal(dataset_value_name(&labels, 3), "ignore");
    assert_null(dataset_value_name(&labels, 7));
    assert_int_equal(dataset_last_value(&labels), 3);
    const DatasetLabel nested[] = {
        {"background", &v0, 1, false}, {"whole", all, 3, true}, {"core", core, 2, true}, {"active", active, 1, true}};
    const int order[] = {1, 2, 3}, other[] = {2, 1, 3};
    DatasetInfo regions = {.label_count = 4,
                           .labels = nested,
                           .max_value = 3,
                           .ignore_value = -1,
                           .has_regions = true,
                           .regions_class_order = order,
                           .regions_class_count = 3};
    assert_string_equal(dataset_value_name(&regions, 1), "whole");
    assert_string_equal(dataset_value_name(&regions, 2), "core");
    assert_string_equal(dataset_value_name(&regions, 3), "active");
    regions.regions_class_order = other; /* voxels of the whole, and of no later region, are written as 2 */
    assert_string_equal(dataset_value_name(&regions, 2), "whole");
    assert_int_equal(dataset_last_value(&regions), 3);
}

static void legends_fit_their_width(void **state)
{
    (void)state;
    DatasetLabel labels[101];
    int values[101];
    for (int i = 0; i <= 100; i++) {
        values[i] = i;
        labels[i] = (DatasetLabel){i % 3 ? "a rather long name of a label, longer than the whole line" : "b",
                                   &values[i], 1, false};
    }
    DatasetInfo info = {.label_count = 101, .labels = labels, .max_value = 100, .ignore_value = -1};
    Legend l = {.info = &info, .width = 200, .size = 2};
    Canvas c;
    const int height = legend_height(&l);
    assert_true(height > 40 * 2 * GLYPH_HEIGHT);
    assert_int_equal(canvas_new(&c, height + 20, 240, (Color){0, 0, 0}, NULL), 0);
    legend_draw(&c, 10, 10, &l, (Color){255, 255, 255});
    for (int y = 0; y < c.height; y++)
        for (int x = 0; x < c.width; x++)
            if (y < 10 || x < 10 || x >= 210 || y >= height + 10) assert_int_equal(c.pixels[3 * (y * c.width + x)], 0);
    canvas_free(&c);
    info.max_value = 0;
    assert_int_equal(legend_height(&l), 2 * (GLYPH_HEIGHT + 4)); /* "no label": one line */
    l.width = 3;                                                 /* no room at all */
    assert_true(legend_height(&l) > 0);
}

static void text_is_cut_and_boxed(void **state)
{
    (void)state;
    Canvas c, d;
    const Color black = {0, 0, 0}, white = {255, 255, 255};
    assert_int_equal(canvas_text_width("Gefäß", 2), 5 * 2 * GLYPH_WIDTH);
    assert_int_equal(canvas_new(&c, 20, 60, black, NULL), 0);
    assert_int_equal(canvas_new(&d, 20, 60, black, NULL), 0);
    canvas_text(&c, 0, 0, 1, 5 * GLYPH_WIDTH, "abcdef", white);
    canvas_text(&d, 0, 0, 1, 60, "abc..", white);
    assert_memory_equal(c.pixels, d.pixels, 20 * 60 * 3);
    canvas_fill(&c, 0, 0, 60, 20, black);
    canvas_fill(&d, 0, 0, 60, 20, black);
    canvas_text(&c, 0, 0, 1, 60, "Gef\303\244\303\237", white);
    canvas_text(&d, 0, 0, 1, 60, "Gefas", white);
    assert_memory_equal(c.pixels, d.pixels, 20 * 60 * 3);
    canvas_text(&c, 36, 0, 1, 60, "\316\261", white); /* a Greek letter: a box */
    assert_int_equal(c.pixels[3 * 36], 255);
    canvas_text(&c, 50, 15, 2, 1000, "beyond", white); /* what is outside is not drawn */
    canvas_text(&c, -5, -3, 2, 1000, "ä", white);
    canvas_free(&c);
    canvas_free(&d);
}

/* ---- sheets ---- */

static void sheets_have_all_parts(void **state)
{
    (void)state;
    static float gray[12 * 30 * 20];
    static uint8_t values[12 * 30 * 20];
    const DatasetLabel plain[] = {{"background", &v0, 1, false}, {"liver", &v1, 1, false}, {"spleen", &v2, 1, false}};
    const DatasetInfo info = {.label_count = 3, .labels = plain, .max_value = 2, .ignore_value = -1};
    const Geometry g = volume(12, 30, 20, 4, 1, 3);
    const Array image = array_view(DTYPE_F32, 4, (const int64_t[]){1, 12, 30, 20}, gray);
    const Array labels = array_view(DTYPE_U8, 3, g.shape_zyx, values);
    const CaseSheet s = {"case_7", &info, &g, &image, &labels};
    for (int i = 0; i < 7200; i++) gray[i] = (float)(i % 50);
    for (int z = 2; z < 10; z++) values[(z * 30 + 15) * 20 + 10] = 1;
    Canvas c;
    assert_int_equal(case_sheet_draw(&c, &s, NULL), 0);
    Drawn d = {c, {c.height, c.width}};
    assert_true(count_color(&d, label_color(1)) > 4 * 50);
    assert_int_equal(count_color(&d, label_color(2)), 0); /* it does not occur: not in the legend either */
    canvas_free(&c);
    memset(values, 0, sizeof values);
    assert_int_equal(case_sheet_draw(&c, &s, NULL), 0); /* without foreground: the middle slice */
    assert_true(c.width > 384);
    canvas_free(&c);
}

static void sheets_are_written(void **state)
{
    (void)state;
    float gray[6] = {0, 1, 2, 3, 4, 5};
    uint8_t values[6] = {0, 1, 1, 0, 0, 0};
    const DatasetLabel plain[] = {{"background", &v0, 1, false}, {"liver", &v1, 1, false}};
    const DatasetInfo info = {.label_count = 2, .labels = plain, .max_value = 1, .ignore_value = -1};
    const Geometry g = geometry_plane(2, 3);
    const Array image = array_view(DTYPE_F32, 4, (const int64_t[]){1, 1, 2, 3}, gray);
    const Array labels = array_view(DTYPE_U8, 3, g.shape_zyx, values);
    const CaseSheet s = {"a case with a name that is much longer than the picture is wide, even if it has 768 pixels",
                         &info, &g, &image, &labels};
    Image back;
    Err e = {0};
    assert_int_equal(case_sheet_write(in_folder("sheet.png"), &s, NULL), 0);
    assert_int_equal(image_read(&back, in_folder("sheet.png"), NULL), 0);
    assert_int_equal(back.voxels.shape[0], 3);
    assert_int_equal(back.voxels.shape[3], 768 + 32);
    image_free(&back);
    assert_int_equal(case_sheet_write(in_folder("none/sheet.png"), &s, &e), ERR_IO);
    assert_non_null(strstr(e.text, "none"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lab_is_right),
        cmocka_unit_test(colors_differ_for_all_eyes),
        cmocka_unit_test(later_labels_are_dashed),
        cmocka_unit_test(sections_are_as_radiologists_look),
        cmocka_unit_test(slices_show_every_label),
        cmocka_unit_test(contours_and_fill),
        cmocka_unit_test(proportions_are_true),
        cmocka_unit_test(single_pixels_stay_visible),
        cmocka_unit_test(dashed_contours_have_gaps),
        cmocka_unit_test(colours_are_shown),
        cmocka_unit_test(odd_values_are_black),
        cmocka_unit_test(values_have_names),
        cmocka_unit_test(legends_fit_their_width),
        cmocka_unit_test(text_is_cut_and_boxed),
        cmocka_unit_test(sheets_have_all_parts),
        cmocka_unit_test(sheets_are_written),
    };
    return cmocka_run_group_tests(tests, test_folder_make, test_folder_remove);
}
