/* The internals of a Graph, for graph.c and the executor only. */
#ifndef NETWORK_GRAPH_GRAPH_INTERNAL_H
#define NETWORK_GRAPH_GRAPH_INTERNAL_H

#include "network/graph/graph.h"
#include "network/graph/op.h"

typedef struct ValueDef {
    Shape shape; /* nominal */
    DType dtype;
    int producer; /* node, or -1 for an input */
} ValueDef;

typedef struct NodeDef {
    const OpClass *op;
    char *name;
    void *attr;
    int inputs[NODE_INPUTS], outputs[NODE_OUTPUTS], params[NODE_PARAMS];
    int input_count, output_count, param_count;
    bool exact; /* computes in float32 in every executor */
    bool uncounted;
} NodeDef;

typedef struct NamedValue {
    char *name;
    int value;
} NamedValue;

struct Graph {
    ValueDef *values;
    NodeDef *nodes;
    Param *params;
    NamedValue *names;
    int *inputs; /* values that are inputs, in order of definition */
    int value_count, node_count, param_count, name_count, input_count;
    int value_capacity, node_capacity, param_capacity, name_capacity, input_capacity;
    int64_t elements, span; /* of all parameters; of the flat array with the gaps between them */
    InitPolicy policy;
    Init norm_weight;
    bool exact, direct, uncounted; /* of the nodes defined next */
    char scope[512];
    Err error;
};

/* Fills a Node from its definition: op, name, attr, numbers of inputs and outputs, parameter descriptions. */
void graph_describe_node(const Graph *g, const NodeDef *d, Node *node);

/* Marks the nodes that the outputs depend on. needed: node_count entries, all written. */
void graph_mark_needed(const Graph *g, const Ref *outputs, int output_count, bool *needed);

#endif
