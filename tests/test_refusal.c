/* network/executor: if an implementation does not support a node (its prepare fails), the next one of the list is used,
 * with its types and slices. Lack of memory is an error. The op is made up: y = 2 x. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

#include "base/memory.h"
#include "network/executor/executor.h"
#include "network/ops/ops.h"

/* What each implementation's prepare returns. */
typedef struct Double {
    int bf16, fast, slow;
} Double;

static int held; /* states that are not freed */

static int prepare(Node *node, int code, Err *e)
{
    node->state = mem_alloc(8, e);
    node->scratch_bytes[0] = node->saved_bytes[0] = 4096;
    held++;
    return code ? err_set(e, (ErrCode)code, "refused by %s", node->impl->name) : 0;
}

static int prepare_bf16(Node *node, Err *e) { return prepare(node, ((const Double *)node->attr)->bf16, e); }
static int prepare_fast(Node *node, Err *e) { return prepare(node, ((const Double *)node->attr)->fast, e); }
static int prepare_slow(Node *node, Err *e)
{
    assert_int_equal(node->scratch_bytes[0], 0);
    assert_int_equal(node->in[0]->pitch, node->in[0]->shape.c);
    assert_int_equal(node->out[0]->pitch, node->out[0]->shape.c);
    return prepare(node, ((const Double *)node->attr)->slow, e);
}

static void release(Node *node)
{
    if (!node->state) return;
    mem_free(node->state);
    held--;
}

static void forward(Node *node, const Step *step)
{
    (void)step;
    const Tensor *x = node->in[0], *y = node->out[0];
    for (int64_t p = 0; p < shape_pixels(x->shape); p++)
        for (int64_t c = 0; c < x->shape.c; c++)
            ((float *)y->data)[p * y->pitch + c] = 2 * ((const float *)x->data)[p * x->pitch + c];
}

static int shape(Node *node, Err *e)
{
    (void)e;
    node->out[0]->shape = node->in[0]->shape;
    return 0;
}

static const OpImpl bf16 = {.name = "bf16",
                            .level = SIMD_AVX512_BF16,
                            .dtype = DTYPE_BF16,
                            .prepare = prepare_bf16,
                            .forward = forward,
                            .release = release};
static const OpImpl fast = {
    .name = "fast", .strided_in = 1, .strided_out = 1, .prepare = prepare_fast, .forward = forward, .release = release};
static const OpImpl slow = {.name = "slow", .prepare = prepare_slow, .forward = forward, .release = release};
static const OpImpl *const impls[] = {&bf16, &fast, &slow, NULL};
static const OpClass double_class = {.name = "double", .shape = shape, .on = {impls}};

static Ref op_double(Graph *g, const char *name, Ref x, Double attr)
{
    return graph_node(g, &double_class, name, &attr, sizeof attr, &x, 1, NULL, 0);
}

/* image → a, b → concat. */
typedef struct Net {
    Graph *graph;
    Parameters *parameters;
    Executor *executor;
    Ref a, b, both;
} Net;

static int open_net(Net *n, Double a, DType precision, const char *implementation, Err *e)
{
    n->graph = graph_new(NULL);
    const Ref image = graph_input(n->graph, "image", (Shape){1, 2, 3, 5}, DTYPE_F32);
    n->a = op_double(n->graph, "a", image, a);
    n->b = op_double(n->graph, "b", image, (Double){0});
    n->both = op_concat(n->graph, n->a, n->b);
    assert_int_equal(parameters_new(&n->parameters, n->graph, NULL), 0);
    const ExecutorOptions o = {
        .outputs = &n->both, .output_count = 1, .precision = precision, .implementation = implementation};
    return executor_new(&n->executor, n->graph, n->parameters, &o, e);
}

static void close_net(Net *n)
{
    executor_free(n->executor);
    parameters_free(n->parameters);
    graph_free(n->graph);
    assert_int_equal(held, 0);
}

static const Node *node_at(const Net *n, int index) { return executor_node(n->executor, index); }

static void assert_doubled(Net *n)
{
    const Tensor *image = executor_input(n->executor, 0), *both = executor_output(n->executor, 0);
    for (int i = 0; i < 30; i++) ((float *)image->data)[i] = (float)i;
    assert_int_equal(executor_forward(n->executor, &(Step){0}, NULL), 0);
    for (int i = 0; i < 60; i++) assert_true(((const float *)both->data)[i] == (float)(2 * (i / 10 * 5 + i % 5)));
}

static void the_first_that_can_be_prepared_serves(void **state)
{
    (void)state;
    Net n;
    assert_int_equal(open_net(&n, (Double){0}, DTYPE_F32, NULL, NULL), 0);
    assert_string_equal(node_at(&n, 0)->impl->name, "fast");
    assert_int_equal(node_at(&n, 0)->out[0]->pitch, 10);
    assert_doubled(&n);
    close_net(&n);
}

/* The implementation that fails accepts slices of the concat's output, the next does not: so the slices are chosen
 * again. */
static void what_refuses_is_passed_over(void **state)
{
    (void)state;
    Net n;
    assert_int_equal(open_net(&n, (Double){.fast = ERR_UNSUPPORTED}, DTYPE_F32, NULL, NULL), 0);
    assert_string_equal(node_at(&n, 0)->impl->name, "slow");
    assert_int_equal(node_at(&n, 0)->out[0]->pitch, 5);
    assert_string_equal(node_at(&n, 1)->impl->name, "fast");
    assert_int_equal(node_at(&n, 1)->out[0]->pitch, 10);
    assert_doubled(&n);
    close_net(&n);
}

static void an_implementation_asked_for_may_refuse_too(void **state)
{
    (void)state;
    Net n;
    assert_int_equal(open_net(&n, (Double){.slow = ERR_UNSUPPORTED}, DTYPE_F32, "slow", NULL), 0);
    assert_string_equal(node_at(&n, 0)->impl->name, "fast");
    assert_string_equal(node_at(&n, 1)->impl->name, "slow");
    assert_doubled(&n);
    close_net(&n);
}

/* float32 is used if the only bfloat16 implementation fails, also for the nodes that read the result. */
static void types_are_settled_again(void **state)
{
    (void)state;
    if (!executor_supports(DTYPE_BF16, NULL)) skip();
    Net n;
    assert_int_equal(open_net(&n, (Double){.bf16 = ERR_UNSUPPORTED, .fast = ERR_UNSUPPORTED}, DTYPE_BF16, NULL, NULL),
                     0);
    assert_string_equal(node_at(&n, 0)->impl->name, "slow");
    assert_int_equal(node_at(&n, 0)->out[0]->dtype, DTYPE_F32);
    assert_int_equal(executor_output(n.executor, 0)->dtype, DTYPE_F32);
    assert_doubled(&n);
    close_net(&n);
}

static void where_all_refuse_the_last_reason_is_told(void **state)
{
    (void)state;
    Net n;
    Err e = {ERR_NONE, ""};
    const Double none = {.fast = ERR_UNSUPPORTED, .slow = ERR_UNSUPPORTED};
    assert_int_equal(open_net(&n, none, DTYPE_F32, NULL, &e), ERR_UNSUPPORTED);
    assert_int_equal(e.code, ERR_UNSUPPORTED);
    assert_non_null(strstr(e.text, "a: no implementation of double can run here"));
    assert_non_null(strstr(e.text, "refused by slow"));
    close_net(&n);
}

static void lack_of_memory_is_an_error(void **state)
{
    (void)state;
    Net n;
    Err e = {ERR_NONE, ""};
    assert_int_equal(open_net(&n, (Double){.fast = ERR_NOMEM}, DTYPE_F32, NULL, &e), ERR_NOMEM);
    assert_int_equal(e.code, ERR_NOMEM);
    assert_non_null(strstr(e.text, "a (fast): refused by fast"));
    close_net(&n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_that_can_be_prepared_serves),      cmocka_unit_test(what_refuses_is_passed_over),
        cmocka_unit_test(an_implementation_asked_for_may_refuse_too), cmocka_unit_test(types_are_settled_again),
        cmocka_unit_test(where_all_refuse_the_last_reason_is_told),   cmocka_unit_test(lack_of_memory_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
