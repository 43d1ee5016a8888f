#include "planner/spacing_faults.h"

#include "preprocess/spacing_check.h"

static int check_case(FaultList *faults, int *far, const Plan *plan, const Fingerprint *f, const Case *c, int index,
                      Err *e)
{
    const int *s = f->shapes_after_crop[index];
    const int64_t shape[3] = {s[0], s[1], s[2]};
    Text note = {0};
    Err refused = {0};
    const int code = spacing_check(&note, shape, f->spacings_mm[index], plan, &refused);
    if (code == ERR_VALUE) fault_add(faults, FAULT_ERROR, "case %s: %s: %s", c->id, c->images[0], refused.text);
    else if (code) *e = refused;
    else if (note.length && ++*far <= SPACING_SHOWN)
        fault_add(faults, FAULT_WARNING, "case %s: %s: %s", c->id, c->images[0], note.data);
    text_free(&note);
    return code == ERR_VALUE ? 0 : code;
}

int spacing_faults(FaultList *faults, const Plan *plan, const Fingerprint *f, const Dataset *d, Err *e)
{
    int far = 0;
    for (int i = 0; i < f->case_count && i < d->training.count; i++)
        TRY(check_case(faults, &far, plan, f, &d->training.cases[i], i, e));
    if (far > SPACING_SHOWN)
        fault_add(faults, FAULT_WARNING, "%d more cases have spacings that differ as much", far - SPACING_SHOWN);
    return 0;
}
