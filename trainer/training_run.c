/* Training: the sequence of epochs, checkpoints, log and curves. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/progress.h"
#include "network/executor/precision.h"
#include "trainer/progress_picture.h"
#include "trainer/schedule.h"
#include "trainer/training_parts.h"

static int write_text(const RunFolder *f, const char *name, const Text *text, Err *e)
{
    char *path = path_format(e, "%s/%s", f->path, name);
    const int code = path ? file_put(path, text->data, text->length, e) : ERR_NOMEM;
    mem_free(path);
    return code;
}

static int write_picture(const Training *t, Err *e)
{
    char *path = path_format(e, "%s/progress.png", t->folder.path);
    const int code = path ? progress_picture_write(&t->state.history, path, e) : ERR_NOMEM;
    mem_free(path);
    return code;
}

/* metrics.csv is written last: if it is complete, so is the picture (curves_stand). */
static int write_curves(const Training *t, Err *e)
{
    if (!training_writes(t)) return 0;
    Text text = {0};
    history_text(&t->state.history, &text);
    int code = text_check(&text, e);
    if (!code) code = write_picture(t, e);
    if (!code) code = write_text(&t->folder, "metrics.csv", &text, e);
    text_free(&text);
    return code;
}

static bool holds_text(const RunFolder *f, const char *name, const Text *text)
{
    char *path = path_format(NULL, "%s/%s", f->path, name), *there = NULL;
    size_t length;
    const bool same =
        path && !file_get(path, &there, &length, NULL) && length == text->length && !memcmp(there, text->data, length);
    mem_free(there);
    mem_free(path);
    return same;
}

/* Whether the curves include all epochs: a process may have ended between the last checkpoint and the curves. */
static bool curves_stand(const Training *t)
{
    Text text = {0};
    history_text(&t->state.history, &text);
    char *picture = path_format(NULL, "%s/progress.png", t->folder.path);
    bool is_drawn;
    const bool stand = !file_is_there(picture, &is_drawn, NULL) && is_drawn && !text.failed &&
                       holds_text(&t->folder, "metrics.csv", &text);
    mem_free(picture);
    text_free(&text);
    return stand;
}

static int log_epoch(Training *t, const EpochRecord *r, Err *e)
{
    Text classes = {0};
    pseudo_dice_text(&t->dice, r->ema_pseudo_dice, &classes);
    int code = text_check(&classes, e);
    if (!code)
        code = run_folder_log(
            &t->folder, e, "epoch %d: learning rate %.4g, training loss %.4f, validation loss %.4f%s, %.1f s", r->epoch,
            r->learning_rate, r->train_loss, r->val_loss, classes.data ? classes.data : "", r->seconds);
    text_free(&classes);
    return code;
}

/* Ends an epoch: adds its record and sets the state to the beginning of the next one. */
static int finish_epoch(Training *t, double validation_loss, Err *e)
{
    RunState *s = &t->state;
    EpochRecord record = {.epoch = s->epoch,
                          .learning_rate = schedule_learning_rate(&t->plan.training, s->epoch, 0),
                          .train_loss = s->loss_sum / t->plan.training.iterations_per_epoch,
                          .val_loss = validation_loss,
                          .pseudo_dice = pseudo_dice_mean(&t->dice),
                          .seconds = s->seconds,
                          .cpu_seconds = s->cpu_seconds};
    TRY(history_add(&s->history, record, e));
    const double ema = s->history.records[s->history.count - 1].ema_pseudo_dice;
    const bool is_best = !isnan(ema) && !(ema <= s->best_ema);
    if (is_best) s->best_ema = ema;
    s->epoch++;
    s->iteration = 0;
    s->loss_sum = s->seconds = s->cpu_seconds = 0;
    if (is_best) TRY(training_save(t, "best", e));
    TRY(training_save(t, "latest", e));
    TRY(write_curves(t, e));
    return log_epoch(t, &s->history.records[s->history.count - 1], e);
}

static int run_epochs(Training *t, const TrainingWatch *watch, Err *e)
{
    double saved_at = clock_seconds(), validation_loss;
    while (!training_is_finished(t)) {
        int code = training_begin_epoch(t, e);
        if (!code) code = epoch_train(t, watch, &saved_at, e);
        if (!code) code = epoch_validate(t, watch, &validation_loss, e);
        if (code == ERR_INTERRUPTED) {
            Err saving = {0};
            if (training_save(t, "latest", &saving)) return *e = saving, e->code;
        }
        if (code) return code;
        TRY(finish_epoch(t, validation_loss, e));
        saved_at = clock_seconds();
        if (watch && watch->epoch)
            watch->epoch(watch->context, &t->state.history.records[t->state.history.count - 1], &t->dice);
    }
    return 0;
}

/* On rank 0: replaces checkpoint_latest by checkpoint_final. Predictions of earlier weights are removed before. */
static int finish_run(Training *t, Err *e)
{
    if (!training_writes(t)) return 0;
    char *latest = run_folder_checkpoint(&t->folder, "latest", e);
    bool there;
    int code = file_is_there(latest, &there, e);
    if (!code && t->state.history.count && !curves_stand(t)) code = write_curves(t, e);
    if (!code && there) {
        code = run_folder_remove_validation(&t->folder, e);
        if (!code) code = training_save(t, "final", e);
        if (!code) code = file_remove(latest, e);
    }
    mem_free(latest);
    return code;
}

static int log_pretrained(Training *t, Err *e)
{
    const Text *text = &t->imported.text;
    return text->length ? run_folder_log(&t->folder, e, "%s: %.*s", t->plan.training.pretrained, (int)text->length - 1,
                                         text->data)
                        : 0;
}

/* Runs all epochs, and logs the loader's share of the CPU time. */
static int run_loaded(Training *t, const TrainingWatch *watch, Err *e)
{
    const double began = cpu_seconds();
    TRY(training_start_loader(t, e));
    int code = run_epochs(t, watch, e);
    const double all = cpu_seconds() - began, loading = loader_cpu_seconds(t->loader);
    loader_free(t->loader);
    t->loader = NULL;
    const int logged = run_folder_log(&t->folder, code ? NULL : e, "the loader took %.1f of %.1f CPU seconds (%.1f %%)",
                                      loading, all, 100 * loading / all);
    return code ? code : logged;
}

int training_run(Training *t, const TrainingWatch *watch, Err *e)
{
    const int processes = t->options.ranks ? t->options.ranks->count : 1;
    char together[32] = "";
    if (processes > 1) snprintf(together, sizeof together, ", %d processes", processes);
    TRY(log_pretrained(t, e));
    TRY(run_folder_log(&t->folder, e,
                       "%s from epoch %d, iteration %d of %d epochs: %s, fold folder %s, %d training and "
                       "%d validation cases, batch %d of %dx%d, %s%s",
                       t->state.history.count || t->state.iteration ? "continued" : "started", t->state.epoch,
                       t->state.iteration, t->plan.training.epochs, t->plan.network.name, path_base(t->folder.fold),
                       t->training_cases.count, t->validation_cases.count, t->plan.configuration.batch_size,
                       t->plan.configuration.patch_size[0], t->plan.configuration.patch_size[1],
                       precision_name(t->precision), together));
    const int code = training_is_finished(t) ? 0 : run_loaded(t, watch, e);
    if (code) {
        run_folder_log(&t->folder, NULL, "stopped in epoch %d, iteration %d: %s", t->state.epoch, t->state.iteration,
                       e->text);
        return code;
    }
    return finish_run(t, e);
}
