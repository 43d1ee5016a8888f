#include "trainer/loader.h"

#include <pthread.h>

#include "base/memory.h"
#include "base/progress.h"
#include "base/sys.h"

/* A batch of the ring buffer. */
typedef struct Slot {
    Batch batch;
    int items_done;
    bool uploaded; /* to the device; not protected by the lock */
    Err error;     /* of the item that failed */
} Slot;

typedef struct Worker {
    Loader *loader;
    pthread_t thread;
    SamplerWorkspace workspace;
} Worker;

struct Loader {
    LoaderOptions o;
    int items;      /* of a batch */
    int64_t pixels; /* of a patch */
    int channels;
    Slot *slots; /* (ring); batch number n is in slot n % ring */
    Worker *workers;
    int started;          /* number of running threads */
    int64_t last;         /* total number of batches */
    int64_t borrowed;     /* so far */
    pthread_mutex_t lock; /* protects all below, and items_done and error of the slots */
    pthread_cond_t room, ready;
    int64_t next_item;  /* counted over all batches */
    int64_t given_back; /* batches */
    double cpu_seconds;
    bool stop;
};

static void describe(const LoaderOptions *o, int64_t number, Batch *batch)
{
    const int64_t per_epoch = o->iterations + o->validation_iterations;
    const int64_t position = o->first_iteration + number;
    const int within = (int)(position % per_epoch);
    batch->epoch = o->first_epoch + (int)(position / per_epoch);
    batch->is_validation = within >= o->iterations;
    batch->iteration = batch->is_validation ? within - o->iterations : within;
}

/* Waits for the next item that fits into the ring; false if there are no more items. The lock must be held. */
static bool take_item(Loader *l, Slot **slot, int *item)
{
    while (!l->stop && l->next_item / l->items < l->last && l->next_item / l->items >= l->given_back + l->o.ring)
        pthread_cond_wait(&l->room, &l->lock);
    const int64_t number = l->next_item / l->items;
    if (l->stop || number >= l->last) return false;
    *slot = &l->slots[number % l->o.ring];
    *item = (int)(l->next_item++ % l->items);
    if (*item == 0) describe(&l->o, number, &(*slot)->batch);
    return true;
}

static void *work(void *argument)
{
    Worker *w = argument;
    Loader *l = w->loader;
    Slot *slot;
    int item;
    pthread_mutex_lock(&l->lock);
    while (take_item(l, &slot, &item)) {
        const Batch batch = slot->batch;
        pthread_mutex_unlock(&l->lock);
        Err e = {0};
        const double began = cpu_seconds_thread();
        const Sampler *sampler = batch.is_validation ? l->o.validation : l->o.training;
        const int code =
            sampler_fill(sampler, &w->workspace, batch.epoch, batch.iteration, l->o.part.first_item + item,
                         batch.images + item * l->pixels * l->channels, batch.labels + item * l->pixels, &e);
        const double took = cpu_seconds_thread() - began;
        pthread_mutex_lock(&l->lock);
        l->cpu_seconds += took;
        if (code) slot->error = e;
        if (++slot->items_done == l->items) pthread_cond_signal(&l->ready);
    }
    pthread_mutex_unlock(&l->lock);
    return NULL;
}

static size_t image_bytes(const Loader *l)
{
    return mem_product(mem_product((size_t)l->items, (size_t)l->pixels), (size_t)l->channels * sizeof(float));
}

static size_t label_bytes(const Loader *l)
{
    return mem_product(mem_product((size_t)l->items, (size_t)l->pixels), sizeof(int16_t));
}

static int new_batch(const Loader *l, Batch *batch, Err *e)
{
    const Device *d = l->o.device;
    batch->images = d->alloc_host(d, image_bytes(l), e);
    batch->labels = d->alloc_host(d, label_bytes(l), e);
    if (!batch->images || !batch->labels) return ERR_NOMEM;
    if (d->shares_memory) return 0;
    batch->images_there = d->alloc(d, image_bytes(l), e);
    batch->labels_there = d->alloc(d, label_bytes(l), e);
    return batch->images_there && batch->labels_there ? 0 : ERR_NOMEM;
}

static void free_batch(const Device *d, const Batch *batch)
{
    d->free_host(d, batch->images);
    d->free_host(d, batch->labels);
    d->free(d, batch->images_there);
    d->free(d, batch->labels_there);
}

static int new_slots(Loader *l, Err *e)
{
    l->slots = mem_zalloc((size_t)l->o.ring, sizeof *l->slots, e);
    if (!l->slots) return ERR_NOMEM;
    for (int i = 0; i < l->o.ring; i++) TRY(new_batch(l, &l->slots[i].batch, e));
    return 0;
}

static int start_workers(Loader *l, Err *e)
{
    l->workers = mem_zalloc((size_t)l->o.threads, sizeof *l->workers, e);
    if (!l->workers) return ERR_NOMEM;
    for (int i = 0; i < l->o.threads; i++) {
        Worker *w = &l->workers[i];
        w->loader = l;
        TRY(sampler_workspace_new(&w->workspace, l->o.training, e));
        const int failed = sys_thread(&w->thread, NULL, work, w);
        if (failed) {
            sampler_workspace_free(&w->workspace);
            return err_errno(e, failed, "a loader thread could not be started");
        }
        l->started++;
    }
    return 0;
}

int loader_new(Loader **loader, const LoaderOptions *o, Err *e)
{
    Loader *l = *loader = mem_zalloc(1, sizeof *l, e);
    if (!l) return ERR_NOMEM;
    l->o = *o;
    l->items = o->part.items;
    l->pixels = o->training->geometry.final_yx[0] * o->training->geometry.final_yx[1];
    l->channels = sampler_channels(o->training);
    l->last = (int64_t)(o->epochs - o->first_epoch) * (o->iterations + o->validation_iterations) - o->first_iteration;
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->room, NULL);
    pthread_cond_init(&l->ready, NULL);
    int code = new_slots(l, e);
    if (!code) code = start_workers(l, e);
    if (code) {
        loader_free(l);
        *loader = NULL;
    }
    return code;
}

void loader_free(Loader *l)
{
    if (!l) return;
    pthread_mutex_lock(&l->lock);
    l->stop = true;
    pthread_cond_broadcast(&l->room);
    pthread_mutex_unlock(&l->lock);
    for (int i = 0; i < l->started; i++) {
        pthread_join(l->workers[i].thread, NULL);
        sampler_workspace_free(&l->workers[i].workspace);
    }
    if (!l->o.device->shares_memory && !l->o.device->join_uploads(l->o.device, NULL))
        l->o.device->wait(l->o.device, NULL);
    for (int i = 0; l->slots && i < l->o.ring; i++) free_batch(l->o.device, &l->slots[i].batch);
    mem_free(l->slots);
    mem_free(l->workers);
    pthread_cond_destroy(&l->room);
    pthread_cond_destroy(&l->ready);
    pthread_mutex_destroy(&l->lock);
    mem_free(l);
}

/* Begins to copy a complete batch to a device with its own memory. */
static int upload(const Loader *l, Slot *slot, Err *e)
{
    const Device *d = l->o.device;
    if (d->shares_memory || slot->uploaded) return 0;
    TRY(d->upload(d, slot->batch.images_there, slot->batch.images, image_bytes(l), e));
    TRY(d->upload(d, slot->batch.labels_there, slot->batch.labels, label_bytes(l), e));
    slot->uploaded = true;
    return 0;
}

/* Batch number n, if it is complete. */
static Slot *complete_slot(Loader *l, int64_t n)
{
    Slot *slot = &l->slots[n % l->o.ring];
    pthread_mutex_lock(&l->lock);
    const bool complete = n < l->last && slot->items_done == l->items && !slot->error.code;
    pthread_mutex_unlock(&l->lock);
    return complete ? slot : NULL;
}

/* Makes the batch's copy ready for the device's work, and begins that of the next. */
static int hand_over(Loader *l, Slot *slot, Err *e)
{
    const Device *d = l->o.device;
    if (d->shares_memory) return 0;
    TRY(upload(l, slot, e));
    TRY(d->join_uploads(d, e));
    Slot *next = complete_slot(l, l->borrowed);
    return next ? upload(l, next, e) : 0;
}

int loader_borrow(Loader *l, const Batch **batch, Err *e)
{
    if (l->borrowed >= l->last) return err_set(e, ERR_VALUE, "the loader has no batch after the last epoch's");
    pthread_mutex_lock(&l->lock);
    Slot *slot = &l->slots[l->borrowed++ % l->o.ring];
    while (slot->items_done < l->items) pthread_cond_wait(&l->ready, &l->lock);
    if (slot->error.code) *e = slot->error;
    pthread_mutex_unlock(&l->lock);
    *batch = &slot->batch;
    return slot->error.code ? slot->error.code : hand_over(l, slot, e);
}

void loader_give_back(Loader *l)
{
    pthread_mutex_lock(&l->lock);
    Slot *slot = &l->slots[l->given_back++ % l->o.ring];
    slot->items_done = 0;
    slot->uploaded = false;
    pthread_cond_broadcast(&l->room);
    pthread_mutex_unlock(&l->lock);
}

double loader_cpu_seconds(Loader *l)
{
    pthread_mutex_lock(&l->lock);
    const double seconds = l->cpu_seconds;
    pthread_mutex_unlock(&l->lock);
    return seconds;
}
