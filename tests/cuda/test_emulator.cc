/* The emulator and the runtime double report each kernel and each call that is wrong on purpose, and nothing of its sound
 * twin. TAP: two results for each. */
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "broken.h"
#include "judge.h"

enum { COUNT = BROKEN_OUTPUTS };
static const size_t BYTES = COUNT * sizeof(float);
static float host[COUNT];

static float *zeros(size_t count)
{
    float *p = device(count);
    cudaMemsetAsync(p, 0, count * sizeof(float), NULL);
    return p;
}

static float *pinned()
{
    void *p = NULL;
    cudaMallocHost(&p, BYTES);
    memcpy(p, host, BYTES);
    return (float *)p;
}

static cudaStream_t stream()
{
    cudaStream_t s = NULL;
    cudaStreamCreateWithFlags(&s, cudaStreamNonBlocking);
    return s;
}

/* ---- kernels ---- */

static std::vector<float> run_kernel(int i, bool sound, EmuOrder order)
{
    std::vector<float> out(COUNT);
    emu_set_order(order);
    float *x = device(BROKEN_INPUTS), *y = zeros(COUNT);
    cudaMemcpyAsync(x, host, BROKEN_INPUTS * sizeof(float), cudaMemcpyHostToDevice, NULL);
    broken_run(i, y, x, sound);
    cudaMemcpyAsync(out.data(), y, BYTES, cudaMemcpyDeviceToHost, NULL);
    wait();
    cudaFree(x);
    cudaFree(y);
    return out;
}

/* What a report must contain; NULL: the bits depend on the order. */
static const char *const expected[] = {
    "race",
    "race",
    "never comes",
    "wait at the barriers",
    "outside of device memory",
    "outside of device memory",
    "outside of the arrays",
    "outside of the arrays",
    "race",
    NULL,
    "waits for lanes",
    "takes no part",
    "race",
    "misaligned",
    "misaligned",
    "never written",
    "outside of an array",
};

static void test_kernel(int i, bool sound)
{
    bool differ = false;
    std::vector<float> first;
    for (int order = 0; order < EMU_ORDERS; order++) {
        const std::vector<float> out = run_kernel(i, sound, (EmuOrder)order);
        if (!order) first = out;
        differ = differ || memcmp(out.data(), first.data(), BYTES);
    }
    emu_set_order(EMU_FORWARD);
    judge(broken_name(i), sound, differ, expected[i]);
}

/* ---- calls ---- */

static void read_before_written(bool sound)
{
    float *x = sound ? zeros(COUNT) : device(COUNT), *y = device(COUNT);
    broken_copy(y, x, COUNT);
    wait();
    judge("device memory read before it is written", sound, false, "never written");
}

static void host_pointer(bool sound)
{
    float *x = zeros(COUNT), *y = device(COUNT);
    broken_copy(y, sound ? x : host, COUNT);
    wait();
    judge("host pointer in a kernel", sound, false, "outside of device memory");
}

static void use_after_free(bool sound)
{
    float *x = zeros(COUNT), *y = device(COUNT);
    if (!sound) cudaFree(x);
    broken_copy(y, x, COUNT);
    wait();
    judge("use after free", sound, false, "outside of device memory");
}

static bool dies_by_reading(const float *p)
{
    fflush(stdout);
    const pid_t child = fork();
    if (!child) {
        const volatile float v = *(const volatile float *)p;
        (void)v;
        _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV;
}

static void host_reads_device_memory(bool sound)
{
    const float *x = zeros(COUNT);
    wait();
    judge("host reads device memory", sound, dies_by_reading(sound ? host : x), NULL);
}

static void no_event_between_streams(bool sound)
{
    cudaStream_t s = stream();
    cudaEvent_t e;
    cudaEventCreateWithFlags(&e, cudaEventDisableTiming);
    float *x = device(COUNT), *y = device(COUNT), *batch = pinned();
    cudaMemcpyAsync(x, batch, BYTES, cudaMemcpyHostToDevice, s);
    cudaEventRecord(e, s);
    if (sound) cudaStreamWaitEvent(NULL, e, 0);
    broken_copy(y, x, COUNT);
    wait();
    cudaStreamSynchronize(s);
    judge("no event between two streams", sound, false, sound ? "" : "never written");
    cudaFreeHost(batch);
}

/* As before, but the memory was written long ago: a race, and no value that was never written. */
static void overwritten_too_early(bool sound)
{
    cudaStream_t s = stream();
    cudaEvent_t e;
    cudaEventCreateWithFlags(&e, cudaEventDisableTiming);
    float *x = zeros(COUNT), *y = device(COUNT), *batch = pinned();
    broken_copy(y, x, COUNT);
    cudaEventRecord(e, NULL);
    if (sound) cudaStreamWaitEvent(s, e, 0);
    cudaMemcpyAsync(x, batch, BYTES, cudaMemcpyHostToDevice, s);
    wait();
    cudaStreamSynchronize(s);
    judge("next batch overwrites the one in use", sound, false, "race");
    cudaFreeHost(batch);
}

static void batch_changed_before_its_copy(bool sound)
{
    cudaStream_t s = stream();
    float *x = device(COUNT), *batch = pinned();
    cudaMemcpyAsync(x, batch, BYTES, cudaMemcpyHostToDevice, s);
    if (sound) cudaStreamSynchronize(s);
    batch[5] += 1;
    cudaStreamSynchronize(s);
    judge("batch changed before its copy", sound, false, "the host changed");
    cudaFreeHost(batch);
}

static void loss_read_too_early(bool sound)
{
    cudaStream_t s = stream();
    float *loss = pinned(), *x = zeros(COUNT);
    wait();
    loss[0] = -1;
    cudaMemcpyAsync(loss, x, sizeof *loss, cudaMemcpyDeviceToHost, s);
    if (sound) cudaStreamSynchronize(s);
    judge("loss read before it is there", sound, loss[0] != 0, NULL);
    cudaFreeHost(loss);
}

static void stream_after_its_end(bool sound)
{
    cudaStream_t s = stream();
    if (!sound) cudaStreamDestroy(s);
    cudaMemsetAsync(device(COUNT), 0, BYTES, s);
    cudaStreamSynchronize(s);
    judge("stream used after it was destroyed", sound, false, "that was destroyed");
}

static void copy_of_the_wrong_kind(bool sound)
{
    float *x = zeros(COUNT), value;
    cudaMemcpyAsync(&value, x, sizeof value, sound ? cudaMemcpyDeviceToHost : cudaMemcpyHostToDevice, NULL);
    wait();
    judge("copy of the wrong kind", sound, false, "no copy of kind");
}

static void copy_past_the_end(bool sound)
{
    float *x = device(COUNT - 1);
    cudaMemcpyAsync(x, host, sound ? BYTES - sizeof *x : BYTES, cudaMemcpyHostToDevice, NULL);
    wait();
    judge("copy past the end", sound, false, "not all device memory");
}

static void leak(bool sound)
{
    const size_t before = emu_live_bytes();
    float *x = device(COUNT);
    if (sound) cudaFree(x);
    judge("leak", sound, emu_live_bytes() != before, NULL);
}

static void freed_twice(bool sound)
{
    float *x = device(COUNT);
    cudaFree(x);
    if (!sound) cudaFree(x);
    judge("memory freed twice", sound, false, "not allocated");
}

/* Three tensors in one allocation, as in an executor's arena: the node may read the first and write the third. */
static void neighbour(bool sound)
{
    float *arena = zeros(3 * COUNT + 1), *x = arena, *y = arena + 2 * COUNT;
    const DeviceRegion regions[] = {{x, BYTES, 0, 1, false}, {y, BYTES, 0, 1, true}};
    emu_begin_node(regions, 2);
    broken_copy(y, x, sound ? COUNT : COUNT + 1);
    emu_end_node();
    wait();
    judge("neighbour in the arena read", sound, false, "outside of what the node may access");
}

static void input_written(bool sound)
{
    float *arena = zeros(2 * COUNT), *x = arena, *y = arena + COUNT;
    const DeviceRegion regions[] = {{x, BYTES, 0, 1, false}, {y, BYTES, 0, 1, true}};
    emu_begin_node(regions, 2);
    if (sound) broken_copy(y, x, COUNT);
    else broken_copy(x, y, COUNT);
    emu_end_node();
    wait();
    judge("a node writes to its input", sound, false, "outside of what the node may access");
}

/* Pixels of 3 channels, 5 apart: what is between them belongs to others. */
static void gap_between_pixels(bool sound)
{
    float *x = zeros(COUNT), *y = zeros(COUNT);
    const DeviceRegion regions[] = {{x, BYTES, 0, 1, false}, {y, 3 * sizeof *y, 5 * sizeof *y, COUNT / 5, true}};
    emu_begin_node(regions, 2);
    broken_copy(y, x, sound ? 3 : 4);
    emu_end_node();
    wait();
    judge("gap between pixels written", sound, false, "outside of what the node may access");
}

static void dead_block_read(bool sound)
{
    float *x = zeros(COUNT), *y = device(COUNT);
    wait();
    if (!sound) emu_forget(x, BYTES);
    broken_copy(y, x, COUNT);
    wait();
    judge("block read after the end of its life", sound, false, "never written");
}

static void too_many_blocks(bool sound)
{
    float *x = zeros(COUNT), *y = device(COUNT);
    broken_copy(y, x, sound ? COUNT : 0);
    wait();
    judge("launch of no block", sound, false, "not possible");
}

static void shared_memory_not_asked_for(bool sound)
{
    float *x = zeros(COUNT), *y = device(COUNT);
    broken_shared(y, x, 60 << 10, sound);
    wait();
    judge("more shared memory than was asked for", sound, false, "without cudaFuncSetAttribute");
}

/* ---- graphs ---- */

/* Captures what `work` issues; NULL: that could not be captured. */
template <class F> static cudaGraphExec_t record(F work)
{
    cudaStream_t s = stream();
    cudaGraph_t graph = NULL;
    cudaGraphExec_t instance = NULL;
    cudaStreamBeginCapture(s, cudaStreamCaptureModeThreadLocal);
    work(s);
    if (!cudaStreamEndCapture(s, &graph)) {
        cudaGraphInstantiate(&instance, graph, 0);
        cudaGraphDestroy(graph);
    }
    cudaStreamDestroy(s);
    return instance;
}

static void replay(cudaGraphExec_t instance)
{
    if (instance) cudaGraphLaunch(instance, NULL);
    wait();
}

static void drop(cudaGraphExec_t instance)
{
    if (instance) cudaGraphExecDestroy(instance);
}

/* A copy from x to y is captured, and `other`, unless it is sound. */
template <class F> static void captured_with(const char *name, bool sound, const char *words, F other)
{
    float *x = zeros(COUNT), *y = device(COUNT);
    broken_copy(y, x, COUNT);
    const cudaGraphExec_t instance = record([&](cudaStream_t s) {
        broken_copy(y, x, COUNT, s);
        if (!sound) other(s, y);
    });
    replay(instance);
    const bool lost = !instance;
    drop(instance);
    judge(name, sound, sound && lost, words);
}

static void wait_while_captured(bool sound)
{
    captured_with("wait in a captured stream", sound, "cudaStreamSynchronize while",
                  [](cudaStream_t s, float *) { cudaStreamSynchronize(s); });
}

static void default_stream_while_captured(bool sound)
{
    captured_with("work on the default stream while another is captured", sound, "another stream while",
                  [](cudaStream_t, float *y) { cudaMemsetAsync(y, 0, BYTES, NULL); });
}

static void memory_while_captured(bool sound)
{
    captured_with("allocation in a captured stream", sound, "cudaMalloc while",
                  [](cudaStream_t, float *) { device(COUNT); });
}

static void copy_while_captured(bool sound)
{
    captured_with("copy of pageable memory in a captured stream", sound, "a copy of host memory while",
                  [](cudaStream_t s, float *y) { cudaMemcpyAsync(y, host, BYTES, cudaMemcpyHostToDevice, s); });
}

static void event_while_captured(bool sound)
{
    cudaEvent_t e;
    cudaEventCreateWithFlags(&e, cudaEventDisableTiming);
    cudaEventRecord(e, NULL);
    captured_with("event of another stream in a captured one", sound, "cudaStreamWaitEvent while",
                  [=](cudaStream_t s, float *) { cudaStreamWaitEvent(s, e, 0); });
}

static void first_launch_captured(bool sound)
{
    float *x = zeros(COUNT), *y = device(COUNT);
    if (sound) broken_scale(y, x, 1, NULL, NULL);
    drop(record([=](cudaStream_t s) { broken_scale(y, x, 1, NULL, s); }));
    wait();
    judge("first launch of a kernel in a captured stream", sound, false, "loads its code");
}

static void default_stream_captured(bool sound)
{
    cudaStream_t s = stream();
    cudaGraph_t graph;
    if (cudaStreamBeginCapture(sound ? s : NULL, cudaStreamCaptureModeThreadLocal) == cudaSuccess &&
        cudaStreamEndCapture(s, &graph) == cudaSuccess)
        cudaGraphDestroy(graph);
    judge("the default stream captured", sound, false, "of the default stream");
}

static void captured_for_all_threads(bool sound)
{
    cudaStream_t s = stream();
    cudaGraph_t graph;
    if (cudaStreamBeginCapture(s, sound ? cudaStreamCaptureModeThreadLocal : cudaStreamCaptureModeGlobal) ==
            cudaSuccess &&
        cudaStreamEndCapture(s, &graph) == cudaSuccess)
        cudaGraphDestroy(graph);
    judge("capture that other threads can break", sound, false, "disturbs other threads");
}

static void graph_after_free(bool sound)
{
    float *x = zeros(COUNT), *y = device(COUNT);
    broken_copy(y, x, COUNT);
    const cudaGraphExec_t instance = record([=](cudaStream_t s) { broken_copy(y, x, COUNT, s); });
    if (!sound) cudaFree(x);
    replay(instance);
    drop(instance);
    judge("graph launched after its memory was freed", sound, false, "outside of device memory");
}

static void graph_after_its_end(bool sound)
{
    float *x = zeros(COUNT), *y = device(COUNT);
    broken_copy(y, x, COUNT);
    const cudaGraphExec_t instance = record([=](cudaStream_t s) { broken_copy(y, x, COUNT, s); });
    if (sound) replay(instance);
    drop(instance);
    if (!sound) replay(instance);
    judge("graph launched after it was destroyed", sound, false, "does not exist");
}

/* As overwritten_too_early. */
static void graph_overtaken(bool sound)
{
    cudaStream_t s = stream();
    cudaEvent_t e;
    cudaEventCreateWithFlags(&e, cudaEventDisableTiming);
    float *x = zeros(COUNT), *y = device(COUNT), *batch = pinned();
    broken_copy(y, x, COUNT);
    const cudaGraphExec_t instance = record([=](cudaStream_t c) { broken_copy(y, x, COUNT, c); });
    cudaGraphLaunch(instance, NULL);
    cudaEventRecord(e, NULL);
    if (sound) cudaStreamWaitEvent(s, e, 0);
    cudaMemcpyAsync(x, batch, BYTES, cudaMemcpyHostToDevice, s);
    wait();
    cudaStreamSynchronize(s);
    judge("next batch overwrites the one that a graph uses", sound, false, "race");
    drop(instance);
    cudaFreeHost(batch);
}

/* The second launch shall use the second rate. */
static void rate_frozen(bool sound)
{
    float *x = device(BROKEN_INPUTS), *y = device(BROKEN_INPUTS), *rate = device(1), found[BROKEN_INPUTS];
    const float rates[] = {2, 3};
    cudaGraphExec_t instance = NULL;
    cudaMemcpyAsync(x, host, sizeof found, cudaMemcpyHostToDevice, NULL);
    for (int i = 0; i < 2; i++) {
        cudaMemcpyAsync(rate, &rates[i], sizeof *rate, cudaMemcpyHostToDevice, NULL);
        broken_scale(y, x, rates[0], NULL, NULL);
        if (!i) instance = record([=](cudaStream_t s) { broken_scale(y, x, rates[0], sound ? rate : NULL, s); });
        replay(instance);
    }
    cudaMemcpyAsync(found, y, sizeof found, cudaMemcpyDeviceToHost, NULL);
    judge("rate frozen in a graph", sound, found[5] != rates[1] * host[5], NULL);
    drop(instance);
}

static void graph_leaked(bool sound)
{
    float *x = zeros(COUNT), *y = device(COUNT);
    const int before = emu_live_handles();
    broken_copy(y, x, COUNT);
    const cudaGraphExec_t instance = record([=](cudaStream_t s) { broken_copy(y, x, COUNT, s); });
    if (sound) drop(instance);
    judge("graph never destroyed", sound, emu_live_handles() != before, NULL);
}

static void (*const calls[])(bool sound) = {
    read_before_written,
    host_pointer,
    use_after_free,
    host_reads_device_memory,
    no_event_between_streams,
    overwritten_too_early,
    batch_changed_before_its_copy,
    loss_read_too_early,
    stream_after_its_end,
    copy_of_the_wrong_kind,
    copy_past_the_end,
    leak,
    freed_twice,
    neighbour,
    input_written,
    gap_between_pixels,
    dead_block_read,
    too_many_blocks,
    shared_memory_not_asked_for,
    wait_while_captured,
    default_stream_while_captured,
    memory_while_captured,
    copy_while_captured,
    event_while_captured,
    first_launch_captured,
    default_stream_captured,
    captured_for_all_threads,
    graph_after_free,
    graph_after_its_end,
    graph_overtaken,
    rate_frozen,
    graph_leaked,
};

int main()
{
    const int call_count = (int)(sizeof calls / sizeof *calls);
    for (int i = 0; i < COUNT; i++) host[i] = 0.37f * (float)((i * 7919) % 113);
    for (int sound = 0; sound < 2; sound++) {
        for (int i = 0; i < broken_count(); i++) test_kernel(i, sound);
        for (int i = 0; i < call_count; i++) calls[i](sound);
    }
    printf("1..%d\n", results);
    return failures > 0;
}
