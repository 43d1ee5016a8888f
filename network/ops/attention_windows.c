#include "network/ops/attention_windows.h"

static WindowAxis axis_of(int64_t length, int64_t window, int64_t shift)
{
    if (!window || length <= window) return (WindowAxis){length, length, 1, 0};
    return (WindowAxis){length, window, (length + window - 1) / window, shift};
}

WindowGrid window_grid(Shape s, int64_t window, int64_t shift)
{
    const WindowAxis y = axis_of(s.h, window, shift), x = axis_of(s.w, window, shift);
    return (WindowGrid){y, x, y.window * x.window, s.n * y.windows * x.windows};
}

void window_find(WindowTokens *t, const WindowGrid *g, int64_t window)
{
    const int64_t column = window % g->x.windows, row = window / g->x.windows % g->y.windows;
    const int64_t image = window / g->x.windows / g->y.windows;
    t->mixed = false;
    for (int64_t y = 0; y < g->y.window; y++) {
        const int64_t at_y = row * g->y.window + y, from_y = window_source(&g->y, at_y);
        for (int64_t x = 0; x < g->x.window; x++) {
            const int64_t at_x = column * g->x.window + x, from_x = window_source(&g->x, at_x);
            const int64_t token = y * g->x.window + x;
            t->pixel[token] = from_y < 0 || from_x < 0 ? -1 : (image * g->y.length + from_y) * g->x.length + from_x;
            t->part[token] = (float)(3 * window_part(&g->y, at_y) + window_part(&g->x, at_x));
            t->mixed |= t->part[token] != t->part[0];
        }
    }
}

void window_prefetch(const Tensor *t, const void *start, const WindowGrid *g, int64_t window)
{
    enum { CACHE_LINE = 64 };
    const int64_t pitch = t->pitch * (int64_t)dtype_size(t->dtype);
    if (window >= g->count || !start) return;
    const int64_t column = window % g->x.windows, row = window / g->x.windows % g->y.windows;
    const int64_t image = window / g->x.windows / g->y.windows, from_x = window_source(&g->x, column * g->x.window);
    for (int64_t y = 0; y < g->y.window; y++) {
        const int64_t from_y = window_source(&g->y, row * g->y.window + y);
        if (from_y < 0 || from_x < 0) continue;
        const int64_t left = g->x.length - from_x, pixels = left < g->x.window ? left : g->x.window;
        const char *at = (const char *)start + ((image * g->y.length + from_y) * g->x.length + from_x) * pitch;
        for (int64_t byte = 0; byte < pixels * pitch; byte += CACHE_LINE) __builtin_prefetch(at + byte);
    }
}
