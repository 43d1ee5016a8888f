#include "network/models/network.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "network/models/blocks.h"

/* The networks: one line each. */
#define EVERY_NETWORK(N) N(swin_umamba_d, 32) N(swin_umamba, 32) N(swin_umamba_paper, 32)

static const struct {
    const char *name;
    void (*build)(Graph *g, Ref image, const NetworkSpec *spec, Ref heads[NETWORK_HEADS]);
    int64_t size_multiple;
} networks[] = {
#define ROW(NAME, MULTIPLE) {#NAME, NAME, MULTIPLE},
    EVERY_NETWORK(ROW)
#undef ROW
};

const char *const *network_names(void)
{
#define NAME_OF(NAME, MULTIPLE) #NAME,
    static const char *const names[] = {EVERY_NETWORK(NAME_OF) NULL};
#undef NAME_OF
    return names;
}
enum { NETWORKS = sizeof networks / sizeof networks[0] };


static int find(const char *name, int *index, Err *e)
{
    Text known = {0};
    for (*index = 0; *index < NETWORKS; ++*index) {
        if (!strcmp(networks[*index].name, name)) break;
        text_add(&known, "%s%s", *index ? ", " : "", networks[*index].name);
    }
    if (*index == NETWORKS) err_set(e, ERR_VALUE, "no network is called '%s'; there are %s", name, known.data ? known.data : "");
    text_free(&known);
    return *index == NETWORKS ? ERR_VALUE : 0;
}

int network_defaults(NetworkSpec *spec, const char *name, double width, Err *e)
{
    static const int64_t depths[NETWORK_STAGES] = {2, 2, 9, 2};
    int index;
    TRY(find(name, &index, e));
    *spec = (NetworkSpec){.decoder_depth = 2, .states = 16, .drop_path = 0.2,
                          .loss = {.batch_dice = true, .smooth = 1e-5, .ignore_label = -1}};
    snprintf(spec->name, sizeof spec->name, "%s", name);
    memcpy(spec->depths, depths, sizeof depths);
    const int64_t first = 2 * llround(NETWORK_CHANNELS / 2 * width);
    if (!(width > 0) || first < 2 || width > 64)
        return err_set(e, ERR_VALUE, "network width %g: expected a factor from 0.02 (2 channels) to 64; 1 is the official one", width);
    for (int i = 0; i < NETWORK_STAGES; i++) spec->dims[i] = first << i;
    return 0;
}

int64_t network_size_multiple(const char *name)
{
    int index;
    return find(name, &index, NULL) ? 1 : networks[index].size_multiple;
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

/* Deep supervision weighs the heads; without it the loss is head 0's. A head of weight 0 is left out
 * altogether, so that its parameters have no gradient (as the official wrapper skips it). */
static Ref add_loss(Graph *g, const NetworkSpec *spec, const Ref heads[NETWORK_HEADS], Ref labels)
{
    Ref terms[NETWORK_HEADS];
    double weights[NETWORK_HEADS];
    char name[16];
    for (int i = 0; i < NETWORK_HEADS; i++) {
        snprintf(name, sizeof name, "loss%d", i);
        terms[i] = spec->has_regions ? op_dice_bce_loss(g, name, heads[i], labels, &spec->region_loss)
                                     : op_dice_ce_loss(g, name, heads[i], labels, spec->loss);
        graph_output(g, name, terms[i]);
    }
    network_head_weights(NETWORK_HEADS, weights);
    return spec->deep_supervision ? op_weighted_sum(g, "loss", terms, weights, NETWORK_HEADS - 1) : terms[0];
}

int network_build(Graph **result, const NetworkSpec *spec, Err *e)
{
    int index;
    *result = NULL;
    TRY(find(spec->name, &index, e));
    const int64_t multiple = networks[index].size_multiple;
    if (spec->height < multiple || spec->width < multiple || spec->height % multiple || spec->width % multiple)
        return err_set(e, ERR_SHAPE, "%s cannot take %lldx%lld images: height and width must be multiples of %lld", spec->name,
                       (long long)spec->height, (long long)spec->width, (long long)multiple);
    const int least = spec->has_regions ? 1 : 2;
    if (spec->channels < 1 || spec->classes < least)
        return err_set(e, ERR_VALUE, "%s with %lld channels and %lld classes: expected at least 1 and %d", spec->name,
                       (long long)spec->channels, (long long)spec->classes, least);
    Graph *g = graph_new(e);
    if (!g) return ERR_NOMEM;
    Ref heads[NETWORK_HEADS];
    const Shape size = {1, spec->height, spec->width, spec->channels};
    const Ref image = graph_input(g, "image", size, DTYPE_F32);
    const Ref labels = graph_input(g, "labels", (Shape){1, spec->height, spec->width, 1}, DTYPE_I16);
    networks[index].build(g, image, spec, heads);
    for (int i = 0; i < NETWORK_HEADS; i++) {
        char name[16];
        snprintf(name, sizeof name, "head%d", i);
        graph_output(g, name, heads[i]);
    }
    graph_output(g, "loss", add_loss(g, spec, heads, labels));
    const int failed = graph_check(g, e);
    if (failed) graph_free(g);
    else *result = g;
    return failed ? err_context(e, "%s", spec->name) : 0;
}
