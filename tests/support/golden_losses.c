/* metrics/losses: values and gradients of the losses, weights of deep supervision, pseudo-Dice. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "network/executor/executor.h"
#include "network/models/network.h"
#include "tests/support/golden_nnunet.h"
#include "trainer/pseudo_dice.h"

static const double loss_bound = 1e-6, gradient_bound = 1e-5; /* gradients: relative */

static bool is_true(const DocNode *item, const char *key) { return !strcmp(golden_string(item, key), "true"); }

/* ---- one loss ---- */

/* A loss of logits (N,C,H,W) and labels (N,H,W), and the logits' gradient, in double, to sum several. */
typedef struct Loss {
    Array logits, labels;    /* float32, int16 */
    double value, *gradient; /* owned */
} Loss;

static void loss_close(Loss *l)
{
    array_free(&l->logits);
    array_free(&l->labels);
    mem_free(l->gradient);
}

static int loss_open(Loss *l, const Golden *g, const char *logits, const char *labels, Err *e)
{
    *l = (Loss){.gradient = NULL};
    TRY(golden_array(&l->logits, g, e, "metrics/losses/%s.npy", logits));
    TRY(golden_labels(&l->labels, g, e, "metrics/losses/%s.npy", labels));
    l->gradient = mem_zalloc((size_t)array_count(&l->logits), sizeof *l->gradient, e);
    return l->gradient ? 0 : ERR_NOMEM;
}

static int run_forward(const Loss *l, Executor *x, Err *e)
{
    const int64_t *s = l->logits.shape;
    golden_to_nhwc(executor_input(x, 0)->data, l->logits.data, s[0], s[1], s[2], s[3]);
    memcpy(executor_input(x, 1)->data, l->labels.data, array_bytes(&l->labels));
    return executor_forward(x, &(Step){0}, e);
}

/* Runs the loss and adds weight times it and its gradient. */
static int run_executor(Loss *l, Executor *x, double weight, Err *e)
{
    const int64_t *s = l->logits.shape, count = array_count(&l->logits);
    TRY(run_forward(l, x, e));
    l->value += weight * *(const float *)executor_output(x, 0)->data;
    *(float *)executor_output(x, 0)->grad = 1;
    TRY(executor_backward(x, &(Step){0}, e));
    float *nchw = mem_alloc((size_t)count * sizeof *nchw, e);
    if (!nchw) return ERR_NOMEM;
    golden_to_nchw(nchw, executor_input(x, 0)->grad, s[0], s[1], s[2], s[3]);
    for (int64_t i = 0; i < count; i++) l->gradient[i] += weight * nchw[i];
    mem_free(nchw);
    return 0;
}

static int new_graph(Graph **g, const Loss *l, Ref *logits, Ref *labels, Err *e)
{
    const int64_t *s = l->logits.shape;
    *g = graph_new(e);
    if (!*g) return ERR_NOMEM;
    *logits = graph_input(*g, "logits", (Shape){s[0], s[2], s[3], s[1]}, DTYPE_F32);
    *labels = graph_input(*g, "labels", (Shape){s[0], s[2], s[3], 1}, DTYPE_I16);
    return 0;
}

/* Exactly one of the two descriptions is given. */
static int add_loss(Loss *l, const DiceCE *classes, const DiceBCE *regions, double weight, Err *e)
{
    Parameters *parameters = NULL;
    Executor *x = NULL;
    Graph *graph;
    Ref in, labels;
    TRY(new_graph(&graph, l, &in, &labels, e));
    const Ref loss = classes ? op_dice_ce_loss(graph, "loss", in, labels, *classes)
                             : op_dice_bce_loss(graph, "loss", in, labels, regions);
    const ExecutorOptions o = {.outputs = &loss, .output_count = 1, .train = true, .input_gradients = 1};
    int code = parameters_new(&parameters, graph, e);
    if (!code) code = executor_new(&x, graph, parameters, &o, e);
    if (!code) code = run_executor(l, x, weight, e);
    executor_free(x);
    parameters_free(parameters);
    graph_free(graph);
    return code;
}

static void compare_loss(Golden *g, const Loss *l, const DocNode *item)
{
    Array wanted;
    const int64_t count = array_count(&l->logits);
    double sum = 0, difference = 0, norm = 0;
    for (int64_t i = 0; i < count; i++) sum += fabs(l->gradient[i]);
    const double value = golden_number(item, "value", NAN), whole = golden_number(item, "grad_abs_sum", NAN);
    golden_expect(g, "value", fabs(l->value - value), loss_bound * fmax(1, fabs(value)));
    golden_expect(g, "sum of gradients", fabs(sum - whole), gradient_bound * whole);
    if (golden_array(&wanted, g, NULL, "metrics/losses/%s_grad.npy", golden_string(item, "name"))) return;
    for (int64_t i = 0; i < count && array_count(&wanted) == count; i++) {
        difference += pow(l->gradient[i] - golden_value(&wanted, i), 2);
        norm += pow(golden_value(&wanted, i), 2);
    }
    golden_expect(g, "gradient", norm > 0 ? sqrt(difference / norm) : NAN, gradient_bound);
    array_free(&wanted);
}

/* ---- classes ---- */

/* The weights of cross-entropy and Dice in a case. */
static void read_weights(const DocNode *item, double *entropy, double *dice)
{
    *entropy = golden_number(item, "weight_ce", strcmp(golden_string(item, "loss"), "dice only") ? 1 : 0);
    *dice = golden_number(item, "weight_dice", 1);
}

/* Our ops compute the sum of both, or Dice only: any weighted sum is a combination of these two. */
static int add_weighed(Loss *l, DiceCE loss, const DocNode *item, Err *e)
{
    double entropy, dice;
    read_weights(item, &entropy, &dice);
    if (entropy != 0) TRY(add_loss(l, &loss, NULL, entropy, e));
    loss.dice_only = true;
    return dice != entropy ? add_loss(l, &loss, NULL, dice - entropy, e) : 0;
}

static void run_classes(Golden *g, const DocNode *item)
{
    const DocNode *ignore = doc_find(item, "ignore_label");
    const char *target = golden_string(item, "target");
    const bool all_ignored = !strcmp(golden_string(item, "name"), "all_ignored");
    DiceCE rule = {.batch_dice = !doc_find(item, "batch_dice") || is_true(item, "batch_dice"),
                   .smooth = golden_number(item, "smooth", 1e-5),
                   .ignore_label = -1,
                   .background = is_true(item, "do_bg")};
    Loss l;
    Err e = {0};
    if (ignore && !doc_is_null(ignore)) rule.ignore_label = (int)golden_number(item, "ignore_label", -1);
    int code = loss_open(&l, g, "logits", *target ? target : "target", &e);
    for (int64_t i = 0; all_ignored && !code && i < array_count(&l.labels); i++)
        ((int16_t *)l.labels.data)[i] = (int16_t)rule.ignore_label;
    if (!code) code = add_weighed(&l, rule, item, &e);
    if (code) golden_fail(g, "%s", e.text);
    else compare_loss(g, &l, item);
    loss_close(&l);
}

/* ---- regions ---- */

/* truth (N, regions, H,W), with one channel more for what is ignored, as labels: one for each set of regions.
 */
static int label_regions(Loss *l, DiceBCE *rule, const Array *truth, bool ignores, Err *e)
{
    const int64_t *s = truth->shape, plane = s[2] * s[3], regions = s[1] - ignores;
    int known = 1; /* label 0: in no region */
    TRY(array_new(&l->labels, DTYPE_I16, 3, (int64_t[]){s[0], s[2], s[3]}, e));
    for (int64_t i = 0; i < s[0] * plane; i++) {
        const int64_t first = i / plane * s[1] * plane + i % plane;
        uint64_t set = 0;
        for (int64_t c = 0; c < regions; c++) set |= (uint64_t)(golden_value(truth, first + c * plane) > 0) << c;
        int label = 0;
        while (label < known && rule->regions[label] != set) label++;
        if (label == LOSS_LABELS - 1) return err_set(e, ERR_UNSUPPORTED, "too many sets of regions");
        if (label == known) rule->regions[known++] = set;
        if (ignores && golden_value(truth, first + regions * plane) > 0) label = rule->ignore_label;
        ((int16_t *)l->labels.data)[i] = (int16_t)label;
    }
    return 0;
}

static void run_regions(Golden *g, const DocNode *item)
{
    const bool ignores = is_true(item, "ignore");
    const char *target = golden_string(item, "target");
    DiceBCE rule = {.batch_dice = is_true(item, "batch_dice"),
                    .smooth = golden_number(item, "smooth", 1e-5),
                    .ignore_label = ignores ? LOSS_LABELS - 1 : -1};
    Loss l = {.gradient = NULL};
    Array truth;
    Err e = {0};
    /* "regions_ignore (last channel 1 = ignore)": the file's name, then a note */
    int code = golden_array(&truth, g, &e, "metrics/losses/%.*s.npy", (int)strcspn(target, " "), target);
    if (!code) code = golden_array(&l.logits, g, &e, "metrics/losses/logits.npy");
    if (!code) code = label_regions(&l, &rule, &truth, ignores, &e);
    if (!code) l.gradient = mem_zalloc((size_t)array_count(&l.logits), sizeof *l.gradient, &e);
    if (!code && !l.gradient) code = ERR_NOMEM;
    if (!code) code = add_loss(&l, NULL, &rule, 1, &e);
    if (code) golden_fail(g, "%s", e.text);
    else compare_loss(g, &l, item);
    loss_close(&l);
    array_free(&truth);
}

static void run_loss(Golden *g, const DocNode *item)
{
    const char *kind = golden_string(item, "loss");
    if (!strcmp(kind, "DC_and_CE") || !strcmp(kind, "dice only")) run_classes(g, item);
    else if (!strcmp(kind, "DC_and_BCE")) run_regions(g, item);
    else golden_fail(g, "unknown kind of loss");
}

/* ---- deep supervision ---- */

enum { MOST_LEVELS = 16 };

static void run_deep(Golden *g, const DocNode *item)
{
    const int levels = (int)golden_number(item, "n_outputs", 0);
    const DocNode *per_level = doc_find(item, "per_level"), *n = per_level ? per_level->first : NULL;
    double weights[MOST_LEVELS], sum = 0;
    if (levels < 1 || levels > MOST_LEVELS) {
        golden_fail(g, "%d levels", levels);
        return;
    }
    network_head_weights(levels, weights);
    golden_expect_numbers(g, "weights", doc_find(item, "weights"), weights, levels, 1e-12);
    for (int i = 0; i < levels && n; i++, n = n->next) {
        const DiceCE rule = {.batch_dice = true, .smooth = 1e-5, .ignore_label = -1};
        char logits[32], target[32];
        Loss l;
        Err e = {0};
        snprintf(logits, sizeof logits, "ds%d_logits%d", levels, i);
        snprintf(target, sizeof target, "ds%d_target%d", levels, i);
        if (loss_open(&l, g, logits, target, &e) || add_loss(&l, &rule, NULL, 1, &e)) golden_fail(g, "%s", e.text);
        double wanted = NAN;
        doc_get_double(n, &wanted, NULL);
        golden_expect(g, "level", fabs(l.value - wanted), loss_bound);
        sum += weights[i] * l.value;
        loss_close(&l);
    }
    if (per_level) golden_expect(g, "loss", fabs(sum - golden_number(item, "loss", NAN)), loss_bound);
}

/* ---- pseudo-Dice ---- */

static int add_counts(PseudoDice *d, const Loss *l, Err *e)
{
    Parameters *parameters = NULL;
    Executor *x = NULL;
    Graph *graph;
    Ref in, labels;
    TRY(new_graph(&graph, l, &in, &labels, e));
    const Ref counts = op_class_counts(graph, "counts", in, labels, -1, NULL);
    const ExecutorOptions o = {.outputs = &counts, .output_count = 1};
    int code = parameters_new(&parameters, graph, e);
    if (!code) code = executor_new(&x, graph, parameters, &o, e);
    if (!code) code = run_forward(l, x, e);
    if (!code) pseudo_dice_add(d, executor_output(x, 0)->data, l->logits.shape[0]);
    executor_free(x);
    parameters_free(parameters);
    graph_free(graph);
    return code;
}

static void compare_pseudo_dice(Golden *g, const PseudoDice *d, const DocNode *item)
{
    static const char *const keys[] = {"tp", "fp", "fn"};
    double numbers[3][LOSS_REGIONS], dice[LOSS_REGIONS];
    for (int k = 0; k < d->classes; k++) {
        numbers[0][k] = (double)d->counts[k].tp;
        numbers[1][k] = (double)d->counts[k].fp;
        numbers[2][k] = (double)d->counts[k].fn;
        dice[k] = pseudo_dice_of(d, k);
    }
    for (int i = 0; i < 3; i++) golden_expect_numbers(g, keys[i], doc_find(item, keys[i]), numbers[i], d->classes, 0);
    golden_expect_numbers(g, "dice", doc_find(item, "dice_per_fg_class"), dice + 1, d->classes - 1, 1e-6);
}

static void run_pseudo_dice(Golden *g, const DocNode *item)
{
    Loss l;
    PseudoDice d = {0};
    Err e = {0};
    int code = loss_open(&l, g, "logits", "target", &e);
    if (!code && l.logits.shape[1] > LOSS_REGIONS) code = err_set(&e, ERR_UNSUPPORTED, "too many classes");
    if (!code) code = pseudo_dice_new(&d, (int)l.logits.shape[1], false, &e);
    if (!code) code = add_counts(&d, &l, &e);
    if (code) golden_fail(g, "%s", e.text);
    else compare_pseudo_dice(g, &d, item);
    pseudo_dice_free(&d);
    loss_close(&l);
}

/* ---- the part ---- */

void golden_losses(Golden *g, const char *path, const DocNode *root)
{
    static const struct {
        const char *key;
        void (*run)(Golden *g, const DocNode *item);
    } kinds[] = {{"losses", run_loss}, {"deep_supervision", run_deep}, {"pseudo_dice", run_pseudo_dice}};
    for (const DocNode *kind = root->first; kind; kind = kind->next) {
        size_t k = 0;
        while (k < sizeof kinds / sizeof *kinds && strcmp(kinds[k].key, kind->key)) k++;
        const bool is_list = kind->kind == DOC_SEQUENCE;
        int index = 0;
        for (const DocNode *n = is_list ? kind->first : kind; n; n = is_list ? n->next : NULL, index++) {
            char name[160];
            snprintf(name, sizeof name, "%s", golden_string(n, "name"));
            if (!*name && is_list) snprintf(name, sizeof name, "%d", index);
            if (!golden_begin(g, "%s/%s%s%s", path, kind->key, is_list ? "/" : "", name)) continue;
            if (k < sizeof kinds / sizeof *kinds) kinds[k].run(g, n);
            else golden_fail(g, "unknown kind of entry");
            golden_end(g);
        }
    }
}
