#include "data/phantom.h"

#include <math.h>
#include <string.h>

#include "base/random.h"

enum { VESSELS = 14, ORGANS = 2 };
static const uint32_t PLAN = UINT32_MAX; /* purpose of the draws for a whole case, not for a slice's noise */

/* Lengths in a slice are fractions of its shorter side, from its centre; along Z they are fractions of the depth. */
typedef struct Organ {
    double centre[3], radius[3]; /* x, y, z */
    double angle;                /* of the first axis in the slice */
    double wobble[2], phase[2];  /* of the outline: two and three bulges */
} Organ;

typedef struct Vessel {
    double x, y, lean_x, lean_y, radius; /* a tube that leans as z grows */
    bool dark;
} Vessel;

typedef struct Body {
    double radius_x, radius_y, wobble, phase;
    double bright_layer, dark_layer; /* thickness, from the surface inwards */
    Organ organ[ORGANS];
    Vessel vessel[VESSELS];
} Body;

/* Intensities of one channel. */
typedef struct Contrast {
    double tissue, bright, dark, noise;
    double bias, direction[3], bias_phase;
} Contrast;

/* The share of each tissue in a voxel; the rest is air. */
typedef struct Mixture {
    double tissue, bright, dark;
} Mixture;

static Organ draw_organ(Rng *r, double angle, double small, double large)
{
    const double distance = rng_range(r, 0.15, 0.18);
    Organ o = {.centre = {distance * cos(angle), distance * sin(angle), rng_range(r, -0.1, 0.1)},
               .angle = rng_range(r, 0, M_PI)};
    o.radius[0] = rng_range(r, small, large);
    o.radius[1] = rng_range(r, small, large);
    o.radius[2] = rng_range(r, 0.28, 0.38);
    for (int i = 0; i < 2; i++) {
        o.wobble[i] = rng_range(r, 0, 0.1);
        o.phase[i] = rng_range(r, 0, 2 * M_PI);
    }
    return o;
}

static Body draw_body(Rng *r)
{
    Body b = {.radius_x = rng_range(r, 0.41, 0.45), .radius_y = rng_range(r, 0.41, 0.45)};
    b.wobble = rng_range(r, 0, 0.03);
    b.phase = rng_range(r, 0, 2 * M_PI);
    b.bright_layer = rng_range(r, 0.045, 0.055);
    b.dark_layer = rng_range(r, 0.04, 0.05);
    const double angle = rng_range(r, 0, 2 * M_PI);
    b.organ[0] = draw_organ(r, angle, 0.1, 0.135);
    b.organ[1] = draw_organ(r, angle + M_PI + rng_range(r, -0.5, 0.5), 0.085, 0.115);
    for (int i = 0; i < VESSELS; i++) {
        const double around = rng_range(r, 0, 2 * M_PI), out = rng_range(r, 0.05, 0.3);
        b.vessel[i] = (Vessel){.x = out * cos(around),
                               .y = out * sin(around),
                               .lean_x = rng_range(r, -0.1, 0.1),
                               .lean_y = rng_range(r, -0.1, 0.1),
                               .radius = rng_range(r, 0.018, 0.028),
                               .dark = i % 2};
    }
    return b;
}

static Contrast draw_contrast(Rng *r, int channel)
{
    Contrast c = {.tissue = rng_range(r, 450, 550)};
    const double up = rng_range(r, 130, 200), down = rng_range(r, 130, 200);
    c.bright = c.tissue + (channel % 2 ? -up : up); /* every second channel has inverted contrast */
    c.dark = c.tissue - (channel % 2 ? -down : down);
    c.noise = rng_range(r, 30, 45);
    c.bias = rng_range(r, 0.08, 0.15);
    for (int i = 0; i < 3; i++) c.direction[i] = rng_range(r, -3, 3);
    c.bias_phase = rng_range(r, 0, 2 * M_PI);
    return c;
}

/* Depth of a point inside the organ, in units of a slice's side; negative outside. */
static double depth_in_organ(const Organ *o, double x, double y, double z)
{
    const double dx = x - o->centre[0], dy = y - o->centre[1], c = cos(o->angle), s = sin(o->angle);
    const double u = (c * dx + s * dy) / o->radius[0], v = (c * dy - s * dx) / o->radius[1];
    if (u * u + v * v > 4) return -1; /* far outside: the angle is not needed */
    const double w = (z - o->centre[2]) / o->radius[2], around = atan2(v, u);
    const double outline =
        1 + o->wobble[0] * cos(2 * around + o->phase[0]) + o->wobble[1] * cos(3 * around + o->phase[1]);
    /* The fourth power along z: slices near the ends are still wide. */
    const double reach = sqrt((u * u + v * v) / (outline * outline) + w * w * w * w);
    return (1 - reach) * sqrt(o->radius[0] * o->radius[1]);
}

/* Depth of a point below the surface of the body. */
static double depth_in_body(const Body *b, double x, double y)
{
    const double u = x / b->radius_x, v = y / b->radius_y;
    const double outline = 1 + b->wobble * cos(3 * atan2(v, u) + b->phase);
    return (1 - sqrt(u * u + v * v) / outline) * sqrt(b->radius_x * b->radius_y);
}

/* The share of a voxel of side `pixel` that is inside a surface, for a voxel centre at that depth. */
static double cover(double depth, double pixel)
{
    const double share = 0.5 + depth / pixel;
    return share < 0 ? 0 : share > 1 ? 1 : share;
}

static void blend(Mixture *m, double share, bool dark)
{
    const double kept = 1 - share;
    *m = (Mixture){m->tissue * kept, m->bright * kept + (dark ? 0 : share), m->dark * kept + (dark ? share : 0)};
}

/* The tissues of a voxel, and its label. */
static uint8_t mix(Mixture *m, const Body *b, double x, double y, double z, double pixel)
{
    const double depth = depth_in_body(b, x, y), layers = b->bright_layer + b->dark_layer;
    *m = (Mixture){.bright = cover(depth, pixel)};
    blend(m, cover(depth - b->bright_layer, pixel), true);
    const double inner = cover(depth - layers, pixel);
    *m = (Mixture){inner, m->bright * (1 - inner), m->dark * (1 - inner)};
    if (inner == 0) return 0;
    for (int i = 0; i < VESSELS; i++) {
        const Vessel *t = &b->vessel[i];
        const double dx = x - t->x - t->lean_x * z, dy = y - t->y - t->lean_y * z;
        if (dx * dx + dy * dy < 0.01) blend(m, inner * cover(t->radius - sqrt(dx * dx + dy * dy), pixel), t->dark);
    }
    uint8_t label = 0;
    for (int i = ORGANS - 1; i >= 0; i--) {
        const double share = inner * cover(depth_in_organ(&b->organ[i], x, y, z), pixel);
        blend(m, share, i == 1);
        if (share >= 0.5) label = (uint8_t)(i + 1);
    }
    return label;
}

/* Magnitude of a signal with noise in both its parts, as in MRI. */
static int16_t measure(const Contrast *c, const Mixture *m, double x, double y, double z, Rng *r)
{
    const double *d = c->direction;
    const double bias = 1 + c->bias * sin(d[0] * x + d[1] * y + d[2] * z + c->bias_phase);
    const double signal = bias * (m->tissue * c->tissue + m->bright * c->bright + m->dark * c->dark);
    const double real = signal + c->noise * rng_normal(r), imaginary = c->noise * rng_normal(r);
    return (int16_t)lrint(sqrt(real * real + imaginary * imaginary));
}

static Geometry draw_geometry(Rng *r, const int64_t *shape_zyx)
{
    Geometry g = {.dimensions = 3};
    memcpy(g.shape_zyx, shape_zyx, sizeof g.shape_zyx);
    const double in_plane = (double)(float)rng_range(r, 0.8, 1.1);
    g.spacing_zyx_mm[0] = (double)(float)rng_range(r, 2.5, 4);
    g.spacing_zyx_mm[1] = g.spacing_zyx_mm[2] = in_plane;
    g.orientation = (Orientation){.units = 2, .qform_code = 1, .sform_code = 1, .qfac = 1, .depth = 1};
    for (int i = 0; i < 3; i++) {
        g.orientation.offset_xyz[i] = g.orientation.sform[i][3] = rint(rng_range(r, -100, 100));
        g.orientation.sform[i][i] = g.spacing_zyx_mm[2 - i];
    }
    return g;
}

/* One slice in one channel; labels are written along with the first. */
static void draw_slice(Phantom *p, const Body *b, const Contrast *c, int channel, int64_t slice, Rng *r)
{
    const int64_t *shape = p->labels.shape, plane = shape[1] * shape[2];
    int16_t *out = (int16_t *)p->voxels.data + (channel * shape[0] + slice) * plane;
    uint8_t *labels = (uint8_t *)p->labels.data + slice * plane;
    const double side = (double)(shape[1] < shape[2] ? shape[1] : shape[2]), pixel = 1 / side;
    const double z = ((double)slice + 0.5) / (double)shape[0] - 0.5;
    for (int64_t row = 0; row < shape[1]; row++) {
        const double y = ((double)row + 0.5 - 0.5 * (double)shape[1]) * pixel;
        for (int64_t column = 0; column < shape[2]; column++) {
            const double x = ((double)column + 0.5 - 0.5 * (double)shape[2]) * pixel;
            Mixture m;
            labels[row * shape[2] + column] = mix(&m, b, x, y, z, pixel);
            out[row * shape[2] + column] = measure(c, &m, x, y, z, r);
        }
    }
}

int phantom_make(Phantom *p, const PhantomOptions *options, int index, Err *e)
{
    const int64_t *zyx = options->shape_zyx, shape[4] = {options->channels, zyx[0], zyx[1], zyx[2]};
    const uint32_t item = (uint32_t)index;
    *p = (Phantom){0};
    int failed = array_new(&p->voxels, DTYPE_I16, 4, shape, e);
    if (!failed) failed = array_new(&p->labels, DTYPE_U8, 3, zyx, e);
    if (failed) {
        phantom_free(p);
        return failed;
    }
    Rng plan = rng_make(options->seed, item, 0, PLAN, RNG_PHANTOM);
    const Body body = draw_body(&plan);
    p->geometry = draw_geometry(&plan, zyx);
    for (int channel = 0; channel < options->channels; channel++) {
        const Contrast contrast = draw_contrast(&plan, channel);
        for (int64_t slice = 0; slice < zyx[0]; slice++) {
            Rng noise = rng_make(options->seed, item, (uint32_t)channel, (uint32_t)slice, RNG_PHANTOM);
            draw_slice(p, &body, &contrast, channel, slice, &noise);
        }
    }
    return 0;
}

void phantom_free(Phantom *p)
{
    array_free(&p->voxels);
    array_free(&p->labels);
    *p = (Phantom){0};
}
