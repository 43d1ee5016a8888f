/* Metrics: what the server has done, in Prometheus' text form. All functions may be called from all threads. */
#ifndef SERVE_METRICS_H
#define SERVE_METRICS_H

#include <stdint.h>

#include "base/error.h"
#include "base/text.h"
#include "serve/line.h"

typedef enum PredictionEnd { PREDICTION_DONE, PREDICTION_FAILED, PREDICTION_GONE, PREDICTIONS } PredictionEnd;

typedef struct Metrics Metrics;

int metrics_new(Metrics **m, Err *e); /* Fails: ERR_NOMEM */
void metrics_free(Metrics *m);

void metrics_answer(Metrics *m, unsigned status);
/* waited, took: seconds in the line, and with the model. */
void metrics_prediction(Metrics *m, PredictionEnd end, double waited, double took);

/* Seconds until a place should be free, by the mean of what predictions took; at least 1. */
int metrics_retry_after(Metrics *m, LineLength length);

/* network: seconds that the networks of all models have computed. */
void metrics_text(Metrics *m, LineLength length, double network, Text *text);

#endif
