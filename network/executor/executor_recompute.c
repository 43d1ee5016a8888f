/* Gradient checkpointing: chooses which results of forward are kept for backward, and which are recomputed (Chen et al.
 * 2016, "Training deep nets with sublinear memory cost").
 *
 * The nodes, in forward order, are divided into segments. The values of a segment that later segments read are kept.
 * Its other values are discarded after forward, and recomputed from the kept ones before the backward passes of the
 * segment. So during the backward passes of a segment these values need memory at once: the kept values of all earlier
 * segments, and all values of this segment. The division that minimises the maximum of this sum over all segments is
 * found by dynamic programming. In practice the boundaries are those between the blocks of a network, where few values
 * are kept. */
#include "base/memory.h"
#include "network/executor/executor_internal.h"

/* A value with its own memory; the slices of a whole count as one value. */
typedef struct Place {
    size_t bytes;
    int made, read; /* the first node that writes it, the last node whose forward reads it */
    bool held;      /* a backward pass reads its data */
} Place;

/* The best division of the nodes before a given one. */
typedef struct Cut {
    int begin;   /* first node of the last segment */
    size_t kept; /* bytes kept by all segments; SIZE_MAX: there is no such division */
} Cut;

/* The bytes that consecutive nodes need if they form a segment. */
typedef struct Need {
    size_t kept, held; /* values that later segments read; values that only backward passes of this segment read */
    size_t passing;    /* maximum over the nodes of what one backward pass needs in addition */
} Need;

static const NodeDef *definition(const Executor *x, int i) { return &x->plans[i].definition; }

static void find_places(const Executor *x, Place *places)
{
    for (int v = 0; v < x->graph->value_count; v++) places[v] = (Place){.made = x->node_count, .read = -1};
    for (int i = 0; i < x->node_count; i++) {
        const NodeDef *d = definition(x, i);
        for (int k = 0; k < d->output_count; k++) {
            const int v = d->outputs[k], whole = x->values[v].whole;
            Place *place = &places[whole];
            place->bytes = value_bytes(x, whole);
            if (place->made > i) place->made = i;
            if (x->values[v].requested) place->read = x->node_count;
            place->held |= backward_reads_output(&x->nodes[i], k);
        }
        for (int k = 0; k < d->input_count; k++) {
            Place *place = &places[x->values[d->inputs[k]].whole];
            if (place->read < i) place->read = i;
            place->held |= backward_reads_input(&x->nodes[i], k);
        }
    }
}

static size_t bytes_saved(const Node *node)
{
    size_t bytes = 0;
    for (int s = 0; node->has_backward && s < NODE_SAVED; s++) bytes += node->saved_bytes[s];
    return bytes;
}

static size_t bytes_passing(const Executor *x, int i)
{
    const NodeDef *d = definition(x, i);
    if (!x->nodes[i].has_backward) return 0;
    size_t bytes = x->nodes[i].scratch_bytes[1];
    for (int k = 0; k < d->output_count; k++) bytes += value_bytes(x, d->outputs[k]);
    for (int k = 0; k < d->input_count; k++)
        if (x->nodes[i].wants_grad[k]) bytes += value_bytes(x, d->inputs[k]);
    return bytes;
}

/* Adds node i at the front of a segment that ends before node `end`. A node whose result is kept is not recomputed, so
 * its saved memory is kept, too. */
static void add_node(Need *need, const Executor *x, const Place *places, int i, int end)
{
    const NodeDef *d = definition(x, i);
    const size_t passing = bytes_passing(x, i);
    bool is_kept = false;
    for (int k = 0; k < d->output_count; k++) {
        const Place *place = &places[x->values[d->outputs[k]].whole];
        const bool counted = k > 0 && place == &places[x->values[d->outputs[0]].whole];
        is_kept |= place->read >= end;
        if (place->made != i || counted) continue;
        if (place->read >= end) need->kept += place->bytes;
        else if (place->held) need->held += place->bytes;
    }
    *(is_kept ? &need->kept : &need->held) += bytes_saved(&x->nodes[i]);
    if (passing > need->passing) need->passing = passing;
}

/* cuts[end], for every end: of the divisions that never need more than `most` bytes, the one that keeps the fewest
 * bytes. False: there is no division of all nodes. */
static bool cut_within(const Executor *x, const Place *places, size_t most, Cut *cuts)
{
    cuts[0] = (Cut){0, 0};
    for (int end = 1; end <= x->node_count; end++) {
        Need need = {0, 0, 0};
        cuts[end].kept = SIZE_MAX;
        for (int begin = end - 1; begin >= 0; begin--) {
            add_node(&need, x, places, begin, end);
            const size_t inside = need.kept + need.held + need.passing;
            if (inside > most) break;
            const size_t kept = cuts[begin].kept;
            if (kept <= most - inside && kept + need.kept < cuts[end].kept) cuts[end] = (Cut){begin, kept + need.kept};
        }
    }
    return cuts[x->node_count].kept != SIZE_MAX;
}

/* Finds the least sufficient number of bytes by bisection, to within 1/256, and a division for it. */
static void find_cuts(const Executor *x, const Place *places, Cut *cuts)
{
    Need whole = {0, 0, 0};
    for (int i = x->node_count - 1; i >= 0; i--) add_node(&whole, x, places, i, x->node_count);
    size_t low = 0, high = whole.kept + whole.held + whole.passing;
    while (high - low > 1 + high / 256) {
        const size_t middle = low + (high - low) / 2;
        if (cut_within(x, places, middle, cuts)) high = middle;
        else low = middle;
    }
    cut_within(x, places, high, cuts);
}

/* Marks the nodes to recompute: those whose results or saved memory backward needs, unless these are kept, and the
 * nodes whose results are needed for that. None in the last segment, whose backward passes directly follow forward. */
static void mark_again(Executor *x, const bool *kept, bool *needed)
{
    const int last = x->plans[x->node_count - 1].segment;
    for (int i = last - 1; i >= 0; i--) {
        const Node *node = &x->nodes[i];
        const NodeDef *d = definition(x, i);
        bool again = false, wanted = bytes_saved(node) > 0, stays = false;
        for (int k = 0; k < d->output_count; k++) {
            again |= needed[d->outputs[k]];
            wanted |= backward_reads_output(node, k);
            stays |= kept[d->outputs[k]];
        }
        again |= wanted && !stays;
        for (int k = 0; k < d->input_count; k++)
            if (again || backward_reads_input(node, k)) needed[d->inputs[k]] |= !kept[d->inputs[k]];
        x->plans[i].runs_again = again;
    }
}

/* Marks the values that are kept after the forward passes of their segment, and the graph's inputs. */
static void mark_kept(const Executor *x, bool *kept)
{
    for (int i = 0; i < x->node_count; i++)
        for (int k = 0; k < definition(x, i)->input_count; k++) {
            const int v = definition(x, i)->inputs[k], producer = x->values[v].producer;
            kept[v] |= producer < 0 || x->plans[producer].segment != x->plans[i].segment;
        }
    for (int i = 0; i < x->output_count; i++) kept[x->outputs[i].value] = true;
}

int executor_cut(Executor *x, Err *e)
{
    const size_t values = (size_t)x->graph->value_count;
    if (!x->node_count) return 0;
    Place *places = mem_alloc(values * sizeof *places, e);
    Cut *cuts = mem_alloc(((size_t)x->node_count + 1) * sizeof *cuts, e);
    bool *marks = mem_zalloc(2 * values, sizeof *marks, e);
    const bool ready = places && cuts && marks;
    if (ready) {
        find_places(x, places);
        find_cuts(x, places, cuts);
        for (int end = x->node_count; end > 0; end = cuts[end].begin)
            for (int i = cuts[end].begin; i < end; i++) x->plans[i].segment = cuts[end].begin;
        mark_kept(x, marks);
        mark_again(x, marks, marks + values);
    }
    mem_free(places);
    mem_free(cuts);
    mem_free(marks);
    return ready ? 0 : ERR_NOMEM;
}
