/* The first run is as any other work, since libraries load code and allocate memory in it, which cannot be recorded. The
 * second is recorded: a stream is captured on which nothing ever runs. Work that cannot be recorded is issued each time. */
#include "network/cuda/recording.h"

#include "base/memory.h"

struct Recording {
    bool tried;
    cudaGraphExec_t graph; /* NULL: none so far, or the work cannot be recorded */
};

static _Thread_local cudaStream_t recorded; /* NULL: this thread does not record */

cudaStream_t gpu_stream(void) { return recorded; }

static int issue(const DeviceWork *w, Err *e) { return w->issue(w->context, e); }

/* NULL: the work cannot be recorded. Other threads may use the device meanwhile. */
static cudaGraph_t capture(cudaStream_t stream, const DeviceWork *w)
{
    cudaGraph_t graph = NULL;
    if (cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal)) return NULL;
    recorded = stream;
    const int failed = issue(w, NULL);
    recorded = NULL;
    if (cudaStreamEndCapture(stream, &graph)) return NULL;
    if (!failed) return graph;
    cudaGraphDestroy(graph);
    return NULL;
}

static cudaGraphExec_t record(const DeviceWork *w)
{
    cudaStream_t stream;
    cudaGraphExec_t result = NULL;
    if (cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking)) return NULL;
    const cudaGraph_t graph = capture(stream, w);
    if (graph && cudaGraphInstantiate(&result, graph, 0)) result = NULL;
    if (graph) cudaGraphDestroy(graph);
    cudaStreamDestroy(stream);
    return result;
}

static int first_run(const DeviceWork *w, Recording **recording, Err *e)
{
    TRY(issue(w, e));
    *recording = mem_zalloc(1, sizeof **recording, e);
    return *recording ? 0 : ERR_NOMEM;
}

int gpu_repeat(const Device *d, const DeviceWork *w, Recording **recording, Err *e)
{
    if (!*recording) return first_run(w, recording, e);
    Recording *const r = *recording;
    d->begin(d, "recorded work");
    if (!r->tried) {
        r->tried = true;
        r->graph = record(w);
        if (!r->graph) cudaGetLastError(); /* it is no failure of this work */
    }
    if (!r->graph) return issue(w, e);
    cudaGraphLaunch(r->graph, NULL);
    return d->end(d, e);
}

void gpu_forget(const Device *d, Recording *r)
{
    if (!r) return;
    d->begin(d, "end of recorded work");
    if (r->graph) cudaGraphExecDestroy(r->graph);
    mem_free(r);
}
