/* Measures the sliding window and the metrics. */
#include "base/memory.h"
#include "bench/measure.h"
#include "data/phantom.h"
#include "evaluation/overlap.h"
#include "evaluation/structures.h"
#include "evaluation/surface.h"
#include "inference/sliding_window.h"

/* ---- sliding window, without the time of the network ---- */

enum { TILE = 320, CLASSES = 14, SIDE = 640, WINDOW_SLICES = 16 };

typedef struct Window {
    WindowOptions options;
    TileNetwork network;
    float *image;
    int64_t shape_zyx[3];
} Window;

static int no_network(void *context, Err *e)
{
    (void)context, (void)e;
    return 0;
}

static int take_rows(void *context, const RowBlock *rows, Err *e)
{
    (void)context, (void)rows, (void)e;
    return 0;
}

static void predict(void *context)
{
    const Window *w = context;
    const RowSink sink = {take_rows, NULL};
    window_predict(&w->options, &w->network, w->image, w->shape_zyx, &sink, NULL);
}

static int measure_window(const MeasureOptions *o, BenchReport *r, Err *e)
{
    Window w = {.options = {.tile_yx = {TILE, TILE}, .step = 0.5, .gaussian = true},
                .shape_zyx = {WINDOW_SLICES, SIDE, SIDE}};
    const size_t tile = TILE * TILE, voxels = (size_t)WINDOW_SLICES * SIDE * SIDE;
    float *memory = mem_zalloc(tile * (1 + CLASSES) + voxels, sizeof(float), e);
    if (!memory) return ERR_NOMEM;
    w.network = (TileNetwork){
        .batch = 1, .channels = 1, .classes = CLASSES, .images = memory, .logits = memory + tile, .run = no_network};
    w.image = memory + tile * (1 + CLASSES);
    const double tiles = (double)window_tiles(&w.options, w.shape_zyx);
    measure_tell(r, "sliding window", "tiles 320x320", tiles, measure_best(predict, &w, o->seconds / 3));
    mem_free(memory);
    return 0;
}

/* ---- metrics: a phantom's labels, compared with the same labels shifted by 3 voxels ---- */

typedef struct Maps {
    Structures structures;
    int16_t *reference, *prediction;
    uint8_t *masks[2];
    int64_t shape_zyx[3];
    double spacing_mm[3];
} Maps;

static void count_overlap(void *context)
{
    const Maps *m = context;
    Overlap overlaps[2];
    overlap_count(overlaps, NULL, NULL, &m->structures, m->reference, m->prediction, m->shape_zyx, NULL);
}

static void measure_surface(void *context)
{
    const Maps *m = context;
    SurfacePair surfaces;
    if (!surface_measure(&surfaces, m->masks[0], m->masks[1], m->shape_zyx, m->spacing_mm, false, NULL))
        surface_free(&surfaces);
}

static int make_maps(Maps *m, const Phantom *p, Err *e)
{
    enum { MOVED = 3 };
    const int64_t voxels = array_count(&p->labels);
    const uint8_t *labels = p->labels.data;
    m->reference = mem_zalloc((size_t)voxels, 2 * sizeof(int16_t) + 2, e);
    if (!m->reference) return ERR_NOMEM;
    m->prediction = m->reference + voxels;
    m->masks[0] = (uint8_t *)(m->prediction + voxels);
    m->masks[1] = m->masks[0] + voxels;
    for (int64_t i = 0; i < voxels; i++) {
        m->reference[i] = labels[i];
        m->prediction[i] = labels[i < MOVED ? i : i - MOVED];
        m->masks[0][i] = m->reference[i] == 1;
        m->masks[1][i] = m->prediction[i] == 1;
    }
    for (int i = 0; i < 3; i++) {
        m->shape_zyx[i] = p->labels.shape[i];
        m->spacing_mm[i] = p->geometry.spacing_zyx_mm[i];
    }
    for (int16_t label = 1; label <= 2; label++) TRY(structures_add(&m->structures, NULL, &label, 1, false, e));
    return 0;
}

static int measure_metrics(const MeasureOptions *o, BenchReport *r, Err *e)
{
    const PhantomOptions options = {.shape_zyx = {o->quick ? 8 : 32, 256, 256}, .channels = 1, .seed = 1};
    Maps m = {.reference = NULL};
    Phantom p;
    TRY(phantom_make(&p, &options, 0, e));
    const int failed = make_maps(&m, &p, e);
    const double voxels = (double)array_count(&p.labels);
    phantom_free(&p);
    if (!failed) {
        const double seconds = o->seconds / 3;
        measure_tell(r, "overlap", "voxels", voxels, measure_best(count_overlap, &m, seconds));
        measure_tell(r, "surface distances", "voxels", voxels, measure_best(measure_surface, &m, seconds));
    }
    structures_free(&m.structures);
    mem_free(m.reference);
    return failed;
}

int measure_results(const MeasureOptions *o, BenchReport *r, Err *e)
{
    TRY(measure_window(o, r, e));
    TRY(measure_export(o, r, e));
    TRY(measure_metrics(o, r, e));
    return report_check(r, e);
}
