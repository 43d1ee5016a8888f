#include "evaluation/paper.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "evaluation/surface.h"

static const struct {
    const char *name;
    double tolerance_mm;
    bool labelled_slices; /* scored only in slices where the reference has it */
} organs[PAPER_ORGANS] = {
    {"Liver", 5, false},       {"RK", 3, false},       {"Spleen", 3, false},  {"Pancreas", 5, false},
    {"Aorta", 2, true},        {"IVC", 2, true},       {"RAG", 2, false},     {"LAG", 2, false},
    {"Gallbladder", 2, false}, {"Esophagus", 3, true}, {"Stomach", 5, false}, {"Duodenum", 7, false},
    {"LK", 3, false},
};

int paper_columns(Paper paper) { return paper == PAPER_ABDOMEN_MRI ? PAPER_ORGANS : 1; }

const char *paper_column(Paper paper, int column) { return paper == PAPER_ABDOMEN_MRI ? organs[column].name : ""; }

Paper paper_by_name(const char *name)
{
    if (!strcmp(name, "abdomen_mri")) return PAPER_ABDOMEN_MRI;
    return strcmp(name, "endoscopy") ? PAPER_NONE : PAPER_ENDOSCOPY;
}

/* ---- one label ---- */

typedef struct Extent {
    Box box; /* of the label in both maps */
    int64_t reference, prediction;
    int64_t first_z, last_z; /* slices of the reference that have it */
} Extent;

static Extent find_extent(const LabelPair *p, int16_t label)
{
    Extent found = {.box = {{INT64_MAX, INT64_MAX, INT64_MAX}, {0, 0, 0}}, .first_z = INT64_MAX};
    const int64_t *shape = p->shape_zyx;
    for (int64_t i = 0; i < shape[0] * shape[1] * shape[2]; i++) {
        const bool in_reference = p->reference[i] == label, in_prediction = p->prediction[i] == label;
        if (!in_reference && !in_prediction) continue;
        const int64_t at[3] = {i / (shape[1] * shape[2]), i / shape[2] % shape[1], i % shape[2]};
        for (int d = 0; d < 3; d++) {
            if (at[d] < found.box.first[d]) found.box.first[d] = at[d];
            if (at[d] >= found.box.past[d]) found.box.past[d] = at[d] + 1;
        }
        found.reference += in_reference;
        found.prediction += in_prediction;
        if (!in_reference) continue;
        if (at[0] < found.first_z) found.first_z = at[0];
        found.last_z = at[0];
    }
    return found;
}

static double dice_of(const Masks *m)
{
    int64_t both = 0, sum = 0;
    for (int64_t i = 0; i < m->shape_zyx[0] * m->shape_zyx[1] * m->shape_zyx[2]; i++) {
        both += m->reference[i] & m->prediction[i];
        sum += m->reference[i] + m->prediction[i];
    }
    return sum ? 2 * (double)both / (double)sum : NAN;
}

static int score_label(double *dsc, double *nsd, const LabelPair *p, int16_t label, double tolerance,
                       bool labelled_slices, Err *e)
{
    Extent extent = find_extent(p, label);
    *dsc = *nsd = extent.prediction ? 0 : 1; /* the reference has no such voxel */
    if (!extent.reference) return 0;
    if (labelled_slices) {
        extent.box.first[0] = extent.first_z;
        extent.box.past[0] = extent.last_z; /* excluded */
    }
    Masks masks;
    SurfacePair surfaces;
    const Structure structure = {.labels = &label, .label_count = 1};
    TRY(masks_cut(&masks, p, &structure, NULL, &extent.box, e));
    *dsc = dice_of(&masks);
    const int code =
        surface_measure(&surfaces, masks.reference, masks.prediction, masks.shape_zyx, p->spacing_zyx_mm, false, e);
    masks_free(&masks);
    if (code) return code;
    *nsd = surface_dice(&surfaces, tolerance);
    surface_free(&surfaces);
    return 0;
}

/* ---- conventions ---- */

static double four_digits(double value) { return rint(value * 1e4) / 1e4; }

static int score_abdomen(PaperScores *s, const LabelPair *p, Err *e)
{
    for (int k = 0; k < PAPER_ORGANS; k++) {
        const int16_t label = (int16_t)(k + 1);
        TRY(score_label(&s->dsc[k], &s->nsd[k], p, label, organs[k].tolerance_mm, organs[k].labelled_slices, e));
        s->dsc[k] = four_digits(s->dsc[k]);
        s->nsd[k] = four_digits(s->nsd[k]);
    }
    return 0;
}

/* Marks the labels of a map, except the smallest. */
static void mark_labels(bool *seen, const int16_t *labels, int64_t count)
{
    int16_t smallest = INT16_MAX;
    for (int64_t i = 0; i < count; i++)
        if (labels[i] < smallest) smallest = labels[i];
    for (int64_t i = 0; i < count; i++)
        if (labels[i] != smallest) seen[labels[i] - INT16_MIN] = true;
}

static int score_endoscopy(PaperScores *s, const LabelPair *p, Err *e)
{
    enum { VALUES = INT16_MAX - INT16_MIN + 1 };
    LabelPair pixels = *p;
    for (int d = 0; d < 3; d++) pixels.spacing_zyx_mm[d] = 1;
    const int64_t count = p->shape_zyx[0] * p->shape_zyx[1] * p->shape_zyx[2];
    bool *seen = mem_zalloc(VALUES, sizeof *seen, e);
    if (!seen) return ERR_NOMEM;
    mark_labels(seen, p->reference, count);
    mark_labels(seen, p->prediction, count);
    double dsc_sum = 0, nsd_sum = 0;
    int labels = 0, code = 0;
    for (int value = 0; value < VALUES && !code; value++) {
        double dsc, nsd;
        if (!seen[value]) continue;
        code = score_label(&dsc, &nsd, &pixels, (int16_t)(value + INT16_MIN), 2, false, e);
        if (code) break;
        dsc_sum += dsc;
        nsd_sum += nsd;
        labels++;
    }
    mem_free(seen);
    s->has_slices = p->shape_zyx[0] > 1;
    s->dsc[0] = labels ? four_digits(dsc_sum / labels) : NAN;
    s->nsd[0] = labels ? four_digits(nsd_sum / labels) : NAN;
    return code;
}

int paper_score(PaperScores *scores, Paper paper, const LabelPair *pair, Err *e)
{
    return paper == PAPER_ABDOMEN_MRI ? score_abdomen(scores, pair, e) : score_endoscopy(scores, pair, e);
}
