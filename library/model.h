/* The inside of a swin_model, and of a call that uses it (part of the library's interface, swin_umamba.h). */
#ifndef LIBRARY_MODEL_H
#define LIBRARY_MODEL_H

#include <pthread.h>
#include <stdatomic.h>

#include "inference/configuration.h"
#include "inference/predictor.h"
#include "library/swin_umamba.h"

struct swin_model {
    Predictor *predictor;
    Configuration configuration; /* one model, and its post-processing */
    swin_info info;
    swin_class *classes; /* owned */
    char orientation[64];
    char *dataset_json;    /* owned */
    atomic_ullong cancels; /* calls of swin_cancel so far */
    pthread_mutex_t lock;  /* protects call */
    pthread_cond_t changed;
    struct ModelCall *call; /* the one that predicts */
};

/* A prediction, from its call to its return. */
typedef struct ModelCall {
    swin_model *model;
    swin_listener listener;
    unsigned long long cancels; /* of the model when it was called */
} ModelCall;

/* Copies what the caller gave: a struct of at least `size` bytes that begins with its own size, or NULL. `to` has `known`
 * bytes: those that the caller's version does not have are 0. Fails: ERR_VALUE for a size that no version has. */
int model_take(void *to, size_t known, const void *from, const char *name, Err *e);

/* Fills what the caller gets of an error; returns code. error may be NULL. */
int model_report(swin_error *error, int code, const Err *e);

void model_warn(const swin_listener *listener, const char *text);

/* Waits until the model is free, and takes it; model_call_end gives it back. Fails: ERR_INTERRUPTED if it was cancelled. */
int model_call_begin(ModelCall *call, Err *e);
void model_call_end(ModelCall *call);

/* Fails with ERR_INTERRUPTED if the call was cancelled. */
int model_call_check(const ModelCall *call, Err *e);

/* The predictor's progress function; context: the model. */
int model_progress(void *context, int64_t done, int64_t tiles, Err *e);

#endif
