/* Which results of forward are kept for backward, and which are computed again right before it (Chen et al.
 * 2016, "Training deep nets with sublinear memory cost").
 *
 * The nodes, in their order, are cut into segments. What a segment hands on to later ones is kept; the rest
 * is given up after forward, and the segment runs again from what it was handed before its own backward
 * passes. So at a segment's backward there live: all that was handed on before it, and all inside it. Cuts
 * are where the most of this is least, found by dynamic programming: they fall between a network's blocks,
 * where little is handed on, without knowing of blocks. */
#include "base/memory.h"
#include "network/executor/executor_internal.h"

/* A value that has memory of its own (the parts of a whole are one place). */
typedef struct Place {
    size_t bytes;
    int made, read;  /* first node that writes it, last node whose forward reads it */
    bool held;       /* some backward reads its data */
} Place;

/* A best way to cut the nodes before a given one. */
typedef struct Cut {
    int begin;       /* of the last segment */
    size_t kept;     /* handed on by all segments; SIZE_MAX: there is no such way */
} Cut;

/* What nodes side by side need if they are a segment. */
typedef struct Need {
    size_t kept, held; /* handed on (its gradients take as much in backward); used by backward inside */
    size_t passing;    /* the most that one backward pass needs besides */
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
            if (x->values[v].asked) place->read = x->node_count;
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

/* Node i comes in front of a segment that goes on up to (not including) `end`. One that hands its result on
 * does not run again: so what it saved stays too. */
static void add_node(Need *need, const Executor *x, const Place *places, int i, int end)
{
    const NodeDef *d = definition(x, i);
    const size_t passing = bytes_passing(x, i);
    bool hands_on = false;
    for (int k = 0; k < d->output_count; k++) {
        const Place *place = &places[x->values[d->outputs[k]].whole];
        const bool counted = k > 0 && place == &places[x->values[d->outputs[0]].whole];
        hands_on |= place->read >= end;
        if (place->made != i || counted) continue;
        if (place->read >= end) need->kept += place->bytes;
        else if (place->held) need->held += place->bytes;
    }
    *(hands_on ? &need->kept : &need->held) += bytes_saved(&x->nodes[i]);
    if (passing > need->passing) need->passing = passing;
}

/* cuts[end], for every end: the way with the least kept, of those that never need more than `most`. */
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
            if (kept <= most - inside && kept + need.kept < cuts[end].kept)
                cuts[end] = (Cut){begin, kept + need.kept};
        }
    }
    return cuts[x->node_count].kept != SIZE_MAX;
}

/* Narrows the least possible need down to 1/256, and leaves a way for it in cuts. */
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

/* Outside the last segment, whose backward comes at once: the nodes that backward needs the result of, or what
 * they saved, unless that stays, and what those need in turn. */
static void mark_again(Executor *x, const bool *handed_on, bool *needed)
{
    const int last = x->plans[x->node_count - 1].segment;
    for (int i = last - 1; i >= 0; i--) {
        const Node *node = &x->nodes[i];
        const NodeDef *d = definition(x, i);
        bool again = false, wanted = bytes_saved(node) > 0, stays = false;
        for (int k = 0; k < d->output_count; k++) {
            again |= needed[d->outputs[k]];
            wanted |= backward_reads_output(node, k);
            stays |= handed_on[d->outputs[k]];
        }
        again |= wanted && !stays;
        for (int k = 0; k < d->input_count; k++)
            if (again || backward_reads_input(node, k)) needed[d->inputs[k]] |= !handed_on[d->inputs[k]];
        x->plans[i].runs_again = again;
    }
}

/* What stays after its segment's forward, or was there before: marked true. */
static void mark_handed_on(const Executor *x, bool *handed_on)
{
    for (int i = 0; i < x->node_count; i++)
        for (int k = 0; k < definition(x, i)->input_count; k++) {
            const int v = definition(x, i)->inputs[k], producer = x->values[v].producer;
            handed_on[v] |= producer < 0 || x->plans[producer].segment != x->plans[i].segment;
        }
    for (int i = 0; i < x->output_count; i++) handed_on[x->outputs[i].value] = true;
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
        mark_handed_on(x, marks);
        mark_again(x, marks, marks + values);
    }
    mem_free(places);
    mem_free(cuts);
    mem_free(marks);
    return ready ? 0 : ERR_NOMEM;
}
