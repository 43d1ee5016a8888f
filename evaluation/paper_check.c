#include "evaluation/paper_check.h"

static bool is_of(const Structure *s, int label)
{
    for (int i = 0; i < s->label_count; i++)
        if (s->labels[i] == label) return true;
    return false;
}

static bool is_known(const Structures *s, int label)
{
    for (int i = 0; i < s->count; i++)
        if (is_of(&s->items[i], label)) return true;
    return false;
}

/* Whether a reference has the label, or a region that contains it. */
static bool is_in_reference(const Summary *s, int label)
{
    for (int i = 0; i < s->structures->count; i++)
        for (int c = 0; c < s->case_count && is_of(&s->structures->items[i], label); c++)
            if (s->cases[c].done && s->cases[c].metrics[i][METRIC_N_REF] > 0) return true;
    return false;
}

/* "Liver (1), RK (2)" */
static void add_organ(Text *organs, int label)
{
    text_add(organs, "%s%s (%d)", organs->length ? ", " : "", paper_column(PAPER_ABDOMEN_MRI, label - 1), label);
}

int paper_expect_labels(Paper paper, const Structures *s, const char *dataset, Err *e)
{
    Text organs = {0};
    int missing = 0;
    if (paper != PAPER_ABDOMEN_MRI || !dataset) return 0;
    for (int label = 1; label <= PAPER_ORGANS; label++) {
        if (is_known(s, label)) continue;
        add_organ(&organs, label);
        missing++;
    }
    int code = text_check(&organs, e);
    if (!code && missing)
        code = err_set(e, ERR_VALUE,
                       "--paper abdomen_mri scores %d organs by their labels 1 to %d, and %d of them are no labels of "
                       "%s: %s: omit --paper, or give the dataset.json of AbdomenMRI with -d",
                       PAPER_ORGANS, PAPER_ORGANS, missing, dataset, organs.data);
    text_free(&organs);
    return code;
}

static void add_unseen_organs(Text *note, const Summary *s)
{
    Text organs = {0};
    int unseen = 0;
    for (int label = 1; label <= PAPER_ORGANS; label++) {
        if (is_in_reference(s, label)) continue;
        add_organ(&organs, label);
        unseen++;
    }
    if (unseen)
        text_add(
            note,
            "--paper abdomen_mri: %d of %d organs are in no reference; by the paper's rule they score 1 where they are "
            "not predicted, and 0 where they are, and count in its average: %s",
            unseen, PAPER_ORGANS, organs.data ? organs.data : "");
    note->failed |= organs.failed;
    text_free(&organs);
}

static void add_volumes(Text *note, const Summary *s)
{
    int volumes = 0;
    for (int c = 0; c < s->case_count; c++) volumes += s->cases[c].done && s->cases[c].paper.has_slices;
    if (volumes)
        text_add(
            note,
            "--paper endoscopy is for pictures, but %d of %d cases are volumes: their tolerance is 2 voxels along every "
            "axis, whatever the spacing",
            volumes, summary_done(s));
}

void paper_add_note(Text *note, const Summary *s)
{
    if (s->paper == PAPER_ABDOMEN_MRI) add_unseen_organs(note, s);
    if (s->paper == PAPER_ENDOSCOPY) add_volumes(note, s);
}
