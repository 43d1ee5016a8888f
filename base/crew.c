#include "base/crew.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "base/memory.h"
#include "base/sys.h"

/* Messages of rank 0: JOB, ITEM, NONE (no item is left), DISMISSED. Of the others: WANT (with the result of the item before, or item -1
 * without one), LAST (with the result of all items). */
typedef enum Kind { JOB, ITEM, NONE, DISMISSED, WANT, LAST } Kind;

typedef struct Head {
    int32_t kind, work, code; /* work: of JOB; code: of a failure, whose text follows; 0: the result follows */
    int32_t unused;
    int64_t item;
} Head;

/* Between two looks for a message. */
static void pause_shortly(void) { nanosleep(&(struct timespec){0, 500000}, NULL); }

static int post(World *w, int to, Head head, const char *bytes, size_t size, Err *e)
{
    Text message = {0};
    text_add_bytes(&message, (const char *)&head, sizeof head);
    if (size) text_add_bytes(&message, bytes, size);
    int code = text_check(&message, e);
    if (!code) code = w->post(w, to, message.data, message.length, e);
    text_free(&message);
    return code;
}

void crew_hash(char hash[HASH_BYTES], int64_t items, const char *(*name)(const void *context, int64_t item),
               const void *context)
{
    Text all = {0};
    for (int64_t i = 0; i < items; i++) text_add(&all, "%s\n", name(context, i));
    hash_bytes(hash, all.data ? all.data : "", all.length);
    text_free(&all);
}

/* ---- rank 0 ---- */

/* A result that waits to be taken. */
typedef struct Waiting {
    struct Waiting *next;
    Head head;
    Text message; /* with the head */
} Waiting;

struct Crew {
    CrewJob job;
    World *world; /* NULL: alone */
    atomic_llong next;
    atomic_bool stopped;
    pthread_t thread; /* answers the others until each has sent LAST */
    pthread_mutex_t lock;
    Waiting *first, **last; /* with the lock */
    Err failed;             /* with the lock */
};

static int64_t hand_out(Crew *c)
{
    if (atomic_load(&c->stopped)) return -1;
    const int64_t item = atomic_fetch_add(&c->next, 1);
    return item < c->job.items ? item : -1;
}

/* The first failure counts. */
static void fail(Crew *c, const Err *e)
{
    pthread_mutex_lock(&c->lock);
    if (!c->failed.code) c->failed = *e;
    pthread_mutex_unlock(&c->lock);
    crew_stop(c);
}

/* Moves the message. */
static int keep_result(Crew *c, const Head *head, Text *message, Err *e)
{
    Waiting *w = mem_zalloc(1, sizeof *w, e);
    if (!w) return ERR_NOMEM;
    w->head = *head;
    w->message = *message;
    *message = (Text){0};
    pthread_mutex_lock(&c->lock);
    *c->last = w;
    c->last = &w->next;
    pthread_mutex_unlock(&c->lock);
    return 0;
}

static int answer(Crew *c, int from, Text *message, int *left, Err *e)
{
    Head head;
    memcpy(&head, message->data, sizeof head);
    const bool has_result = head.kind == LAST || head.item >= 0, wants = head.kind == WANT;
    if (head.code) {
        err_set(e, (ErrCode)head.code, "%.*s", (int)(message->length - sizeof head), message->data + sizeof head);
        fail(c, e);
        err_clear(e);
    } else if (has_result) {
        TRY(keep_result(c, &head, message, e));
    }
    if (!wants) --*left;
    if (!wants) return 0;
    const int64_t item = hand_out(c);
    return post(c->world, from, (Head){.kind = item < 0 ? NONE : ITEM, .item = item}, NULL, 0, e);
}

static void *serve_others(void *context)
{
    Crew *c = context;
    Err e = {0};
    int left = c->job.world->count - 1, code = 0;
    while (left && !code) {
        Text message = {0};
        int from;
        const int found = c->world->fetch(c->world, &from, &message, &e);
        if (found > 0) code = answer(c, from, &message, &left, &e);
        else if (!found) pause_shortly();
        else code = found;
        text_free(&message);
    }
    if (code) fail(c, &e);
    return NULL;
}

static int start_others(Crew *c, Err *e)
{
    const CrewJob *job = &c->job;
    Text all = {0};
    text_add_bytes(&all, job->names, sizeof job->names);
    if (job->bytes) text_add_bytes(&all, job->parameters, job->bytes);
    int code = text_check(&all, e);
    for (int i = 1; i < job->world->count && !code; i++)
        code = post(c->world, i, (Head){.kind = JOB, .work = job->kind}, all.data, all.length, e);
    text_free(&all);
    if (code) return code;
    const int failed = sys_thread(&c->thread, NULL, serve_others, c);
    return failed ? err_errno(e, failed, "no thread for the other processes") : 0;
}

int crew_begin(Crew **crew, const CrewJob *job, Err *e)
{
    Crew *c = *crew = mem_zalloc(1, sizeof *c, e);
    if (!c) return ERR_NOMEM;
    c->job = *job;
    c->world = (World *)job->world;
    c->last = &c->first;
    pthread_mutex_init(&c->lock, NULL);
    const int code = c->world ? start_others(c, e) : 0;
    if (!code) return 0;
    mem_free(c);
    *crew = NULL;
    return code;
}

static void take_results(Crew *c)
{
    pthread_mutex_lock(&c->lock);
    while (c->first) {
        Waiting *w = c->first;
        if (!(c->first = w->next)) c->last = &c->first;
        if (!c->failed.code &&
            c->job.take(c->job.context, w->head.kind == LAST ? -1 : w->head.item, w->message.data + sizeof w->head,
                        w->message.length - sizeof w->head, &c->failed))
            atomic_store(&c->stopped, true);
        text_free(&w->message);
        mem_free(w);
    }
    pthread_mutex_unlock(&c->lock);
}

int64_t crew_next(Crew *c)
{
    if (c->world) take_results(c);
    return hand_out(c);
}

void crew_stop(Crew *c) { atomic_store(&c->stopped, true); }

int crew_end(Crew *c, Err *e)
{
    if (c->world) {
        pthread_join(c->thread, NULL);
        take_results(c);
    }
    const int code = c->failed.code;
    if (code) *e = c->failed;
    pthread_mutex_destroy(&c->lock);
    mem_free(c);
    return code;
}

void crew_dismiss(const Process *world)
{
    for (int i = 1; world && i < world->count; i++) post((World *)world, i, (Head){.kind = DISMISSED}, NULL, 0, NULL);
    world_release(world);
}

/* ---- the others ---- */

typedef struct Server {
    World *world;
    const CrewWork *work;
    int kind;
    pthread_mutex_t lock; /* one thread at a time asks for an item */
    bool over;            /* none is left; with the lock */
    bool dismissed;       /* in place of an answer: rank 0 could not go on; with the lock */
    int failed;           /* of a message; with the lock */
    Err *e;
} Server;

static int receive(World *w, Text *message, Err *e)
{
    int from, found;
    while (!(found = w->fetch(w, &from, message, e))) pause_shortly();
    return found < 0 ? found : 0;
}

/* The result, or the failure, whose text takes its place. */
static int post_result(World *w, Head head, const Text *result, int code, const Err *failure, Err *e)
{
    head.code = code;
    if (code) return post(w, 0, head, failure->text, strlen(failure->text), e);
    return post(w, 0, head, result->data, result->length, e);
}

/* Reports an item, if there is one, and asks for the next. */
static int64_t ask(Server *s, int64_t item, const Text *result, int code, const Err *failure)
{
    Text message = {0};
    Head head = {.kind = NONE};
    pthread_mutex_lock(&s->lock);
    if (!s->failed && (!s->over || item >= 0))
        s->failed = post_result(s->world, (Head){.kind = WANT, .item = item}, result, code, failure, s->e);
    if (!s->failed && (!s->over || item >= 0)) s->failed = receive(s->world, &message, s->e);
    if (message.length) memcpy(&head, message.data, sizeof head);
    s->over = s->over || head.kind != ITEM || s->failed;
    s->dismissed = s->dismissed || head.kind == DISMISSED;
    pthread_mutex_unlock(&s->lock);
    text_free(&message);
    return head.kind == ITEM ? head.item : -1;
}

static void run_items(Server *s)
{
    Text result = {0};
    Err failure = {0};
    int code = 0;
    for (int64_t item = ask(s, -1, &result, 0, &failure); item >= 0; item = ask(s, item, &result, code, &failure)) {
        text_free(&result);
        err_clear(&failure);
        code = s->work->item(s->work->context, s->kind, item, &result, &failure);
        if (!code) code = text_check(&result, &failure);
    }
    text_free(&result);
}

static int begin_job(const Server *s, const char *names, size_t bytes, Err *e)
{
    const CrewWork *w = s->work;
    if (memcmp(names, w->names, HASH_BYTES))
        return err_set(e, ERR_VALUE,
                       "a process sees other cases than the first: all must see the same files; start again");
    return w->begin ? w->begin(w->context, s->kind, names + HASH_BYTES, bytes - HASH_BYTES, e) : 0;
}

static int run_job(Server *s, const Head *head, const Text *message, Err *e)
{
    const CrewWork *w = s->work;
    Text result = {0};
    Err failure = {0};
    s->kind = head->work;
    s->over = false;
    int code = begin_job(s, message->data + sizeof *head, message->length - sizeof *head, &failure);
    if (!code) {
#pragma omp parallel num_threads(w->threads)
        run_items(s);
        if (w->end) code = w->end(w->context, s->kind, &result, &failure);
    }
    if (!code) code = text_check(&result, &failure);
    const int posted =
        s->failed ? s->failed : post_result(s->world, (Head){.kind = LAST, .item = -1}, &result, code, &failure, e);
    text_free(&result);
    return posted;
}

int crew_serve(const Process *world, const CrewWork *work, Err *e)
{
    Server s = {.world = (World *)world, .work = work, .e = e};
    Head head = {0};
    int code = 0;
    pthread_mutex_init(&s.lock, NULL);
    while (!code && head.kind != DISMISSED && !s.dismissed) {
        Text message = {0};
        code = receive(s.world, &message, e);
        if (!code) memcpy(&head, message.data, sizeof head);
        if (!code && head.kind == JOB) code = run_job(&s, &head, &message, e);
        text_free(&message);
    }
    pthread_mutex_destroy(&s.lock);
    return code;
}
