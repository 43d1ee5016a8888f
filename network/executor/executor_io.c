/* Inputs and outputs of an executor. Inputs and requested outputs are dense: they are never slices of other values. */
#include "base/memory.h"
#include "network/executor/executor_internal.h"

Tensor *executor_input(Executor *x, int index)
{
    const int value = x->graph->inputs[index];
    return x->values[value].exists ? &x->tensors[value] : NULL;
}

Tensor *executor_output(Executor *x, int index) { return &x->tensors[x->outputs[index].value]; }

Shape executor_input_shape(const Executor *x, int index) { return x->tensors[x->graph->inputs[index]].shape; }
Shape executor_output_shape(const Executor *x, int index) { return x->tensors[x->outputs[index].value].shape; }

static size_t bytes_of(const Tensor *t) { return (size_t)shape_count(t->shape) * dtype_size(t->dtype); }

int executor_feed(Executor *x, int index, const void *host, Err *e)
{
    const Tensor *t = executor_input(x, index);
    return t ? x->device->copy(x->device, t->data, host, bytes_of(t), COPY_TO_DEVICE, e) : 0;
}

int executor_feed_on_device(Executor *x, int index, const void *memory, Err *e)
{
    const Tensor *t = executor_input(x, index);
    return t ? x->device->copy(x->device, t->data, memory, bytes_of(t), COPY_ON_DEVICE, e) : 0;
}

int executor_fetch(Executor *x, int index, void *host, Err *e)
{
    const Tensor *t = executor_output(x, index);
    return x->device->copy(x->device, host, t->data, bytes_of(t), COPY_TO_HOST, e);
}

int executor_seed(Executor *x, int index, const void *host, Err *e)
{
    const Tensor *t = executor_output(x, index);
    return t->grad ? x->device->copy(x->device, t->grad, host, bytes_of(t), COPY_TO_DEVICE, e) : 0;
}

int executor_wait(Executor *x, Err *e) { return x->device->wait(x->device, e); }

static void *host_memory(Executor *x, const Tensor *t, int place, Err *e)
{
    const Device *d = x->device;
    if (d->shares_memory) return t->data;
    if (!x->host_memory[place]) x->host_memory[place] = d->alloc_host(d, bytes_of(t), e);
    return x->host_memory[place];
}

void *executor_input_memory(Executor *x, int index, Err *e)
{
    const Tensor *t = executor_input(x, index);
    return t ? host_memory(x, t, index, e) : NULL;
}

void *executor_output_memory(Executor *x, int index, Err *e)
{
    return host_memory(x, executor_output(x, index), x->graph->input_count + index, e);
}

void executor_free_host_memory(Executor *x)
{
    const int count = x->graph->input_count + x->output_count;
    for (int i = 0; x->host_memory && i < count; i++) x->device->free_host(x->device, x->host_memory[i]);
    mem_free(x->host_memory);
}
