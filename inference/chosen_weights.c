#include "inference/chosen_weights.h"

#include <math.h>
#include <string.h>

#include "base/hash.h"

typedef struct WeightsCheck {
    Text changed, unknown, asked; /* files, models, models */
    int changed_count;
} WeightsCheck;

static void add_name(Text *names, const char *name) { text_add(names, "%s%s", names->length ? ", " : "", name); }

static int compare_fold(WeightsCheck *to, bool *known, bool *same, const ConfiguredModel *m, const ModelSource *s,
                        int index, Err *e)
{
    enum { SHOWN = 3 };
    char key[FOLD_KEY_BYTES], hash[HASH_BYTES];
    const char *chosen = made_from_find(&m->made_from, fold_weights_key(key, s->folds.numbers[index]));
    if (!chosen) {
        *known = false;
        return 0;
    }
    TRY(hash_file(hash, s->paths[index], e));
    if (!strcmp(hash, chosen)) return 0;
    *same = false;
    if (strcmp(s->checkpoint, "final")) return 0; /* requested by an option: another warning */
    if (to->changed_count++ < SHOWN) add_name(&to->changed, s->paths[index]);
    else if (to->changed_count == SHOWN + 1) text_add(&to->changed, " …");
    return 0;
}

static int compare_model(WeightsCheck *to, const ConfiguredModel *m, const ModelSource *s, Err *e)
{
    bool known = true, same = true;
    for (int i = 0; i < s->folds.count; i++) TRY(compare_fold(to, &known, &same, m, s, i, e));
    if (!known) add_name(&to->unknown, m->results);
    if (!same && strcmp(s->checkpoint, "final")) add_name(&to->asked, m->results);
    return 0;
}

/* "find_best_configuration a b -o inference.yaml" */
static void add_command(Text *text, const Configuration *c)
{
    const int count =
        c->compared.count ? c->compared.count : c->model_count; /* a file of an older version lists only the models */
    text_add(text, "find_best_configuration");
    for (int i = 0; i < count; i++) {
        text_add(text, " ");
        text_add_argument(text, "%s", c->compared.count ? c->compared.names[i] : c->models[i].results);
    }
    text_add(text, " -o ");
    text_add_argument(text, "%s", c->file);
}

static int tell(FaultList *warnings, const WeightsCheck *found, const Configuration *c, const char *checkpoint,
                const char *command, Err *e)
{
    if (found->changed.length)
        return err_set(e, ERR_VALUE,
                       "%s was chosen by other weights than the present ones (%s): choose again (%s), "
                       "put the earlier weights back, or give a results folder with -m",
                       c->file, found->changed.data, command);
    if (found->asked.length)
        fault_add(warnings, FAULT_WARNING,
                  "%s was chosen by checkpoint_final, and checkpoint_%s of %s has other weights: its "
                  "models and post-processing may not be the best for them; omit --checkpoint %s to predict as it was "
                  "chosen",
                  c->file, checkpoint, found->asked.data, checkpoint);
    if (found->unknown.length)
        fault_add(warnings, FAULT_WARNING,
                  "%s does not record by which weights of %s it was chosen, so it is not known whether "
                  "they are the present ones; choose again to be sure (%s)",
                  c->file, found->unknown.data, command);
    return 0;
}

int chosen_weights_expect(FaultList *warnings, const Configuration *c, const ModelSource *const *sources, Err *e)
{
    WeightsCheck found = {0};
    Text command = {0};
    bool is_chosen = !isnan(c->dice);
    int code = 0;
    for (int i = 0; i < c->model_count; i++) is_chosen |= c->models[i].made_from.count > 0;
    if (!c->file || !is_chosen) return 0;
    for (int i = 0; i < c->model_count && !code; i++) code = compare_model(&found, &c->models[i], sources[i], e);
    add_command(&command, c);
    if (!code) code = text_check(&command, e);
    if (!code) code = text_check(&found.changed, e);
    if (!code) code = text_check(&found.unknown, e);
    if (!code) code = text_check(&found.asked, e);
    if (!code) code = tell(warnings, &found, c, sources[0]->checkpoint, command.data, e);
    text_free(&command);
    text_free(&found.changed);
    text_free(&found.unknown);
    text_free(&found.asked);
    return code;
}
