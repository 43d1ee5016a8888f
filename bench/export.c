/* Measures what follows the network: labels from logits, resampled to the image's grid; packing them for a file. */
#include "inference/export.h"
#include "base/memory.h"
#include "base/random.h"
#include "bench/measure.h"
#include "data/byte_stream.h"

enum { CLASSES = 14, ROWS = 160, SIDE = 512, IMAGE_SIDE = 640 };

static const DatasetInfo info = {
    .label_count = CLASSES, .labels = (const DatasetLabel[CLASSES]){{.name = "background"}}, .ignore_value = -1};

typedef struct Export {
    Exporter *exporter;
    CaseProperties properties;
    float *logits; /* (ROWS, SIDE, CLASSES) */
    Array labels;  /* of one slice */
} Export;

static void export_slice(void *context)
{
    const Export *x = context;
    const RowSink sink = exporter_sink(x->exporter);
    for (int64_t y = 0; y < SIDE; y += ROWS) {
        const RowBlock rows = {0, y, SIDE - y < ROWS ? SIDE - y : ROWS, x->logits, SIDE * CLASSES};
        sink.rows(sink.context, &rows, NULL);
    }
}

static void pack_labels(void *context)
{
    const Export *x = context;
    void *packed;
    size_t bytes;
    if (!bytes_pack(&packed, &bytes, x->labels.data, array_bytes(&x->labels), true, NULL)) mem_free(packed);
}

/* Logits of random classes in fields of 16 pixels: so the labels have edges, as real ones. */
static int make_export(Export *x, Err *e)
{
    static Plan plan;
    plan_defaults(&plan);
    plan.configuration.spacing_mm[0] = plan.configuration.spacing_mm[1] = (double)IMAGE_SIDE / SIDE;
    x->properties = (CaseProperties){.shape_before_crop = {1, IMAGE_SIDE, IMAGE_SIDE},
                                     .box = {{0, 0, 0}, {1, IMAGE_SIDE, IMAGE_SIDE}},
                                     .shape = {1, SIDE, SIDE},
                                     .axes = {.from = {0, 1, 2}},
                                     .transpose_forward = {0, 1, 2},
                                     .spacing_mm = {1, 1, 1}};
    x->logits = mem_zalloc(ROWS * SIDE * CLASSES, sizeof(float), e);
    if (!x->logits) return ERR_NOMEM;
    for (int64_t i = 0; i < ROWS * SIDE; i++) {
        Rng r = rng_make(1, 0, (uint32_t)(i / SIDE / 16), (uint32_t)(i % SIDE / 16), RNG_TEST);
        x->logits[i * CLASSES + rng_below(&r, CLASSES)] = 1;
    }
    TRY(export_labels_new(&x->labels, &info, &x->properties, e));
    return exporter_new(&x->exporter, &plan, &info, &x->properties, &x->labels, NULL, e);
}

int measure_export(const MeasureOptions *o, BenchReport *r, Err *e)
{
    const double seconds = o->seconds / 3, voxels = (double)IMAGE_SIDE * IMAGE_SIDE;
    Export x = {.exporter = NULL};
    const int failed = make_export(&x, e);
    if (!failed) {
        measure_tell(r, "export", "voxels", voxels, measure_best(export_slice, &x, seconds));
        measure_tell(r, "packing of labels", "voxels", voxels, measure_best(pack_labels, &x, seconds));
    }
    exporter_free(x.exporter);
    array_free(&x.labels);
    mem_free(x.logits);
    return failed;
}
