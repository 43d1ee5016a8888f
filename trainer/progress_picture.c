#include "trainer/progress_picture.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "data/picture.h"
#include "pictures/canvas.h"

enum { WIDTH = 1000, PANEL_HEIGHT = 380, LEFT = 110, RIGHT = 90, TOP = 46, BOTTOM = 50, PANELS = 3, GAP = 16, DOT = 8 };
enum { TEXT = 2, CHARACTER = GLYPH_WIDTH * TEXT }; /* size of the text */

static const Color WHITE = {255, 255, 255}, BLACK = {30, 30, 30}, GRAY = {220, 220, 220};
/* Safe for colour-blind eyes on white (Okabe and Ito, 2008, Color Universal Design). */
#define BLUE        \
    {               \
        0, 114, 178 \
    }
#define ORANGE     \
    {              \
        213, 94, 0 \
    }
#define GREEN       \
    {               \
        0, 158, 115 \
    }
#define PALE_GREEN    \
    {                 \
        150, 215, 195 \
    }

typedef struct Curve {
    const char *name;
    size_t member; /* offset of its double in EpochRecord */
    Color color;
    double thickness;
    int on_right; /* its scale is on the right */
} Curve;

typedef struct Panel {
    const Curve *curves;
    int count;
    const char *format;       /* of the numbers on the left */
    const char *left, *right; /* what the scales are, with the unit; right: NULL without curves there */
} Panel;

typedef struct Scale {
    double low, high, step;
} Scale;

static double value_of(const EpochRecord *r, const Curve *c)
{
    return *(const double *)(const void *)((const char *)r + c->member);
}

/* A scale with about five steps of 1, 2 or 5 times a power of ten. */
static Scale scale_over(double low, double high)
{
    if (!(low <= high)) low = 0, high = 1;
    if (low == high) low -= fabs(low) / 2 + 1e-9, high += fabs(high) / 2 + 1e-9;
    const double rough = (high - low) / 5, power = pow(10, floor(log10(rough))), digit = rough / power;
    const double step = power * (digit <= 1 ? 1 : digit <= 2 ? 2 : digit <= 5 ? 5 : 10);
    return (Scale){floor(low / step) * step, ceil(high / step) * step, step};
}

static Scale scale_of(const History *h, const Panel *p, int on_right)
{
    double low = INFINITY, high = -INFINITY;
    for (int k = 0; k < p->count; k++)
        for (int i = 0; i < h->count && p->curves[k].on_right == on_right; i++) {
            const double value = value_of(&h->records[i], &p->curves[k]);
            if (!isfinite(value)) continue;
            low = fmin(low, value);
            high = fmax(high, value);
        }
    return scale_over(low, high);
}

static double place_x(const Scale *s, double epoch)
{
    return LEFT + (epoch - s->low) / (s->high - s->low) * (WIDTH - LEFT - RIGHT);
}

static double place_y(const Scale *s, int top, double value)
{
    return top + TOP + (s->high - value) / (s->high - s->low) * (PANEL_HEIGHT - TOP - BOTTOM);
}

static void draw_text(Canvas *c, int x, int y, const char *text) { canvas_text(c, x, y, TEXT, WIDTH, text, BLACK); }

static void draw_numbers(Canvas *c, const Scale *s, int top, const char *format, int x, bool lines)
{
    char text[32];
    for (double v = s->low; v <= s->high + s->step / 2; v += s->step) {
        const double y = place_y(s, top, v), shown = fabs(v) < s->step / 2 ? 0 : v;
        if (lines) canvas_line(c, LEFT, y, WIDTH - RIGHT, y, 1, GRAY);
        if (shown == 0 && lines) snprintf(text, sizeof text, "%8s", "0");
        else snprintf(text, sizeof text, format, shown);
        draw_text(c, x, (int)y - GLYPH_HEIGHT * TEXT / 2, text);
    }
}

static void draw_epochs(Canvas *c, const Scale *s, int top)
{
    char text[32];
    const int bottom = top + PANEL_HEIGHT - BOTTOM;
    for (double v = s->low; v <= s->high + s->step / 2; v += fmax(s->step, 1)) {
        const double x = place_x(s, v);
        snprintf(text, sizeof text, "%.0f", v);
        canvas_line(c, x, bottom, x, bottom + 5, 1, BLACK);
        draw_text(c, (int)x - (int)strlen(text) * CHARACTER / 2, bottom + 10, text);
    }
    draw_text(c, WIDTH - RIGHT - 5 * CHARACTER, bottom + 30, "epoch");
    canvas_line(c, LEFT, bottom, WIDTH - RIGHT, bottom, 1.5, BLACK);
    canvas_line(c, LEFT, top + TOP, LEFT, bottom, 1.5, BLACK);
}

static void draw_curve(Canvas *c, const History *h, const Curve *curve, const Scale *x, const Scale *y, int top)
{
    for (int i = 0; i < h->count; i++) {
        const int before = i ? i - 1 : 0;
        const double from = value_of(&h->records[before], curve), to = value_of(&h->records[i], curve);
        if (!isfinite(from) || !isfinite(to)) continue;
        const double thickness = h->count == 1 ? DOT : curve->thickness;
        canvas_line(c, place_x(x, h->records[before].epoch), place_y(y, top, from), place_x(x, h->records[i].epoch),
                    place_y(y, top, to), thickness, curve->color);
    }
}

static void draw_panel(Canvas *c, const History *h, const Panel *p, int top)
{
    const Scale epochs = scale_over(0, fmax(1, h->records[h->count - 1].epoch));
    const Scale left = scale_of(h, p, 0), right = {0, 1, 0.2};
    draw_numbers(c, &left, top, p->format, 6, true);
    draw_epochs(c, &epochs, top);
    for (int k = 0, x = LEFT; k < p->count; k++) {
        const Curve *curve = &p->curves[k];
        draw_curve(c, h, curve, &epochs, curve->on_right ? &right : &left, top);
        canvas_line(c, x, top + 22, x + 24, top + 22, curve->thickness + 1, curve->color);
        draw_text(c, x + 32, top + 15, curve->name);
        x += 32 + ((int)strlen(curve->name) + 2) * CHARACTER;
    }
    draw_text(c, LEFT - ((int)strlen(p->left) + 1) * CHARACTER, top + 15, p->left);
    if (!p->right) return;
    draw_text(c, WIDTH - RIGHT + GAP, top + 15, p->right);
    draw_numbers(c, &right, top, "%.1f", WIDTH - RIGHT + GAP, false);
}

int progress_picture_write(const History *h, const char *path, Err *e)
{
    static const Curve losses[] = {{"training loss", offsetof(EpochRecord, train_loss), BLUE, 2, 0},
                                   {"validation", offsetof(EpochRecord, val_loss), ORANGE, 2, 0},
                                   {"pseudo Dice", offsetof(EpochRecord, pseudo_dice), PALE_GREEN, 1.5, 1},
                                   {"its average", offsetof(EpochRecord, ema_pseudo_dice), GREEN, 2, 1}};
    static const Curve times[] = {{"duration of an epoch", offsetof(EpochRecord, seconds), BLUE, 2, 0}};
    static const Curve rates[] = {{"learning rate", offsetof(EpochRecord, learning_rate), BLUE, 2, 0}};
    static const Panel panels[PANELS] = {
        {losses, 4, "%8.3g", "loss", "Dice"}, {times, 1, "%8.4g", "s", NULL}, {rates, 1, "%8.1e", "", NULL}};
    if (!h->count) return 0;
    Canvas c;
    TRY(canvas_new(&c, PANELS * PANEL_HEIGHT, WIDTH, WHITE, e));
    for (int i = 0; i < PANELS; i++) draw_panel(&c, h, &panels[i], i * PANEL_HEIGHT);
    const int code = picture_write(path, c.pixels, c.height, c.width, 3, e);
    canvas_free(&c);
    return code;
}
