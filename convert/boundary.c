#include "convert/boundary.h"

#include <stdbool.h>
#include <string.h>

#include "base/memory.h"

enum { BACKGROUND, INTERIOR, BOUNDARY, KEPT /* an interior that is large enough, until all are known */ };

typedef struct Plane {
    uint8_t *classes;
    const float *ids;
    int64_t height, width;
} Plane;

/* The number of 4 neighbours in the image; their indices in `at`. */
static int neighbours(int64_t at[4], const Plane *p, int64_t i)
{
    const int64_t x = i % p->width, y = i / p->width;
    int count = 0;
    if (x > 0) at[count++] = i - 1;
    if (x + 1 < p->width) at[count++] = i + 1;
    if (y > 0) at[count++] = i - p->width;
    if (y + 1 < p->height) at[count++] = i + p->width;
    return count;
}

static bool is_edge(const Plane *p, int64_t i)
{
    int64_t at[4];
    const int count = p->ids[i] > 0 ? neighbours(at, p, i) : 0;
    for (int k = 0; k < count; k++)
        if (p->ids[at[k]] != p->ids[i]) return true;
    return false;
}

static void paint_disk(const Plane *p, int64_t i, int radius)
{
    const int64_t x0 = i % p->width, y0 = i / p->width;
    for (int64_t y = y0 - radius; y <= y0 + radius; y++)
        for (int64_t x = x0 - radius; x <= x0 + radius; x++)
            if (x >= 0 && x < p->width && y >= 0 && y < p->height &&
                (x - x0) * (x - x0) + (y - y0) * (y - y0) <= (int64_t)radius * radius)
                p->classes[y * p->width + x] = BOUNDARY;
}

/* Marks the interior that i is in as `mark`, from INTERIOR or from KEPT; its pixels are in `list`, which has room for
 * all. Returns their number. */
static int64_t fill(const Plane *p, int64_t *list, int64_t i, uint8_t mark)
{
    const uint8_t from = p->classes[i];
    int64_t count = 1, at[4];
    list[0] = i;
    p->classes[i] = mark;
    for (int64_t next = 0; next < count; next++) {
        const int found = neighbours(at, p, list[next]);
        for (int k = 0; k < found; k++) {
            if (p->classes[at[k]] != from) continue;
            p->classes[at[k]] = mark;
            list[count++] = at[k];
        }
    }
    return count;
}

static int drop_small(const Plane *p, Err *e)
{
    const int64_t count = p->height * p->width;
    int64_t *list = mem_alloc(mem_product((size_t)count, sizeof *list), e);
    if (!list) return ERR_NOMEM;
    for (int64_t i = 0; i < count; i++)
        if (p->classes[i] == INTERIOR && fill(p, list, i, KEPT) < INTERIOR_LEAST) fill(p, list, i, BACKGROUND);
    for (int64_t i = 0; i < count; i++)
        if (p->classes[i] == KEPT) p->classes[i] = INTERIOR;
    mem_free(list);
    return 0;
}

int boundary_classes(uint8_t *classes, const float *ids, int64_t height, int64_t width, int boundary_width, Err *e)
{
    const Plane p = {classes, ids, height, width};
    for (int64_t i = 0; i < height * width; i++) classes[i] = ids[i] > 0 ? INTERIOR : BACKGROUND;
    for (int64_t i = 0; i < height * width; i++)
        if (is_edge(&p, i)) paint_disk(&p, i, boundary_width - 1);
    return drop_small(&p, e);
}
