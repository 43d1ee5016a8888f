/* Describing a network: its layers, counts and drawing, for network_info.
 *
 * Operations are counted as in the paper: multiply-adds, as fvcore counts them, including all heads of deep
 * supervision. A selective scan with N states counts for each position, channel and direction, by one of VMamba's two
 * rules, as 3.5 N + 1 in the first tables (57 for N = 16), or as 9 N + 1 in the later ones (145). */
#ifndef MODEL_DESCRIBE_H
#define MODEL_DESCRIBE_H

#include "base/error.h"
#include "base/text.h"
#include "network/executor/executor.h"

typedef enum ScanRule { SCAN_RULE_PAPER, SCAN_RULE_LATER } ScanRule;

int64_t node_parameters(const Node *node);
int64_t node_multiply_adds(const Node *node, ScanRule rule);
int64_t executor_multiply_adds(const Executor *x, ScanRule rule);

/* Plans an executor, without memory for values, of what the official counts include: all heads and the output "counted".
 * image: its size. Fails: as executor_new. */
int describe_plan(Executor **x, const Graph *g, Shape image, Err *e);

/* Appends a drawing of the network as SVG: blocks from top to bottom in the order of execution, and from left to right
 * by decreasing resolution. x: of describe_plan. Fails: ERR_NOMEM. */
int describe_svg(const Executor *x, const char *title, Text *svg, Err *e);

#endif
