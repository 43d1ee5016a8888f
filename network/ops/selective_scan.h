/* Attributes and parameters of the selective scan (selective_scan.c). */
#ifndef NETWORK_OPS_SELECTIVE_SCAN_H
#define NETWORK_OPS_SELECTIVE_SCAN_H

#include "network/ops/ops.h"

typedef struct SelectiveScan {
    int64_t rank, states;
    ScanDirections directions;
} SelectiveScan;

enum { X_PROJ, DT_WEIGHT, DT_BIAS, A_LOGS, DS, SCAN_PARAMS, SCAN_ALL_PARAMS = (1 << SCAN_PARAMS) - 1 };

#endif
