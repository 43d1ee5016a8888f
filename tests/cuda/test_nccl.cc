/* Sums over GPUs that are wrong on purpose: NCCL's double, or the watch, must report each by name, and nothing of its sound
 * twin. The two ranks are processes; each case runs in two new ones. */
#include <nccl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "judge.h"

enum { RANKS = 2, COUNT = 50000 };

/* What both ranks have of a case. */
struct Rank {
    int rank;
    bool sound;
    ncclUniqueId id;
    ncclComm_t comm;
    cudaStream_t stream;
    float *values; /* COUNT, on the device: rank + 1 */
};

/* Shared by the processes. */
struct Common {
    ncclUniqueId id;
    char texts[RANKS][512]; /* the first report of each */
    float found[RANKS];     /* a value afterwards */
};
static Common *common;

static void fill(float *values, int count, float value)
{
    static float host[COUNT];
    for (int i = 0; i < count; i++) host[i] = value;
    cudaMemcpyAsync(values, host, (size_t)count * sizeof *values, cudaMemcpyHostToDevice, NULL);
    wait();
}

static float value_of(const float *values)
{
    float value = -1;
    cudaMemcpyAsync(&value, values, sizeof value, cudaMemcpyDeviceToHost, NULL);
    return value;
}

/* Later work on `second` waits for the present work on `first`. */
static void order(cudaStream_t first, cudaStream_t second)
{
    cudaEvent_t event;
    cudaEventCreateWithFlags(&event, cudaEventDisableTiming);
    cudaEventRecord(event, first);
    cudaStreamWaitEvent(second, event, 0);
    cudaEventDestroy(event);
}

static void sum(Rank *r, float *values, size_t count, cudaStream_t stream)
{
    ncclAllReduce(values, values, count, ncclFloat, ncclSum, r->comm, stream);
}

/* ---- the cases ---- */

static void whole_bucket(Rank *r)
{
    cudaMemsetAsync(r->values, 0, COUNT * sizeof(float), NULL); /* as a kernel that writes gradients */
    if (r->sound) order(NULL, r->stream);
    sum(r, r->values, COUNT, r->stream);
    cudaStreamSynchronize(r->stream);
}

static void finished_sum(Rank *r)
{
    order(NULL, r->stream);
    sum(r, r->values, COUNT, r->stream);
    if (r->sound) order(r->stream, NULL);
    common->found[r->rank] = value_of(r->values + COUNT - 1); /* as the optimizer reads them */
    cudaStreamSynchronize(r->stream);
}

/* Backward goes on with the next bucket, while this one is summed. */
static void next_bucket(Rank *r)
{
    float *const next = r->sound ? r->values + COUNT / 2 : r->values + COUNT / 2 - 1;
    order(NULL, r->stream);
    sum(r, r->values, COUNT / 2, r->stream);
    cudaMemsetAsync(next, 0, (COUNT / 2) * sizeof(float), NULL);
    wait();
    cudaStreamSynchronize(r->stream);
}

static void counts(Rank *r)
{
    sum(r, r->values, r->sound || r->rank ? COUNT : COUNT - 1, NULL);
    wait();
}

static void types(Rank *r)
{
    const bool wide = !r->sound && r->rank == 1;
    ncclAllReduce(r->values, r->values, 100, wide ? ncclDouble : ncclFloat, ncclSum, r->comm, NULL);
    wait();
}

/* The sums of two arrays in another order: the same counts, on streams that run in the order of waiting. */
static void orders(Rank *r)
{
    const bool exchanged = !r->sound && r->rank == 1;
    order(NULL, r->stream);
    sum(r, r->values, 100, exchanged ? NULL : r->stream);
    sum(r, r->values + 100, 100, exchanged ? r->stream : NULL);
    cudaStreamSynchronize(r->stream);
    wait();
}

static void all_call(Rank *r)
{
    if (r->sound || r->rank) sum(r, r->values, COUNT, NULL);
    wait();
}

static void host_memory(Rank *r)
{
    static float host[COUNT];
    sum(r, r->sound ? r->values : host, COUNT, NULL);
    wait();
}

static void past_the_end(Rank *r)
{
    sum(r, r->values, r->sound ? COUNT : COUNT + 1, NULL);
    wait();
}

static void overlap(Rank *r)
{
    ncclAllReduce(r->values, r->sound ? r->values : r->values + 1, COUNT / 2, ncclFloat, ncclSum, r->comm, NULL);
    wait();
}

static void never_written(Rank *r)
{
    float *const fresh = device(COUNT);
    sum(r, r->sound ? r->values : fresh, COUNT, NULL);
    wait();
}

static void no_sum(Rank *r)
{
    ncclAllReduce(r->values, r->values, COUNT, ncclFloat, r->sound ? ncclSum : ncclMax, r->comm, NULL);
    wait();
}

static void current_gpu(Rank *r)
{
    if (!r->sound) cudaSetDevice(1 - r->rank);
    sum(r, r->values, COUNT, NULL);
    wait();
}

static void end_twice(Rank *r)
{
    sum(r, r->values, COUNT, NULL);
    wait();
    if (!r->sound) ncclCommAbort(r->comm);
}

static void late_sum(Rank *r)
{
    if (!r->sound) ncclCommAbort(r->comm);
    sum(r, r->values, COUNT, NULL);
    wait();
}

static void in_a_graph(Rank *r)
{
    cudaGraph_t graph;
    cudaGraphExec_t instance;
    cudaStreamBeginCapture(r->stream, cudaStreamCaptureModeThreadLocal);
    sum(r, r->values, COUNT, r->stream);
    cudaStreamEndCapture(r->stream, &graph);
    cudaGraphInstantiate(&instance, graph, 0);
    for (int launches = r->sound || r->rank ? 2 : 1; launches; launches--) cudaGraphLaunch(instance, NULL);
    wait();
    if (r->sound && value_of(r->values) != 6) emu_report("1 and 2, added twice, are not 6");
}

static void nothing(Rank *) {}

struct Case {
    const char *name, *words;
    void (*run)(Rank *);
    int gpus[RANKS], ranks[RANKS]; /* wrong: GPU and number of each rank */
};
static const Case cases[] = {
    {"a bucket is summed before it is whole", "race", whole_bucket, {0, 1}, {0, 1}},
    {"gradients are used before their sum is finished", "race", finished_sum, {0, 1}, {0, 1}},
    {"backward writes into a bucket that is being summed", "race", next_bucket, {0, 1}, {0, 1}},
    {"the ranks sum different counts", "rank 0 sums 49999 values", counts, {0, 1}, {0, 1}},
    {"the ranks sum different types", "of type", types, {0, 1}, {0, 1}},
    {"the ranks call in another order", "(call", orders, {0, 1}, {0, 1}},
    {"a rank does not call", "waits for a rank that has left", all_call, {0, 1}, {0, 1}},
    {"a rank launches a graph less often", "waits for a rank that has left", in_a_graph, {0, 1}, {0, 1}},
    {"host memory", "not in device memory", host_memory, {0, 1}, {0, 1}},
    {"past the end", "not all device memory", past_the_end, {0, 1}, {0, 1}},
    {"the result overlaps the values", "overlaps", overlap, {0, 1}, {0, 1}},
    {"values that were never written", "never written", never_written, {0, 1}, {0, 1}},
    {"another operation", "it is no sum", no_sum, {0, 1}, {0, 1}},
    {"another GPU is current", "another GPU", current_gpu, {0, 1}, {0, 1}},
    {"use after the end", "has ended", late_sum, {0, 1}, {0, 1}},
    {"a communicator ends twice", "has ended", end_twice, {0, 1}, {0, 1}},
    {"both ranks have one GPU", "have the same GPU", nothing, {1, 1}, {0, 1}},
    {"a number is given twice", "does not fit", nothing, {0, 1}, {1, 1}},
    {"a number that no rank has", "no such rank", nothing, {0, 1}, {2, 2}},
};

/* ---- running them ---- */

static void run_rank(const Case *c, Rank r)
{
    const int number = r.sound ? r.rank : c->ranks[r.rank];
    cudaSetDevice(r.sound ? r.rank : c->gpus[r.rank]);
    cudaStreamCreateWithFlags(&r.stream, cudaStreamNonBlocking);
    r.values = device(COUNT);
    fill(r.values, COUNT, (float)(r.rank + 1));
    if (!ncclCommInitRank(&r.comm, RANKS, common->id, number)) {
        c->run(&r);
        common->found[r.rank] = value_of(r.values + 7);
        ncclCommDestroy(r.comm);
    }
    snprintf(common->texts[r.rank], sizeof common->texts[0], "%s", emu_first_error());
    _exit(0);
}

static void run_case(const Case *c, bool sound)
{
    *common = Common{};
    if (ncclGetUniqueId(&common->id)) abort();
    fflush(stdout);
    for (int rank = 0; rank < RANKS; rank++)
        if (!fork()) run_rank(c, Rank{rank, sound, common->id, NULL, NULL, NULL});
    bool died = false, reported = false;
    for (int rank = 0, status; rank < RANKS; rank++) died |= wait(&status) < 0 || status;
    for (const auto &text : common->texts) reported |= strstr(text, c->words) != NULL;
    const char *text = common->texts[*common->texts[0] ? 0 : 1];
    result(sound ? !*text && !died : reported, c->name, sound, died ? "a process has died" : text);
}

/* More values than the ranks exchange at a time. */
static void sums(Rank *r)
{
    sum(r, r->values, COUNT, NULL);
    float all = 0, host[COUNT];
    cudaMemcpyAsync(host, r->values, sizeof host, cudaMemcpyDeviceToHost, NULL);
    for (float value : host) all += value == 3;
    if (all != (float)COUNT) emu_report("rank %d: only %g of %d sums are 3", r->rank, (double)all, COUNT);
}

int main()
{
    static const Case all = {"1 and 2 are 3 on both ranks", "", sums, {0, 1}, {0, 1}};
    setenv("SWIN_UMAMBA_EMULATED_GPUS", "2", 1);
    common = (Common *)mmap(NULL, sizeof *common, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (common == MAP_FAILED) return 1;
    run_case(&all, true);
    for (const Case &c : cases) {
        run_case(&c, false);
        run_case(&c, true);
    }
    printf("1..%d\n", results);
    return failures > 0;
}
