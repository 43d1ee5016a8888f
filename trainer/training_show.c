#include "trainer/training_show.h"

#include <stdio.h>

#include "base/json_log.h"
#include "base/program.h"
#include "base/progress.h"
#include "base/world.h"

typedef struct Display {
    Progress bar; /* over all iterations of the run */
    int epochs;
    double seconds_per_epoch; /* duration of the last epoch; 0: not known yet */
    bool quiet;
    const Process *process;
} Display;

static void show_iteration(void *context, int epoch, bool validating, int done, int total, double mean_loss)
{
    Display *d = context;
    char note[96];
    (void)done, (void)total;
    if (d->process) process_beat(d->process);
    const int used = snprintf(note, sizeof note, "epoch %d (%d of %d), %sloss %.4f", epoch, epoch + 1, d->epochs,
                              validating ? "validation " : "", mean_loss);
    if (d->seconds_per_epoch > 0)
        snprintf(note + used, sizeof note - (size_t)used, ", %.1f s/epoch", d->seconds_per_epoch);
    progress_step(&d->bar, 1, note);
}

static void log_epoch(const EpochRecord *r, const PseudoDice *dice)
{
    if (!json_log_is_open()) return;
    Text line = json_log_begin("epoch");
    json_log_integer(&line, "epoch", r->epoch);
    json_log_number(&line, "learning_rate", r->learning_rate);
    json_log_number(&line, "train_loss", r->train_loss);
    json_log_number(&line, "val_loss", r->val_loss);
    json_log_number(&line, "pseudo_dice", r->pseudo_dice);
    json_log_number(&line, "ema_pseudo_dice", r->ema_pseudo_dice);
    json_log_number(&line, "seconds", r->seconds);
    for (int k = pseudo_dice_first(dice); k < dice->classes; k++) {
        char key[32];
        snprintf(key, sizeof key, "pseudo_dice_%d", pseudo_dice_number(dice, k));
        json_log_number(&line, key, pseudo_dice_of(dice, k));
    }
    json_log_end(&line);
}

static void show_epoch(void *context, const EpochRecord *r, const PseudoDice *dice)
{
    Display *d = context;
    log_epoch(r, dice);
    d->seconds_per_epoch = r->seconds;
    if (d->quiet) return;
    Text dice_text = {0};
    char left[32];
    pseudo_dice_summary(dice, r->ema_pseudo_dice, &dice_text);
    program_say("epoch %d (%d of %d): loss %.4f, validation %.4f%s, %.1f s, %s left", r->epoch, r->epoch + 1, d->epochs,
                r->train_loss, r->val_loss, dice_text.data ? dice_text.data : "", r->seconds,
                format_duration((d->epochs - r->epoch - 1) * r->seconds, left, sizeof left));
    text_free(&dice_text);
}

int training_show(Training *t, const char *title, const TrainingShow *show, Err *e)
{
    const PlanTraining *p = &training_plan(t)->training;
    Display display = {.epochs = p->epochs, .quiet = show->quiet, .process = show->process};
    const int64_t per_epoch = p->iterations_per_epoch + p->validation_iterations;
    if (training_is_finished(t))
        training_tell(t, TRAINING_NOTE,
                      "the training is finished: all %d epochs are done (--continue --epochs N trains further)",
                      p->epochs);
    progress_begin(&display.bar, title, per_epoch * (p->epochs - training_epochs_done(t)), show->quiet);
    display.bar.logged = false; /* epochs are */
    const TrainingWatch watch = {show_iteration, show_epoch, world_interrupted, &display};
    const int code = training_run(t, &watch, e);
    progress_end(&display.bar);
    if (code == ERR_INTERRUPTED)
        err_set(e, code, "interrupted in epoch %d; all is saved in %s: --continue continues the training",
                training_epochs_done(t), show->results);
    return code;
}
