#include "model/describe.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "network/models/network.h"

int64_t node_parameters(const Node *node)
{
    int64_t count = 0;
    for (int i = 0; i < node->param_count; i++) count += node->param_info[i]->count;
    return count;
}

int64_t node_multiply_adds(const Node *node, ScanRule rule)
{
    const OpClass *op = node->op;
    if (node->uncounted) return 0;
    if (rule == SCAN_RULE_LATER && op->later_macs) return op->later_macs(node);
    return op->macs ? op->macs(node) : 0;
}

int64_t executor_multiply_adds(const Executor *x, ScanRule rule)
{
    int64_t total = 0;
    for (int i = 0; i < executor_node_count(x); i++) total += node_multiply_adds(executor_node(x, i), rule);
    return total;
}

int describe_plan(Executor **x, const Graph *g, Shape image, Err *e)
{
    const Shape inputs[] = {image, {image.n, image.h, image.w, 1}};
    Ref outputs[NETWORK_HEADS + 1];
    int count = network_heads(g, outputs);
    if (graph_find(g, "counted", &outputs[count])) count++;
    const ExecutorOptions how = {.inputs = inputs, .outputs = outputs, .output_count = count, .unfused = true};
    return executor_new(x, g, NULL, &how, e);
}

/* ---- the drawing ---- */

enum { BOX_WIDTH = 230, BOX_HEIGHT = 44, STEP_X = 250, STEP_Y = 66, MARGIN = 30, TITLE = 50 };

typedef struct Group {
    char name[64];
    Shape shape; /* of its last output */
    int64_t parameters, multiply_adds;
    int level; /* how often the image's resolution was halved */
} Group;

/* The block of a layer: its name up to the first component that is a number; if there is none, its first two. */
static void block_of(const char *layer, char *block, size_t bytes)
{
    size_t end = strcspn(layer, "."), second = 0;
    for (size_t at = 0; layer[at];) {
        const size_t length = strcspn(layer + at, ".");
        bool number = length > 0;
        for (size_t i = 0; i < length; i++) number &= isdigit((unsigned char)layer[at + i]) != 0;
        if (number) {
            end = at + length;
            break;
        }
        if (at && !second) second = at + length;
        at += length + (layer[at + length] == '.');
    }
    if (end == strcspn(layer, ".") && second && !isdigit((unsigned char)layer[end - 1])) end = second;
    snprintf(block, bytes, "%.*s", (int)end, layer);
}

typedef struct Drawing {
    Group *groups;
    int *group_of_node;
    int count;
} Drawing;

/* The node that writes t, or -1 for an input. */
static int writer_of(const Executor *x, const Tensor *t)
{
    for (int i = 0; i < executor_node_count(x); i++)
        for (int k = 0; k < executor_node(x, i)->output_count; k++)
            if (executor_node(x, i)->out[k] == t) return i;
    return -1;
}

/* A node outside any block (a concat in "decoder") belongs to the block whose output it reads. */
static int group_of(const Executor *x, Drawing *d, int i)
{
    const Node *node = executor_node(x, i);
    const int before = writer_of(x, node->in[0]);
    char block[sizeof d->groups->name];
    block_of(node->name, block, sizeof block);
    const bool outside = !strpbrk(block, ".0123456789") && !node->param_count;
    if (outside && before >= 0) return d->group_of_node[before];
    int group = 0;
    while (group < d->count && strcmp(d->groups[group].name, block)) group++;
    if (group == d->count) snprintf(d->groups[d->count++].name, sizeof block, "%s", block);
    return group;
}

static void group_nodes(const Executor *x, Drawing *d)
{
    const int64_t height = executor_node_count(x) ? executor_node(x, 0)->in[0]->shape.h : 1;
    for (int i = 0; i < executor_node_count(x); i++) {
        const Node *node = executor_node(x, i);
        const int group = d->group_of_node[i] = group_of(x, d, i);
        Group *g = &d->groups[group];
        g->shape = node->out[0]->shape;
        g->parameters += node_parameters(node);
        g->multiply_adds += node_multiply_adds(node, SCAN_RULE_PAPER);
        g->level = (int)lround(log2((double)height / (double)g->shape.h));
    }
}

/* Execution order runs downwards; resolution decreases to the right. */
static double box_x(const Group *g) { return MARGIN + (double)g->level * STEP_X; }
static double box_y(int group) { return TITLE + MARGIN + (double)group * STEP_Y; }

static void draw_edge(const Drawing *d, int from, int to, Text *svg)
{
    const double x0 = box_x(&d->groups[from]) + BOX_WIDTH / 2.0, y0 = box_y(from) + BOX_HEIGHT;
    const double x1 = box_x(&d->groups[to]) + BOX_WIDTH / 2.0, y1 = box_y(to), bend = (y1 - y0) / 2;
    /* An edge to a box further down in the same column is drawn beside the boxes between them. */
    const double aside = x0 == x1 && to - from > 1 ? BOX_WIDTH * 0.62 : 0;
    text_add(svg, "<path d=\"M%.0f %.0fC%.0f %.0f %.0f %.0f %.0f %.0f\"/>\n", x0, y0, x0 + aside, y0 + bend, x1 + aside,
             y1 - bend, x1, y1);
}

static void draw_edges(const Executor *x, const Drawing *d, Text *svg)
{
    for (int i = 0; i < executor_node_count(x); i++) {
        const Node *node = executor_node(x, i);
        for (int k = 0; k < node->input_count; k++) {
            const int writer = writer_of(x, node->in[k]);
            if (writer >= 0 && d->group_of_node[writer] != d->group_of_node[i])
                draw_edge(d, d->group_of_node[writer], d->group_of_node[i], svg);
        }
    }
}

static void draw_box(const Group *g, int index, Text *svg)
{
    text_add(svg, "<g transform=\"translate(%.0f %.0f)\"><rect width=\"%d\" height=\"%d\" rx=\"6\"/>", box_x(g),
             box_y(index), BOX_WIDTH, BOX_HEIGHT);
    text_add(svg, "<text class=\"name\" x=\"8\" y=\"17\">%s</text>", g->name);
    text_add(svg, "<text x=\"8\" y=\"34\">%lld×%lld×%lld   %.2f M   %.2f G</text></g>\n", (long long)g->shape.h,
             (long long)g->shape.w, (long long)g->shape.c, (double)g->parameters * 1e-6,
             (double)g->multiply_adds * 1e-9);
}

static void draw(const Executor *x, const Drawing *d, const char *title, Text *svg)
{
    int levels = 0;
    for (int i = 0; i < d->count; i++)
        if (d->groups[i].level > levels) levels = d->groups[i].level;
    const int width = 2 * MARGIN + (levels + 1) * STEP_X, height = TITLE + 2 * MARGIN + d->count * STEP_Y;
    text_add(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" font-family=\"sans-serif\" font-size=\"12\">\n",
        width, height);
    text_add(
        svg,
        "<style>rect{fill:#eef4fb;stroke:#35618f}path{fill:none;stroke:#8a97a6;stroke-width:1.5}text{fill:#333}"
        ".name{font-weight:bold}.title{font-size:20px}</style>\n"
        "<rect width=\"100%%\" height=\"100%%\" style=\"fill:white;stroke:none\"/>\n"
        "<text class=\"title\" x=\"%d\" y=\"36\">%s</text>\n"
        "<text x=\"%d\" y=\"58\">output H×W×C, parameters, multiply-adds; order runs down, resolution decreases to the right</text>\n",
        MARGIN, title, MARGIN);
    draw_edges(x, d, svg);
    for (int i = 0; i < d->count; i++) draw_box(&d->groups[i], i, svg);
    text_add(svg, "</svg>\n");
}

int describe_svg(const Executor *x, const char *title, Text *svg, Err *e)
{
    const size_t nodes = (size_t)executor_node_count(x);
    Drawing d = {mem_zalloc(nodes, sizeof *d.groups, e), mem_zalloc(nodes, sizeof *d.group_of_node, e), 0};
    const bool ready = d.groups && d.group_of_node;
    if (ready) {
        group_nodes(x, &d);
        draw(x, &d, title, svg);
    }
    mem_free(d.groups);
    mem_free(d.group_of_node);
    return ready ? text_check(svg, e) : ERR_NOMEM;
}
