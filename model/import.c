#include "model/import.h"

#include <stdio.h>
#include <string.h>

#include "base/half.h"
#include "base/memory.h"
#include "network/models/vss_encoder.h"

static const char EMBEDDING[] = "patch_embed."; /* as in VMamba */

enum { NAME_BYTES = 256 };

/* Reasons to leave out a tensor. */
typedef enum Reason { OTHER_SHAPE, NO_PARAMETER, OF_CLASSIFIER, OTHER_INPUT, INTEGERS, REASONS } Reason;

/* The assignment of tensors to parameters. It is complete before any parameter is written, so that nothing is changed
 * if the file is rejected. */
typedef struct Matching {
    const Graph *graph;
    const char *encoder; /* prefix of the encoder's parameters, "vssm_encoder."; NULL: no encoder */
    const WeightsFile *weights;
    const Array **source; /* per parameter; NULL: none */
    int taken;
    bool encoder_only, has_stem, embeds;
    Text left_out; /* a line "NAME: why" for each tensor */
    int left_out_for[REASONS];
} Matching;

static bool begins(const char *text, const char *with) { return !strncmp(text, with, strlen(with)); }

/* The name without the prefixes of DistributedDataParallel and torch.compile. */
static const char *bare(const char *name)
{
    static const char *const wrappers[] = {"module.", "_orig_mod."};
    for (int i = 0; i < 2; i++)
        if (begins(name, wrappers[i])) return bare(name + strlen(wrappers[i]));
    return name;
}

static bool is_floating(DType t) { return t == DTYPE_F32 || t == DTYPE_F64 || t == DTYPE_F16 || t == DTYPE_BF16; }

static bool fits(const Param *p, const Array *a)
{
    bool same = a->rank == p->rank;
    for (int i = 0; same && i < p->rank; i++) same = a->shape[i] == p->shape[i];
    return same;
}

static void add_shape(Text *t, const int64_t *shape, int rank)
{
    text_add(t, "(");
    for (int i = 0; i < rank; i++) text_add(t, "%s%lld", i ? "," : "", (long long)shape[i]);
    text_add(t, ")");
}

static void leave_out(Matching *m, const char *name, Reason reason)
{
    static const char *const why[REASONS] = {[NO_PARAMETER] = "the network has no such parameter",
                                             [OF_CLASSIFIER] = "it belongs to the classifier",
                                             [OTHER_INPUT] = "the network's patch embedding has another input",
                                             [INTEGERS] = "it has integer values"};
    text_add(&m->left_out, "%s: %s\n", name, why[reason]);
    m->left_out_for[reason]++;
}

static void leave_out_shape(Matching *m, const char *name, const Array *a, const Param *p)
{
    text_add(&m->left_out, "%s: it has the shape ", name);
    add_shape(&m->left_out, a->shape, a->rank);
    text_add(&m->left_out, ", the network's is ");
    add_shape(&m->left_out, p->shape, p->rank);
    text_add(&m->left_out, "\n");
    m->left_out_for[OTHER_SHAPE]++;
}

/* Whether PyTorch's state dict has the tensor without need: nnU-Net's modules also list their layers as `all_modules`,
 * and its decoder contains the encoder; later versions of MONAI have a norm that nothing uses. */
static bool is_spare(const char *name)
{
    return begins(name, "decoder.encoder.") || strstr(name, ".all_modules.") || strstr(name, ".norm_cross_attn.");
}

/* Assigns tensor `name` of the file to the parameter `wanted`, or notes why not. */
static int match(Matching *m, const char *name, const char *wanted, const Array *a, Err *e)
{
    const int index = graph_find_param(m->graph, wanted);
    if (index < 0) {
        if (is_floating(a->dtype) && !is_spare(wanted)) leave_out(m, name, NO_PARAMETER);
        return 0;
    }
    const Param *p = &graph_params(m->graph)[index];
    if (!is_floating(a->dtype)) {
        leave_out(m, name, INTEGERS);
    } else if (!fits(p, a)) {
        leave_out_shape(m, name, a, p);
    } else if (m->source[index]) {
        return err_set(e, ERR_FORMAT, "two tensors match the parameter %s, one of them is %s", p->name, name);
    } else {
        m->source[index] = a;
        m->taken++;
    }
    return 0;
}

/* Assigns a tensor of a VMamba checkpoint to a parameter of the encoder. */
static int match_encoder(Matching *m, const char *name, const Array *a, Err *e)
{
    static const char downsample[] = ".downsample.";
    char wanted[NAME_BYTES];
    const char *rest;
    int layer = 0, used = 0;
    if (begins(name, "norm.") || begins(name, "head.")) {
        leave_out(m, name, OF_CLASSIFIER);
        return 0;
    }
    if (begins(name, EMBEDDING) && !m->embeds && !(m->has_stem && !strcmp(name, "patch_embed.norm.bias"))) {
        leave_out(m, name, OTHER_INPUT);
        return 0;
    }
    sscanf(name, "layers.%4d%n", &layer, &used);
    rest = name + used;
    if (used && begins(rest, downsample))
        snprintf(wanted, sizeof wanted, "%sdownsamples.%d.%s", m->encoder, layer, rest + strlen(downsample));
    else snprintf(wanted, sizeof wanted, "%s%s", m->encoder, name);
    return match(m, name, wanted, a, e);
}

static bool names_the_network(const Matching *m)
{
    for (int i = 0; i < m->weights->count; i++)
        if (graph_find_param(m->graph, bare(m->weights->tensors[i].name)) >= 0) return true;
    return false;
}

static int find_in_encoder(const Matching *m, const char *name)
{
    char whole[NAME_BYTES];
    if (!m->encoder) return -1;
    snprintf(whole, sizeof whole, "%s%s", m->encoder, name);
    return graph_find_param(m->graph, whole);
}

/* Whether the first convolution of the encoder has the same shape as that of the checkpoint. */
static bool embedding_fits(const Matching *m)
{
    const int index = find_in_encoder(m, "patch_embed.proj.weight");
    for (int i = 0; index >= 0 && i < m->weights->count; i++)
        if (!strcmp(bare(m->weights->tensors[i].name), "patch_embed.proj.weight"))
            return fits(&graph_params(m->graph)[index], &m->weights->tensors[i].array);
    return false;
}

/* Assigns all tensors. The caller must call matching_free, also after a failure. */
static int match_all(Matching *m, const Graph *g, const char *encoder, const WeightsFile *w, Err *e)
{
    *m = (Matching){.graph = g, .weights = w, .encoder = encoder};
    m->source = mem_zalloc((size_t)graph_param_count(g), sizeof *m->source, e);
    if (!m->source) return ERR_NOMEM;
    m->encoder_only = !names_the_network(m);
    m->has_stem = graph_find_param(g, "stem.0.weight") >= 0;
    m->embeds = !m->has_stem && embedding_fits(m);
    for (int i = 0; i < w->count; i++) {
        const char *name = bare(w->tensors[i].name);
        const Array *a = &w->tensors[i].array;
        if (begins(name, WEIGHTS_OPTIMIZER)) continue;
        TRY(m->encoder_only && encoder ? match_encoder(m, name, a, e) : match(m, name, name, a, e));
    }
    return text_check(&m->left_out, e);
}

static void matching_free(Matching *m)
{
    mem_free(m->source);
    text_free(&m->left_out);
}

void import_read(float *to, const Array *a)
{
    const int64_t count = array_count(a);
    const size_t size = dtype_size(a->dtype);
    const char *from = a->data; /* perhaps not aligned */
    if (a->dtype == DTYPE_F32) memcpy(to, from, array_bytes(a));
    for (int64_t i = 0; i < count && a->dtype == DTYPE_F64; i++) {
        double value;
        memcpy(&value, from + (size_t)i * size, size);
        to[i] = (float)value;
    }
    for (int64_t i = 0; i < count && (a->dtype == DTYPE_F16 || a->dtype == DTYPE_BF16); i++) {
        uint16_t half;
        memcpy(&half, from + (size_t)i * size, size);
        const uint32_t bits = (uint32_t)half << 16;
        if (a->dtype == DTYPE_F16) to[i] = (float)half_to_double(half);
        else memcpy(&to[i], &bits, sizeof bits);
    }
}

static void fill(Parameters *p, const Array *const *tensors)
{
    for (int i = 0; i < graph_param_count(p->graph); i++)
        if (tensors[i]) import_read(parameters_of(p, i), tensors[i]);
    parameters_changed(p);
}

/* Length of the first line of left_out, without its newline. */
static int first_length(const Matching *m) { return (int)strcspn(m->left_out.data, "\n"); }

/* ---- import of the tensors that match ---- */

static int scope_length(const char *name) { return (int)strcspn(name, "."); }

/* Adds the numbers of parameters without a tensor, by the first component of their names. */
static void add_kept(Text *t, const Matching *m)
{
    const Param *params = graph_params(m->graph);
    const int count = graph_param_count(m->graph);
    const char *before = "unchanged parameters: ";
    for (int i = 0, run; i < count; i += run) {
        const int length = scope_length(params[i].name);
        int kept = 0;
        for (run = 0; i + run < count && scope_length(params[i + run].name) == length &&
                      !strncmp(params[i].name, params[i + run].name, (size_t)length);
             run++)
            kept += !m->source[i + run];
        if (!kept) continue;
        text_add(t, "%s%.*s %d", before, length, params[i].name, kept);
        before = ", ";
    }
    if (m->taken < count) text_add(t, "\n");
}

/* Whether the parameter belongs to the part of the encoder that is frozen. */
static bool is_encoder(const NetworkEncoder *encoder, const Param *p)
{
    if (!encoder->prefix || !begins(p->name, encoder->prefix)) return false;
    return !encoder->unfrozen || !strstr(p->name, encoder->unfrozen);
}

/* Whether the parameter is a head's: that of the node, or in the scope, which computes an output. */
static bool is_head(const Graph *g, const Param *p)
{
    char name[NAME_BYTES];
    Ref x, heads[NETWORK_HEADS];
    const char *dot = strrchr(p->name, '.');
    bool found = false;
    snprintf(name, sizeof name, "%.*s", dot ? (int)(dot - p->name) : 0, p->name);
    if (!graph_find(g, name, &x)) return false;
    for (int i = network_heads(g, heads) - 1; i >= 0; i--) found |= heads[i].value == x.value;
    return found;
}

static void add_summary(Text *t, const Matching *m, const ImportReport *r)
{
    static const char *const what[REASONS] = {[OTHER_SHAPE] = "of another shape",
                                              [NO_PARAMETER] = "that the network does not have",
                                              [OF_CLASSIFIER] = "of the classifier",
                                              [OTHER_INPUT] = "of a patch embedding with another input",
                                              [INTEGERS] = "of integers"};
    const char *before = "; left out: ";
    text_add(t, "%d of %d parameters taken from %s", m->taken, graph_param_count(m->graph),
             m->encoder_only ? "a VMamba classifier" : "a network's weights");
    if (m->encoder) text_add(t, ", encoder %d of %d", r->expected_taken, r->expected);
    for (int i = 0; i < REASONS; i++) {
        if (m->left_out_for[i]) text_add(t, "%s%d %s", before, m->left_out_for[i], what[i]);
        if (m->left_out_for[i]) before = ", ";
    }
}

static int write_report(ImportReport *r, const Matching *m, const NetworkEncoder *encoder, Err *e)
{
    r->encoder_only = m->encoder_only;
    r->taken = m->taken;
    r->expects = encoder->prefix ? "of the encoder" : "besides the heads";
    for (int i = 0; i < graph_param_count(m->graph); i++) {
        const Param *p = &graph_params(m->graph)[i];
        const bool counts = encoder->prefix ? is_encoder(encoder, p) : !is_head(m->graph, p);
        r->expected += counts;
        r->expected_taken += counts && m->source[i];
        text_add_bytes(&r->filled, m->source[i] ? "1" : "0", 1);
    }
    add_summary(&r->summary, m, r);
    int length;
    for (const char *line = m->left_out.data, *next; line && *line; line = next) {
        next = text_next_line(line, &length);
        text_add(&r->text, "left out %.*s\n", length, line);
    }
    add_kept(&r->text, m);
    TRY(text_check(&r->filled, e));
    TRY(text_check(&r->summary, e));
    return text_check(&r->text, e);
}

/* ---- errors ---- */

/* Channels of the encoder's first stage; 0: not known. */
static int64_t first_channels(const Matching *m, bool of_file)
{
    static const char name[] = "patch_embed.norm.weight";
    const int index = find_in_encoder(m, name);
    if (!of_file) return index < 0 ? 0 : graph_params(m->graph)[index].count;
    for (int i = 0; i < m->weights->count; i++) {
        const char *found = bare(m->weights->tensors[i].name);
        if (m->encoder && begins(found, m->encoder)) found += strlen(m->encoder);
        if (!strcmp(found, name)) return array_count(&m->weights->tensors[i].array);
    }
    return 0;
}

static int other_width(const Matching *m, const ImportReport *r, int64_t file, int64_t own, Err *e)
{
    const double width = (double)file / VSS_CHANNELS;
    return err_set(e, ERR_VALUE,
                   "%d of %d parameters %s match: the encoder of these weights begins with %lld channels "
                   "(width %.4g), that of the plan with %lld (width %.4g). Train a network of the weights' width "
                   "(--override FILE, and in FILE: `network: {width: %.10g}`), or without --pretrained%s",
                   r->expected_taken, r->expected, r->expects, (long long)file, width, (long long)own,
                   (double)own / VSS_CHANNELS, width, m->encoder_only ? "" : ", or use weights of the plan's width");
}

static int nothing_fits(const Matching *m, const ImportReport *r, Err *e)
{
    const char *const hint = m->encoder ? "expected names like those of the network, or of VMamba's first version "
                                          "(layers.0.blocks.0.self_attention.in_proj.weight), and its widths"
                                        : "expected names like those of the network, and its widths";
    const int64_t file = first_channels(m, true), own = first_channels(m, false);
    if (!m->left_out.length) return err_set(e, ERR_VALUE, "no weights in it: %s", hint);
    if (file && own && file != own) return other_width(m, r, file, own, e);
    if (m->taken)
        return err_set(e, ERR_VALUE, "%d of %d parameters %s match (%.*s): %s", r->expected_taken, r->expected,
                       r->expects, first_length(m), m->left_out.data, hint);
    return err_set(e, ERR_VALUE, "none of its %d tensors matches the network (%.*s): %s", m->weights->count,
                   first_length(m), m->left_out.data, hint);
}

/* So few matches mean a wrong file. The official loaders report nothing, and train from random weights. */
static bool hardly_fits(const ImportReport *r) { return !r->taken || r->expected_taken * 10 < r->expected; }

int import_weights(Parameters *p, const NetworkKind *kind, const WeightsFile *w, ImportReport *report, Err *e)
{
    Matching m;
    *report = (ImportReport){.taken = 0};
    int failed = match_all(&m, p->graph, kind->encoder.prefix, w, e);
    if (!failed) failed = write_report(report, &m, &kind->encoder, e);
    if (!failed && hardly_fits(report)) failed = nothing_fits(&m, report, e);
    if (!failed) fill(p, m.source);
    else import_report_free(report);
    matching_free(&m);
    return failed;
}

void import_report_free(ImportReport *report)
{
    text_free(&report->filled);
    text_free(&report->summary);
    text_free(&report->text);
    *report = (ImportReport){.taken = 0};
}

/* ---- import of complete weights ---- */

/* The first parameter without a tensor; *count: of how many that is so. */
static const Param *first_missing(const Matching *m, int *count)
{
    const Param *first = NULL;
    *count = 0;
    for (int i = 0; i < graph_param_count(m->graph); i++) {
        if (m->source[i]) continue;
        if (!first) first = &graph_params(m->graph)[i];
        ++*count;
    }
    return first;
}

/* A file that lacks few parameters, and has none that the network lacks, is incomplete; any other is another network's. */
static int check_complete(const Matching *m, Err *e)
{
    static const char other[] = "these are weights of another network";
    const int parameters = graph_param_count(m->graph);
    int count;
    const Param *missing = first_missing(m, &count);
    if (m->encoder_only) return err_set(e, ERR_FORMAT, "no tensor has the name of a parameter: %s", other);
    if (m->left_out.length && missing)
        return err_set(e, ERR_FORMAT, "%.*s; %d of the network's %d parameters are missing, first %s: %s",
                       first_length(m), m->left_out.data, count, parameters, missing->name, other);
    if (m->left_out.length) return err_set(e, ERR_FORMAT, "%.*s: %s", first_length(m), m->left_out.data, other);
    if (!missing) return 0;
    return err_set(e, ERR_FORMAT, "%d of the network's %d parameters %s missing, first %s: %s", count, parameters,
                   count == 1 ? "is" : "are", missing->name, 2 * count > parameters ? other : "the file is incomplete");
}

int import_match(const Array ***tensors, const Graph *g, const WeightsFile *w, Err *e)
{
    Matching m;
    *tensors = NULL;
    int failed = match_all(&m, g, NULL, w, e);
    if (!failed) failed = check_complete(&m, e);
    if (!failed) {
        *tensors = m.source;
        m.source = NULL;
    }
    matching_free(&m);
    return failed;
}

int import_network(Parameters *p, const WeightsFile *w, Err *e)
{
    const Array **tensors;
    TRY(import_match(&tensors, p->graph, w, e));
    fill(p, tensors);
    mem_free(tensors);
    return 0;
}

/* ---- freezing ---- */

void import_mark_unfrozen(const Graph *g, const NetworkKind *kind, const char *filled, bool *trained)
{
    for (int i = 0; i < graph_param_count(g); i++)
        trained[i] = !is_encoder(&kind->encoder, &graph_params(g)[i]) || (filled && filled[i] != '1');
}
