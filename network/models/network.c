#include "network/models/network.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "formats/schema.h"

int network_defaults(NetworkSpec *spec, const char *name, Err *e)
{
    *spec = (NetworkSpec){.kind = network_kind(name), .loss = {.batch_dice = true, .smooth = 1e-5, .ignore_label = -1}};
    if (!spec->kind) return network_unknown(name, e);
    schema_defaults(spec->kind->schema, &spec->config);
    return 0;
}

int network_configure(NetworkSpec *spec, const char *keys, Err *e)
{
    Doc doc;
    TRY(doc_parse(&doc, spec->kind->name, keys, strlen(keys), e));
    const int code = schema_read(spec->kind->schema, &spec->config, doc.root, SCHEMA_PART, NULL, e);
    doc_free(&doc);
    return code;
}

void network_head_weights(int heads, double *weights)
{
    double sum = 0;
    for (int i = 0; i < heads; i++) {
        weights[i] = i == heads - 1 && heads > 1 ? 0 : ldexp(1, -i);
        sum += weights[i];
    }
    for (int i = 0; i < heads; i++) weights[i] /= sum;
}

static void add_heads(Graph *g, const Heads *heads)
{
    for (int i = 0; i < heads->count; i++) {
        char name[16];
        snprintf(name, sizeof name, "head%d", i);
        graph_output(g, name, heads->of[i]);
    }
}

int network_heads(const Graph *g, Ref *heads)
{
    int count = 0;
    for (char name[16]; count < NETWORK_HEADS; count++) {
        snprintf(name, sizeof name, "head%d", count);
        if (!graph_find(g, name, &heads[count])) break;
    }
    return count;
}

/* With deep supervision the loss is a weighted sum over the heads; without it, it is that of head 0. A head with weight
 * 0 is left out of the sum, so that its parameters get no gradient, as in nnU-Net's DeepSupervisionWrapper. */
static Ref add_loss(Graph *g, const NetworkSpec *spec, const Heads *heads, Ref labels)
{
    Ref terms[NETWORK_HEADS];
    double weights[NETWORK_HEADS];
    char name[16];
    for (int i = 0; i < heads->count; i++) {
        snprintf(name, sizeof name, "loss%d", i);
        terms[i] = spec->has_regions ? op_dice_bce_loss(g, name, heads->of[i], labels, &spec->region_loss)
                                     : op_dice_ce_loss(g, name, heads->of[i], labels, spec->loss);
        graph_output(g, name, terms[i]);
    }
    if (!spec->deep_supervision || heads->count < 2) return terms[0];
    network_head_weights(heads->count, weights);
    return op_weighted_sum(g, "loss", terms, weights, heads->count - 1);
}

static Ref add_counts(Graph *g, const NetworkSpec *spec, Ref logits, Ref labels)
{
    return spec->has_regions
               ? op_class_counts(g, "counts", logits, labels, spec->region_loss.ignore_label, spec->region_loss.regions)
               : op_class_counts(g, "counts", logits, labels, spec->loss.ignore_label, NULL);
}

static int check_size(const NetworkSpec *spec, Err *e)
{
    const long long height = spec->height, width = spec->width;
    int yx[2];
    spec->kind->divisor(&spec->config, yx);
    if (height < yx[0] || width < yx[1] || height % yx[0] || width % yx[1])
        return err_set(e, ERR_SHAPE, "%s cannot take %lldx%lld images: height and width must be multiples of %d and %d",
                       spec->kind->name, height, width, yx[0], yx[1]);
    if (height <= CLASS_COUNTS_PIXELS / width) return 0;
    return err_set(e, ERR_SHAPE, "%s cannot take %lldx%lld images: patch_size has at most %d pixels, such as %dx%d",
                   spec->kind->name, height, width, CLASS_COUNTS_PIXELS, NETWORK_DIVISOR, NETWORK_DIVISOR);
}

static int check_spec(const NetworkSpec *spec, Err *e)
{
    const int least = spec->has_regions ? 1 : 2;
    TRY(spec->kind->check(&spec->config, e));
    TRY(check_size(spec, e));
    if (spec->channels >= 1 && spec->classes >= least) return 0;
    return err_set(e, ERR_VALUE, "%s with %lld channels and %lld classes: expected at least 1 and %d", spec->kind->name,
                   (long long)spec->channels, (long long)spec->classes, least);
}

static void build_parts(Graph *g, const NetworkSpec *spec)
{
    Heads heads = {.classes = spec->classes};
    const Shape size = {1, spec->height, spec->width, spec->channels};
    const Ref image = graph_input(g, "image", size, DTYPE_F32);
    const Ref labels = graph_input(g, "labels", (Shape){1, spec->height, spec->width, 1}, DTYPE_I16);
    if (spec->kind->build_pretraining) {
        spec->kind->build_pretraining(g, image, labels, spec);
        return;
    }
    spec->kind->build(g, image, &spec->config, &heads);
    add_heads(g, &heads);
    graph_output(g, "loss", add_loss(g, spec, &heads, labels));
    graph_output(g, "counts", add_counts(g, spec, heads.of[0], labels));
}

int network_build(Graph **result, const NetworkSpec *given, Err *e)
{
    NetworkSpec spec = *given;
    *result = NULL;
    if (spec.kind->complete) TRY(spec.kind->complete(&spec.config, spec.height, spec.width, e));
    TRY(check_spec(&spec, e));
    Graph *g = graph_new(e);
    if (!g) return ERR_NOMEM;
    build_parts(g, &spec);
    const int failed = graph_check(g, e);
    if (failed) graph_free(g);
    else *result = g;
    return failed ? err_context(e, "%s", spec.kind->name) : 0;
}
