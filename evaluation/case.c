#include "evaluation/case.h"

#include <math.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "data/image_io.h"
#include "evaluation/fit.h"
#include "evaluation/mask.h"
#include "evaluation/surface.h"

typedef struct Volumes {
    Array reference, prediction; /* int16 (Z,Y,X) */
    Geometry geometry;           /* of the reference */
} Volumes;

static void volumes_free(Volumes *v)
{
    array_free(&v->reference);
    array_free(&v->prediction);
}

static LabelPair label_pair(const Volumes *v)
{
    LabelPair pair = {.reference = v->reference.data, .prediction = v->prediction.data};
    const int across = grid_axis_across(&v->geometry) > 0 ? grid_axis_across(&v->geometry) : 0;
    for (int i = 0; i < 3; i++) { /* a plane gets its axis of length 1 as z */
        const int from = i == 0 ? across : i - (i <= across);
        pair.shape_zyx[i] = v->geometry.shape_zyx[from];
        pair.spacing_zyx_mm[i] = v->geometry.spacing_zyx_mm[from];
    }
    return pair;
}

static bool is_flat(const LabelPair *pair) { return pair->shape_zyx[0] == 1; }

/* Fails if the prediction would have to be resampled; adds a note if its axes are reoriented. */
static int check_fit(CaseResult *result, const Geometry *reference, const Geometry *prediction, Err *e)
{
    GridAxes axes;
    const GridMatch match = grid_match(prediction, reference, &axes);
    TRY(fit_expect(match, reference, prediction, e));
    if (match == GRID_SAME) return 0;
    char found[GRID_CODE_BYTES], expected[GRID_CODE_BYTES];
    grid_axes_code(prediction, found);
    grid_axes_code(reference, expected);
    case_note(result,
              "the prediction is stored with axes %s, the reference with %s: the prediction was turned onto "
              "the reference's grid",
              found, expected);
    return 0;
}

static int volumes_read(Volumes *v, CaseResult *result, const Pair *pair, Err *e)
{
    *v = (Volumes){0};
    Geometry geometry;
    if (!pair->reference) return err_set(e, ERR_VALUE, "%s has no reference", path_base(pair->prediction));
    TRY(image_probe_labels(&v->geometry, pair->reference, e));
    TRY(image_probe_labels(&geometry, pair->prediction, e));
    TRY(check_fit(result, &v->geometry, &geometry, e)); /* before any voxel is read */
    TRY(image_read_labels(&v->reference, NULL, pair->reference, e));
    return image_read_labels_onto(&v->prediction, pair->prediction, &v->geometry, e);
}

/* ---- surfaces ---- */

static void surface_metrics(MetricRow row, const SurfacePair *pair, double tolerance_mm)
{
    const int64_t in_reference = pair->reference.count, in_prediction = pair->prediction.count;
    row[METRIC_NSD] = surface_dice(pair, tolerance_mm);
    if (in_reference && in_prediction) {
        row[METRIC_HD] = surface_hausdorff(pair, 100);
        row[METRIC_HD95] = surface_hausdorff(pair, 95);
        row[METRIC_ASD] = 0.5 * (surface_mean_distance(&pair->reference) + surface_mean_distance(&pair->prediction));
    } else {
        row[METRIC_HD] = row[METRIC_HD95] = row[METRIC_ASD] = in_reference || in_prediction ? INFINITY : NAN;
    }
}

static int measure_surfaces(MetricRow row, const LabelPair *pair, const Structures *s, int index, const Box *box,
                            Err *e)
{
    Masks masks;
    SurfacePair surfaces;
    TRY(masks_cut(&masks, pair, &s->items[index], s->has_ignore ? &s->ignore : NULL, box, e));
    const int code = surface_measure(&surfaces, masks.reference, masks.prediction, masks.shape_zyx,
                                     pair->spacing_zyx_mm, is_flat(pair), e);
    masks_free(&masks);
    if (code) return code;
    surface_metrics(row, &surfaces, s->items[index].tolerance_mm);
    surface_free(&surfaces);
    return 0;
}

/* ---- the case ---- */

static double voxel_size(const LabelPair *pair)
{
    const double *s = pair->spacing_zyx_mm;
    return is_flat(pair) ? s[1] * s[2] : s[0] * s[1] * s[2];
}

static void note_unknown(CaseResult *result, const UnknownLabels *unknown)
{
    if (unknown->in_prediction)
        case_note(result, "%lld voxels of the prediction have a label that is not evaluated",
                  (long long)unknown->in_prediction);
    if (unknown->in_reference)
        case_note(result, "%lld voxels of the reference have a label that is not evaluated",
                  (long long)unknown->in_reference);
}

/* A tolerance that is larger than the image accepts any surface. */
static void note_tolerance(CaseResult *result, const LabelPair *pair, const Structures *s)
{
    double squares = 0;
    for (int i = is_flat(pair); i < 3; i++) squares += pow((double)pair->shape_zyx[i] * pair->spacing_zyx_mm[i], 2);
    for (int i = 0; i < s->count; i++) {
        if (s->items[i].tolerance_mm < sqrt(squares)) continue;
        case_note(
            result,
            "the tolerance of %g mm is larger than the whole image (%.3g mm), so that NSD is 1 for any prediction: "
            "--tolerance gives another",
            s->items[i].tolerance_mm, sqrt(squares));
        return;
    }
}

static int measure(CaseResult *result, const LabelPair *pair, const Rules *rules, Err *e)
{
    UnknownLabels unknown;
    const Structures *s = rules->structures;
    Overlap *overlaps = mem_alloc((size_t)s->count * sizeof *overlaps, e);
    Box *boxes = mem_alloc((size_t)s->count * sizeof *boxes, e);
    int code = ERR_NOMEM;
    if (!overlaps || !boxes) goto done;
    code = overlap_count(overlaps, boxes, &unknown, s, pair->reference, pair->prediction, pair->shape_zyx, e);
    if (!code) note_unknown(result, &unknown);
    if (!code && !rules->only_overlap) note_tolerance(result, pair, s);
    for (int i = 0; i < s->count && !code; i++) {
        double *row = result->metrics[i];
        const bool absent = overlaps[i].tp + overlaps[i].fp + overlaps[i].fn == 0;
        overlap_metrics(row, &overlaps[i]);
        row[METRIC_VD] = absent ? NAN : (row[METRIC_N_PRED] - row[METRIC_N_REF]) * voxel_size(pair);
        if (rules->only_overlap) continue;
        if (absent) row[METRIC_NSD] = row[METRIC_HD] = row[METRIC_HD95] = row[METRIC_ASD] = NAN;
        else code = measure_surfaces(row, pair, s, i, &boxes[i], e);
    }
done:
    mem_free(overlaps);
    mem_free(boxes);
    return code;
}

int case_evaluate(CaseResult *result, const Pair *pair, const Rules *rules, Err *e)
{
    Volumes v;
    int code = volumes_read(&v, result, pair, e);
    const LabelPair labels = label_pair(&v);
    if (!code) code = measure(result, &labels, rules, e);
    if (!code && rules->instances.wanted)
        code = instance_case(&result->instances, pair, &v.geometry, &v.reference, &v.prediction, &rules->instances, e);
    if (!code && rules->paper != PAPER_NONE) code = paper_score(&result->paper, rules->paper, &labels, e);
    volumes_free(&v);
    if (!code) code = text_check(&result->notes, e);
    result->done = !code;
    if (code && e) case_note(result, "not evaluated: %s", e->text);
    return code ? err_context(e, "case %s", pair->id) : 0;
}

int64_t case_bytes(const Pair *pair, const Rules *rules)
{
    /* While reading: float32 and stored voxels besides both label maps. Later: masks, corner codes and distances.
     * Instances: two maps, and the queue for growing them. */
    const int64_t bytes_per_voxel = rules->instances.wanted ? 24 : 14;
    Geometry g;
    if (!pair->reference || image_probe_labels(&g, pair->reference, NULL)) return 0;
    return g.shape_zyx[0] * g.shape_zyx[1] * g.shape_zyx[2] * bytes_per_voxel;
}
