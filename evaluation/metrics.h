/* Metrics of a case and structure. */
#ifndef EVALUATION_METRICS_H
#define EVALUATION_METRICS_H

#include <stdbool.h>

/* In the order of their keys in summary.json. NSD, HD, HD95, ASD: evaluation/surface.h. */
typedef enum Metric {
    METRIC_ASD, /* mean of both directions' average surface distances, mm */
    METRIC_DICE,
    METRIC_FN,
    METRIC_FP,
    METRIC_HD,   /* mm */
    METRIC_HD95, /* mm */
    METRIC_IOU,
    METRIC_NSD, /* at the structure's tolerance */
    METRIC_TN,
    METRIC_TP,
    METRIC_VD, /* volume difference, prediction minus reference: mm3, in 2D mm2 */
    METRIC_N_PRED,
    METRIC_N_REF,
    METRIC_COUNT
} Metric;

typedef struct MetricInfo {
    const char *key;
    bool is_count;  /* a whole number of voxels */
    bool by_nnunet; /* nnU-Net's evaluation has this metric */
} MetricInfo;
extern const MetricInfo metric_info[METRIC_COUNT];

typedef double MetricRow[METRIC_COUNT];

#endif
