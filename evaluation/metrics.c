#include "evaluation/metrics.h"

const MetricInfo metric_info[METRIC_COUNT] = {
    [METRIC_ASD] = {"ASD", false, false},   [METRIC_DICE] = {"Dice", false, true},
    [METRIC_FN] = {"FN", true, true},       [METRIC_FP] = {"FP", true, true},
    [METRIC_HD] = {"HD", false, false},     [METRIC_HD95] = {"HD95", false, false},
    [METRIC_IOU] = {"IoU", false, true},    [METRIC_NSD] = {"NSD", false, false},
    [METRIC_TN] = {"TN", true, true},       [METRIC_TP] = {"TP", true, true},
    [METRIC_VD] = {"VD", false, false},     [METRIC_N_PRED] = {"n_pred", true, true},
    [METRIC_N_REF] = {"n_ref", true, true},
};
