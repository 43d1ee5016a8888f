#include "inference/overlays.h"

#include <string.h>

#include "base/file.h"
#include "base/folder.h"
#include "base/memory.h"
#include "inference/batch.h"
#include "inference/output_file.h"
#include "pictures/case_sheet.h"

#define UNDRAWN "its labels are written, its picture is not"

static const Case *files_of(const Overlays *v, int index) { return &v->cases->inputs.cases[index].files; }

static char *picture_name(const char *id, Err *e) { return path_format(e, "%s.png", id); }

static char *labels_path(const Overlays *v, const char *id, Err *e)
{
    if (v->o->into_file) return mem_strdup(v->o->output, e);
    return path_format(e, "%s/%s%s", v->o->output, id, v->info.file_ending);
}

/* ---- before anything is computed ---- */

static int expect_own_folder(const PredictionOptions *o, Err *e)
{
    bool same;
    if (o->into_file) return 0;
    TRY(file_is_same(o->overlay, o->output, &same, e));
    if (!same && strcmp(o->overlay, o->output)) return 0;
    return err_set(e, ERR_VALUE, "--overlay %s is the folder of the labels (-o): give the pictures another one",
                   o->overlay);
}

/* Whether a picture would be the file given by -o. */
static int is_output(bool *is, const PredictionOptions *o, const char *name, Err *e)
{
    const char *base = path_base(o->output);
    *is = false;
    if (!o->into_file || strcmp(base, name)) return 0;
    char *folder = path_format(e, "%.*s.", (int)(base - o->output), o->output);
    const int code = file_is_same(folder, o->overlay, is, e);
    mem_free(folder);
    return code;
}

static int refuse(const PredictionOptions *o, const char *path, OutputState state, Err *e)
{
    return err_set(e, ERR_VALUE, "%s is there already and was %s: %s", path,
                   state == OUTPUT_FOREIGN ? "not drawn by predict" : "changed since predict drew it",
                   o->watch ? "move it to another folder"
                            : "give another folder with --overlay, or replace it with --overwrite");
}

/* Fails if a picture would replace a file that is none of ours. */
static int expect_free(const Overlays *v, const InputPlaces *places, int index, Err *e)
{
    OutputState state = OUTPUT_NONE;
    const char *id = files_of(v, index)->id;
    char *name = picture_name(id, e), *path = path_format(e, "%s/%s.png", v->o->overlay, id);
    bool replaces = false;
    int code = name && path ? is_output(&replaces, v->o, name, e) : ERR_NOMEM;
    if (!code && (replaces || input_places_have(places, path)))
        code = err_set(e, ERR_VALUE, "--overlay: a picture would replace %s, which is an image: give another folder",
                       path);
    if (!code) code = prediction_record_look(v->record, id, (const char *const *)&name, 1, &state, NULL, e);
    if (!code && (state == OUTPUT_FOREIGN || state == OUTPUT_CHANGED)) code = refuse(v->o, path, state, e);
    mem_free(name);
    mem_free(path);
    return code;
}

static int expect_all_free(const Overlays *v, Err *e)
{
    InputPlaces places;
    TRY(input_places_new(&places, v->cases, e));
    int code = 0;
    for (int i = 0; i < v->cases->inputs.count && !code; i++) code = expect_free(v, &places, i, e);
    input_places_free(&places);
    return code;
}

static int open_record(Overlays *v, Err *e)
{
    made_from_add(&v->made_from, "overlays", "of predictions");
    TRY(made_from_check(&v->made_from, e));
    TRY(prediction_record_open(&v->record, v->o->overlay, &v->made_from, v->o->overwrite, e));
    if (!prediction_record_is_other(v->record, NULL)) return 0;
    return err_set(e, ERR_VALUE, "--overlay %s holds predictions: give another folder", v->o->overlay);
}

static int expect_writable(const char *folder, Err *e)
{
    char *path = path_format(e, "%s/" PREDICTION_RECORD_NAME, folder);
    const int code = path ? output_file_expect_writable(path, e) : ERR_NOMEM;
    mem_free(path);
    return code ? err_context(e, "--overlay") : 0;
}

int overlays_open(Overlays *v, const PredictionOptions *o, PredictionCases *cases, const char *results, Err *e)
{
    bool there;
    *v = (Overlays){.o = o, .cases = cases};
    TRY(expect_own_folder(o, e));
    char *dataset = path_format(e, "%s/dataset.json", results);
    int code = dataset ? dataset_info_read(&v->info, dataset, e) : ERR_NOMEM;
    v->has_info = !code;
    mem_free(dataset);
    if (!code) code = open_record(v, e);
    if (!code && !o->watch) code = expect_all_free(v, e);
    if (!code) code = file_is_folder(o->overlay, &there, e);
    v->made_folder = !code && !there;
    return code ? code : expect_writable(o->overlay, e);
}

/* ---- drawing ---- */

/* Lists what a picture is made from: images, labels and their names. */
static int list_inputs(MadeFrom *inputs, const Overlays *v, int index, Err *e)
{
    char *labels = labels_path(v, files_of(v, index)->id, e);
    Text names = {0};
    int code = labels ? prediction_cases_inputs(inputs, v->cases, index, e) : ERR_NOMEM;
    for (int i = 0; i < v->info.label_count && !code; i++)
        text_add(&names, "%s%s", i ? ", " : "", v->info.labels[i].name);
    if (!code) code = text_check(&names, e);
    if (!code) {
        made_from_add_file(inputs, "labels", labels);
        made_from_add(inputs, "names", "%s", names.data ? names.data : "");
        code = made_from_check(inputs, e);
        if (code) made_from_free(inputs);
    }
    text_free(&names);
    mem_free(labels);
    return code;
}

/* Whether the picture is there and was made from the same. On an error it is drawn, which tells the error. */
static bool is_up_to_date(const Overlays *v, int index)
{
    MadeFrom inputs;
    OutputState state;
    const char *id = files_of(v, index)->id;
    char *name = picture_name(id, NULL);
    bool same = name && !prediction_record_look(v->record, id, (const char *const *)&name, 1, &state, NULL, NULL) &&
                state == OUTPUT_WHOLE && !list_inputs(&inputs, v, index, NULL);
    if (same) {
        same = prediction_record_same_inputs(v->record, id, &inputs, NULL);
        made_from_free(&inputs);
    }
    mem_free(name);
    return same;
}

static int draw(const Overlays *v, const Case *c, Err *e)
{
    Image image = {0};
    Array labels = {0};
    char *from = labels_path(v, c->id, e), *to = path_format(e, "%s/%s.png", v->o->overlay, c->id);
    int code = from && to ? image_read(&image, c->images[0], e) : ERR_NOMEM;
    if (!code) code = image_read_labels_onto(&labels, from, &image.geometry, e);
    if (!code && memcmp(labels.shape, image.geometry.shape_zyx, sizeof image.geometry.shape_zyx))
        code = err_set(e, ERR_SHAPE, "%s has another shape than %s", from, c->images[0]);
    const CaseSheet sheet = {c->id, &v->info, &image.geometry, &image.voxels, &labels};
    if (!code) code = case_sheet_write(to, &sheet, e);
    array_free(&labels);
    image_free(&image);
    mem_free(from);
    mem_free(to);
    return code;
}

static int draw_and_record(const Overlays *v, int index, Err *e)
{
    MadeFrom inputs = {0};
    const Case *c = files_of(v, index);
    char *name = picture_name(c->id, e);
    int code = name ? draw(v, c, e) : ERR_NOMEM;
    if (!code) code = list_inputs(&inputs, v, index, e);
    if (!code) code = prediction_record_done(v->record, c->id, &inputs, (const char *const *)&name, 1, e);
    else if (name) prediction_record_failed(v->record, c->id, e->text, NULL, (const char *const *)&name, 1, NULL);
    made_from_free(&inputs);
    mem_free(name);
    return code ? err_context(e, UNDRAWN) : 0;
}

static const char *case_name(const void *context, int turn)
{
    const Overlays *v = context;
    return files_of(v, v->turns[turn])->id;
}

/* Returns whether it is a failure already: in a watched folder its cause may go away, and the case is left. */
static bool note_failure(const Overlays *v, int index, const Err *fault)
{
    const PredictionWatch *watch = v->o->watch;
    const bool failed = !watch || watch->fails(watch->context, files_of(v, index), fault);
    v->cases->fates[index] = failed ? CASE_FAILED : CASE_LATER;
    return failed;
}

static int take_turn(void *context, int turn, Progress *progress, bool *kept, Err *e)
{
    (void)progress;
    (void)kept;
    const Overlays *v = context;
    const int index = v->turns[turn], code = draw_and_record(v, index, e);
    return code && !note_failure(v, index, e) ? BATCH_LATER : code;
}

/* In a watched folder a picture that cannot be replaced is a failure of its case: the others go on. */
static bool is_free(const Overlays *v, const InputPlaces *places, int index)
{
    Err fault = {0};
    if (!v->o->watch || !expect_free(v, places, index, &fault)) return true;
    err_context(&fault, UNDRAWN);
    if (note_failure(v, index, &fault)) v->o->report(v->o->context, files_of(v, index)->id, &fault);
    return false;
}

static int choose(Overlays *v, Err *e)
{
    InputPlaces places;
    int code = 0;
    TRY(input_places_new(&places, v->cases, e));
    for (int i = 0; i < v->cases->inputs.count && !code; i++) {
        const CaseFate fate = v->cases->fates[i];
        if ((fate != CASE_WANTED && fate != CASE_KEPT) || is_up_to_date(v, i) || !is_free(v, &places, i)) continue;
        v->turns[v->turn_count++] = i;
        code = prediction_record_plan(v->record, files_of(v, i)->id, e);
    }
    input_places_free(&places);
    return code;
}

int overlays_draw(Overlays *v, Err *e)
{
    const int count = v->cases->inputs.count;
    BatchEnd end; /* a case that fails is counted by its fate */
    v->turns = mem_zalloc((size_t)count, sizeof *v->turns, e);
    if (!v->turns) return ERR_NOMEM;
    TRY(choose(v, e));
    if (!v->turn_count) return 0;
    TRY(prediction_record_begin(v->record, e));
    const CaseBatch batch = {.title = "overlays",
                             .count = v->turn_count,
                             .quiet = v->o->quiet,
                             .id = case_name,
                             .work = take_turn,
                             .context = v,
                             .report = v->o->report,
                             .report_context = v->o->context};
    return batch_run(&batch, &end, e);
}

int overlays_close(Overlays *v, Err *e)
{
    const int code = prediction_record_close(v->record, e);
    if (v->made_folder && !v->turn_count) folder_remove_empty(v->o->overlay);
    if (v->has_info) dataset_info_free(&v->info);
    made_from_free(&v->made_from);
    mem_free(v->turns);
    *v = (Overlays){0};
    return code;
}
