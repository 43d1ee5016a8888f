#include "tests/fuzz/weights.h"

#include <string.h>

#include "model/import.h"
#include "weights/pth.h"
#include "weights/safetensors.h"

enum { SMALL = 64 }; /* numbers of a parameter: a seed has no larger ones */

/* A narrow network of the default kind, made once. */
typedef struct Network {
    const NetworkKind *kind;
    Graph *graph;
    Parameters *parameters;
} Network;

static const Network *network(void)
{
    static Network n;
    Err e = {0};
    NetworkSpec spec;
    if (n.graph) return &n;
    int failed = network_defaults(&spec, network_kinds()[0]->name, &e);
    if (!failed) failed = network_configure(&spec, "{width: 0.1}", &e);
    spec.height = spec.width = 64;
    spec.channels = 1;
    spec.classes = 2;
    n.kind = spec.kind;
    if (!failed) failed = network_build(&n.graph, &spec, &e);
    if (!failed) failed = parameters_new(&n.parameters, n.graph, &e);
    FUZZ_EXPECT(!failed);
    return &n;
}

static void import(const WeightsFile *w)
{
    const Network *n = network();
    ImportReport report = {0};
    Err e = {0};
    fuzz_done(import_network(n->parameters, w, &e), &e);
    if (fuzz_done(import_weights(n->parameters, n->kind, w, &report, &e), &e)) FUZZ_EXPECT(report.summary.length > 0);
    import_report_free(&report);
}

static bool same_tensors(const WeightsFile *a, const WeightsFile *b)
{
    bool same = a->count == b->count;
    for (int i = 0; i < a->count && same; i++) {
        const Array *x = &a->tensors[i].array, *y = weights_find(b, a->tensors[i].name);
        same = y && x->dtype == y->dtype && x->rank == y->rank &&
               !memcmp(x->shape, y->shape, (size_t)x->rank * sizeof *x->shape) &&
               (!array_bytes(x) || !memcmp(x->data, y->data, array_bytes(x)));
    }
    return same;
}

/* Each format refuses some of what the other one may hold. */
static void write(const WeightsFile *w)
{
    Err e = {0};
    WeightsFile again;
    const char *path = fuzz_file("again.safetensors", "", 0);
    if (fuzz_done(safetensors_write(w, path, &e), &e)) {
        FUZZ_EXPECT(!safetensors_open(&again, path, &e) && same_tensors(w, &again));
        weights_close(&again);
    }
    path = fuzz_file("again.pth", "", 0);
    if (w->count && fuzz_done(pth_write_weights(w, "network_weights", path, &e), &e)) {
        if (fuzz_done(pth_read_weights(&again, path, &e), &e)) {
            FUZZ_EXPECT(same_tensors(w, &again));
            weights_close(&again);
        }
    }
}

void fuzz_weights(const WeightsFile *w)
{
    for (int i = 0; i < w->count; i++) fuzz_touch(w->tensors[i].array.data, array_bytes(&w->tensors[i].array));
    import(w);
    write(w);
}

int fuzz_weights_of_network(WeightsFile *w, Err *e)
{
    const Network *n = network();
    *w = (WeightsFile){0};
    for (int i = 0; i < graph_param_count(n->graph); i++) {
        const Param *p = &graph_params(n->graph)[i];
        if (p->count > SMALL) continue;
        TRY(weights_add(w, p->name, array_view(DTYPE_F32, p->rank, p->shape, parameters_of(n->parameters, i)), e));
    }
    return 0;
}
