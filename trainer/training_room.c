/* Whether the device has the memory that a Training takes, and how many batches are there at a time (training_parts.h). */
#include "model/training_memory.h"
#include "network/executor/precision.h"
#include "trainer/training_parts.h"

int training_issued_most(const Training *t) { return t->device->shares_memory ? 1 : ISSUED_MOST; }
int training_ring(const Training *t) { return t->loader_threads + training_issued_most(t); }

static void add_work(Text *work, const Training *t)
{
    const int *patch = t->plan.configuration.patch_size;
    text_add(work, "training %s with a batch of %d patches of %dx%d in %s", t->plan.network.name, t->part.items,
             patch[0], patch[1], precision_name(t->precision));
    if (t->plan.planned_gpu_gb > 0) text_add(work, ", planned for a GPU of %g GiB,", t->plan.planned_gpu_gb);
}

static void add_remedy(Text *remedy, const Training *t)
{
    const int batch = t->plan.configuration.batch_size;
    if (batch > 1) text_add(remedy, "give a smaller batch (--batch-size, now %d) or patch (--patch-size), ", batch);
    else text_add(remedy, "give a smaller patch (--patch-size), ");
    if (t->precision == DTYPE_F32) text_add(remedy, "--precision bf16, ");
    if (!t->plan.training.recompute) text_add(remedy, "a file with training: {recompute: true} for --override, ");
    text_add(remedy, "or another GPU (--device)");
}

int training_expect_room(const Training *t, Err *e)
{
    const int *patch = t->plan.configuration.patch_size;
    const TrainingSetup setup = {t->part.items, {patch[0], patch[1]}, t->precision, t->device};
    Text work = {0}, remedy = {0};
    if (!t->device->memory) return 0;
    const int64_t bytes = training_memory_of(t->model.graph, &t->plan, &setup, e);
    if (bytes < 0) return (int)bytes;
    const int64_t ring = training_ring(t) * training_batch_bytes(&t->plan, &setup);
    add_work(&work, t);
    add_remedy(&remedy, t);
    int code = text_check(&work, e);
    if (!code) code = text_check(&remedy, e);
    if (!code) code = device_expect_room(t->device, (size_t)(bytes + ring), work.data, remedy.data, e);
    text_free(&work);
    text_free(&remedy);
    return code;
}
