/* One call after another uses a model; each may be cancelled. */
#include <stdio.h>
#include <string.h>

#include "base/program.h"
#include "library/model.h"

_Static_assert((int)SWIN_NO_MEMORY == ERR_NOMEM && (int)SWIN_IO == ERR_IO && (int)SWIN_FORMAT == ERR_FORMAT &&
                   (int)SWIN_VALUE == ERR_VALUE && (int)SWIN_SHAPE == ERR_SHAPE &&
                   (int)SWIN_UNSUPPORTED == ERR_UNSUPPORTED && (int)SWIN_CANCELLED == ERR_INTERRUPTED &&
                   (int)SWIN_MEMORY_LIMIT == ERR_LIMIT,
               "the codes of swin_umamba.h are those of base/error.h");

int model_take(void *to, size_t known, const void *from, const char *name, Err *e)
{
    size_t given = 0;
    memset(to, 0, known);
    if (!from) return 0;
    memcpy(&given, from, sizeof given);
    if (given < sizeof given || given > 16 * known)
        return err_set(e, ERR_VALUE, "%s.size is %zu: set it to sizeof(%s)", name, given, name);
    /* What a later version added is not known here: it must be 0. */
    for (size_t i = known; i < given; i++)
        if (((const char *)from)[i])
            return err_set(e, ERR_UNSUPPORTED,
                           "%s has values that version %s of the library does not know: it is older than the header",
                           name, PROGRAM_VERSION);
    memcpy(to, from, given < known ? given : known);
    return 0;
}

int model_report(swin_error *error, int code, const Err *e)
{
    if (!error) return code;
    Err plain = *e;
    err_plain(&plain);
    error->code = code;
    snprintf(error->text, sizeof error->text, "%s", code ? plain.text : "");
    return code;
}

void model_warn(const swin_listener *listener, const char *text)
{
    if (listener->warning) listener->warning(listener->context, text);
}

static int cancelled(Err *e) { return err_set(e, ERR_INTERRUPTED, "the prediction was cancelled"); }

int model_call_check(const ModelCall *call, Err *e)
{
    return atomic_load(&call->model->cancels) == call->cancels ? 0 : cancelled(e);
}

int model_call_begin(ModelCall *call, Err *e)
{
    swin_model *m = call->model;
    pthread_mutex_lock(&m->lock);
    call->cancels = atomic_load(&m->cancels);
    while (m->call && !model_call_check(call, e)) pthread_cond_wait(&m->changed, &m->lock);
    const int code = model_call_check(call, e);
    if (!code) m->call = call;
    pthread_mutex_unlock(&m->lock);
    return code;
}

void model_call_end(ModelCall *call)
{
    swin_model *m = call->model;
    pthread_mutex_lock(&m->lock);
    m->call = NULL;
    pthread_cond_broadcast(&m->changed);
    pthread_mutex_unlock(&m->lock);
}

void swin_cancel(swin_model *model)
{
    pthread_mutex_lock(&model->lock);
    atomic_fetch_add(&model->cancels, 1);
    pthread_cond_broadcast(&model->changed);
    pthread_mutex_unlock(&model->lock);
}

int model_progress(void *context, int64_t done, int64_t tiles, Err *e)
{
    const ModelCall *call = ((swin_model *)context)->call;
    const swin_listener *l = &call->listener;
    TRY(model_call_check(call, e));
    return l->progress && l->progress(l->context, done, tiles) ? cancelled(e) : 0;
}
