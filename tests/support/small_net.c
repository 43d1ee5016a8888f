#include "tests/support/small_net.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/random.h"

/* Ends the program if the network cannot be built or run. */
static void require(bool is_so, const Err *e)
{
    if (is_so) return;
    fprintf(stderr, "small_net: %s\n", e->text);
    abort();
}

void small_net_open(SmallNet *n, DiceCE loss)
{
    Err e = {ERR_NONE, ""};
    static const double weights[] = {0.75, 0.25};
    Graph *g = n->graph = graph_new(&e);
    const Shape pixels = {1, SMALL_HEIGHT, SMALL_WIDTH, 1};
    const Ref image = graph_input(g, "image", (Shape){1, SMALL_HEIGHT, SMALL_WIDTH, SMALL_CHANNELS}, DTYPE_F32);
    const Ref labels = graph_input(g, "labels", pixels, DTYPE_I16);
    const Ref a = op_conv2d(g, "a", image, 8, conv_square(3, 1, 1, true));
    const Ref b = op_conv2d(g, "b", op_silu(g, op_layer_norm(g, "norm", a)), 8, conv_square(3, 1, 1, true));
    const Ref sum = op_add_drop_path(g, "sum", a, b, 0.4);
    const Ref c = op_leaky_relu(g, op_instance_norm(g, "c", sum, true), 0.01);
    const Ref half = op_conv2d(g, "half", c, 8, conv_square(2, 2, 0, true));
    const Ref heads[] = {op_linear(g, "head0", op_linear(g, "d", c, 16, true), SMALL_CLASSES, true),
                         op_linear(g, "head1", half, SMALL_CLASSES, true)};
    const Ref losses[] = {op_dice_ce_loss(g, "loss0", heads[0], labels, loss),
                          op_dice_ce_loss(g, "loss1", heads[1], labels, loss)};
    graph_output(g, "loss", op_weighted_sum(g, "loss", losses, weights, 2));
    graph_output(g, "head0", heads[0]);
    require(!graph_check(g, &e) && !parameters_new(&n->parameters, g, &e), &e);
    parameters_initialize(n->parameters, 3);
}

void small_net_close(SmallNet *n)
{
    parameters_free(n->parameters);
    graph_free(n->graph);
}

Executor *small_net_executor(const SmallNet *n, ExecutorOptions o, int items)
{
    Err e = {ERR_NONE, ""};
    Executor *x;
    const Shape sizes[] = {{items, SMALL_HEIGHT, SMALL_WIDTH, SMALL_CHANNELS}, {items, SMALL_HEIGHT, SMALL_WIDTH, 1}};
    Ref outputs[2];
    require(graph_find(n->graph, "loss", &outputs[0]) && graph_find(n->graph, "head0", &outputs[1]), &e);
    o.inputs = sizes;
    o.outputs = outputs;
    o.output_count = 2;
    o.train = true;
    o.unseeded = 2;
    require(!executor_new(&x, n->graph, n->parameters, &o, &e), &e);
    return x;
}

void small_net_item(float *image, int16_t *labels, uint32_t step, uint32_t item)
{
    Rng r = rng_make(11, 0, step, item, RNG_TEST);
    for (int i = 0; i < SMALL_PIXELS * SMALL_CHANNELS; i++) image[i] = (float)rng_normal(&r);
    for (int i = 0; i < SMALL_PIXELS; i++)
        labels[i] = rng_below(&r, 8) < item ? 9 : (int16_t)rng_below(&r, SMALL_CLASSES);
}

void small_net_feed(Executor *x, uint32_t step, int first, int items)
{
    enum { MOST = 8 };
    Err e = {ERR_NONE, ""};
    float images[MOST * SMALL_PIXELS * SMALL_CHANNELS];
    int16_t labels[MOST * SMALL_PIXELS];
    require(items <= MOST, &e);
    for (int i = 0; i < items; i++)
        small_net_item(images + i * SMALL_PIXELS * SMALL_CHANNELS, labels + i * SMALL_PIXELS, step,
                       (uint32_t)(first + i));
    require(!executor_feed(x, 0, images, &e) && !executor_feed(x, 1, labels, &e) && !executor_wait(x, &e), &e);
}
