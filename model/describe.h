/* Describing a network: its layers, counts and drawing, for network_info.
 *
 * Counts are the paper's: one multiply-add counts 1, by fvcore's rule, all heads of deep supervision included;
 * the selective scan by one of VMamba's two rules per position, channel and direction: (3.5 N + 1) in the
 * first tables (57 for N = 16), (9 N + 1) in the later ones (145). */
#ifndef MODEL_DESCRIBE_H
#define MODEL_DESCRIBE_H

#include "base/error.h"
#include "base/text.h"
#include "network/executor/executor.h"

typedef enum ScanRule { SCAN_RULE_PAPER, SCAN_RULE_LATER } ScanRule;

int64_t node_parameters(const Node *node);
int64_t node_multiply_adds(const Node *node, ScanRule rule);
int64_t executor_multiply_adds(const Executor *x, ScanRule rule);

/* The network as an SVG page, appended: blocks from left to right in the order of execution, each at the
 * height of its resolution, so that the U shows. x: a planned executor of all heads. Fails: ERR_NOMEM. */
int describe_svg(const Executor *x, const char *title, Text *svg, Err *e);

#endif
