#include "inference/watch.h"

#include <math.h>
#include <string.h>
#include <time.h>

#include "base/lock.h"
#include "base/memory.h"
#include "base/path_hint.h"
#include "base/progress.h"
#include "data/image_channels.h"
#include "data/image_files.h"
#include "inference/input_files.h"
#include "inference/prediction_job.h"
#include "inference/watched_folder.h"

enum { PATIENCE = 10, RETRY_SECONDS = 60, MOST_SECONDS = 3600 };

typedef struct Watch {
    const WatchOptions *own;
    PredictionOptions o;
    PredictionWatch hooks;
    Prediction *prediction;
    WatchedFolder folder;
    FolderLock lock;
    bool is_away; /* the folder could not be read, which was told */
} Watch;

/* ---- the files of a case ---- */

/* Calls use() for each entry of the folder that belongs to an image of the case, until it returns false: then the result is
 * false, too. Parts of an image in other folders are not watched. */
static bool each_file(const Watch *w, const Case *c, bool (*use)(const Watch *w, WatchedFile *file, double value),
                      double value)
{
    bool all = true;
    for (int i = 0; i < c->image_count && all; i++) {
        FileList parts;
        if (image_files(&parts, c->images[i], NULL)) return false; /* no memory: later */
        for (int k = 0; k < parts.count && all; k++) {
            WatchedFile *file = watched_folder_find(&w->folder, path_base(parts.names[k]));
            all = !file || use(w, file, value);
        }
        file_list_free(&parts);
    }
    return all;
}

static bool is_not_due(const Watch *w, WatchedFile *file, double now)
{
    (void)w;
    return file->due > now;
}

static bool is_settled(const Watch *w, WatchedFile *file, double unused)
{
    (void)w, (void)unused;
    return file->is_settled;
}

static bool is_same(const Watch *w, WatchedFile *file, double unused)
{
    (void)unused;
    return watched_folder_is_same(&w->folder, file);
}

static bool is_older(const Watch *w, WatchedFile *file, double time)
{
    (void)w;
    return file->since <= time;
}

static bool take(const Watch *w, WatchedFile *file, double unused)
{
    (void)w, (void)unused;
    file->is_taken = true;
    file->due = INFINITY;
    return true;
}

static bool defer(const Watch *w, WatchedFile *file, double until)
{
    (void)w;
    file->due = until;
    return true;
}

/* Found by name alone, also while the folder is away. A case of a round is due again as soon as this file is. */
static WatchedFile *first_file(const Watch *w, const Case *c)
{
    return watched_folder_find(&w->folder, path_base(c->images[0]));
}

/* ---- what a round tells ---- */

static bool begins(void *context, const Case *c) { return each_file(context, c, is_same, 0); }

static void done(void *context, const Case *c)
{
    const Watch *w = context;
    prediction_tell(&w->o, TELL_NOTE, "case %s: done", c->id);
}

/* An unfinished file may have looked finished, and a network may fail for a time. */
static bool fails(void *context, const Case *c, const Err *fault)
{
    const Watch *w = context;
    const double now = clock_seconds(), patience = PATIENCE * w->own->settle;
    const bool is_io = fault->code == ERR_IO, may_go_away = is_io || fault->code == ERR_NOMEM;
    WatchedFile *first = first_file(w, c);
    if (!first || !each_file(w, c, is_same, 0)) return false; /* changed or gone: the next look sees it */
    if ((is_io || fault->code == ERR_FORMAT) && !each_file(w, c, is_older, now - patience)) {
        first->due = now + patience;
        return false;
    }
    if (may_go_away) first->due = now + fmin(ldexp(RETRY_SECONDS, first->tries++), MOST_SECONDS);
    return true;
}

/* Whatever kept the case from its end may go away without a change of its files, such as a server that did not answer. */
static void later(void *context, const Case *c)
{
    const Watch *w = context;
    WatchedFile *first = first_file(w, c);
    if (first && isinf(first->due)) first->due = clock_seconds() + w->own->settle; /* else fails() has set it */
}

/* ---- a round ---- */

/* By the names the case may have more channels, and those that are there are fewer than the model's. What cannot be read is
 * told by the prediction. */
static bool lacks_channels(const InputCase *one, const DatasetInfo *info)
{
    Err e;
    int64_t channels = 0;
    const Case *c = &one->files;
    const ChannelNames wanted = {info->channel_count, info->channel_names};
    if (!one->may_grow || (one->fault && !one->incomplete)) return false;
    ImageHeader *headers = mem_zalloc((size_t)c->image_count, sizeof *headers, NULL);
    int failed = headers ? 0 : ERR_NOMEM;
    for (int i = 0; i < c->image_count && !failed; i++)
        failed = image_read_header(&headers[i], c->images[i], IMAGE_INTENSITIES, NULL);
    if (!failed) image_expect_channels(&channels, headers, (const char *const *)c->images, c->image_count, &wanted, &e);
    mem_free(headers);
    return !failed && channels < info->channel_count;
}

/* The other channels may be written later: only after a while it is told that they are missing. */
static void wait_for_channels(const Watch *w, const InputCase *one, int channels, double now)
{
    WatchedFile *first = first_file(w, &one->files);
    const bool waited = !first || first->tries++;
    each_file(w, &one->files, defer, waited ? INFINITY : now + RETRY_SECONDS);
    if (waited)
        prediction_tell(&w->o, TELL_NOTE, "case %s waits for channels: %d of %d %s there", one->files.id,
                        one->files.image_count, channels, one->files.image_count == 1 ? "is" : "are");
}

/* Whether something is to be done with the case now. */
static bool wants(const Watch *w, const InputCase *one, double now)
{
    const DatasetInfo *info = prediction_dataset(w->prediction);
    if (each_file(w, &one->files, is_not_due, now) || !each_file(w, &one->files, is_settled, 0)) return false;
    if (!lacks_channels(one, info)) return each_file(w, &one->files, take, 0);
    wait_for_channels(w, one, info->channel_count, now);
    return false;
}

static bool use(const Watch *w, WatchedFile *file, double unused)
{
    (void)w, (void)unused;
    file->is_taken = true;
    return true;
}

static void forget_taken(const Watch *w)
{
    for (int i = 0; i < w->folder.count; i++) w->folder.files[i].is_taken = false;
}

/* Names each entry that belongs to no case, once. */
static void tell_others(const Watch *w, const InputList *list, double now)
{
    const char *ending = prediction_dataset(w->prediction)->file_ending;
    for (int i = 0; i < list->count; i++) each_file(w, &list->cases[i].files, use, 0);
    for (int i = 0; i < w->folder.count; i++) {
        WatchedFile *file = &w->folder.files[i];
        if (file->is_taken || !file->is_settled || file->due > now) continue;
        file->due = INFINITY;
        if (!file->version.is_file || !input_file_is_half(file->name, ending))
            prediction_tell(&w->o, TELL_WARNING, "%s/%s is not read: expected images CASE_0000%s …", w->folder.path,
                            file->name, ending);
    }
    forget_taken(w);
}

static int choose(const Watch *w, InputList *list, Err *e)
{
    const double now = clock_seconds();
    bool *kept = mem_zalloc((size_t)list->count + 1, sizeof *kept, e);
    if (!kept) return ERR_NOMEM;
    for (int i = 0; i < list->count; i++) kept[i] = wants(w, &list->cases[i], now);
    inputs_keep(list, kept);
    mem_free(kept);
    return 0;
}

static int list_cases(const Watch *w, InputList *list, Err *e)
{
    FileList names;
    TRY(watched_folder_settled(&w->folder, &names, e));
    int code = inputs_list_names(list, w->folder.path, &names, prediction_dataset(w->prediction), e);
    file_list_free(&names);
    if (code) return code;
    faults_free(&list->warnings); /* about the whole folder: tell_others names the files one by one */
    tell_others(w, list, clock_seconds());
    code = choose(w, list, e);
    if (code) inputs_free(list);
    return code;
}

/* Where the output cannot be written for a time, as of a network: all cases of the round are tried again. */
static int wait_for_output(Watch *w, const Err *e)
{
    const double until = clock_seconds() + RETRY_SECONDS;
    prediction_tell(&w->o, TELL_WARNING, "%s; it is tried again in %d s", e->text, RETRY_SECONDS);
    for (int i = 0; i < w->folder.count; i++)
        if (w->folder.files[i].is_taken) w->folder.files[i].due = until;
    return 0;
}

static int run_round(Watch *w, Err *e)
{
    InputList list;
    TRY(list_cases(w, &list, e));
    int code = list.count ? prediction_round(w->prediction, &list, e) : 0;
    if (code == ERR_IO && !w->hooks.is_first) code = wait_for_output(w, e);
    w->hooks.is_first = false;
    inputs_free(&list);
    forget_taken(w);
    return code;
}

/* ---- the watch ---- */

static int look(Watch *w, bool *is_due, Err *e)
{
    const int code = watched_folder_look(&w->folder, is_due, e);
    if (code != ERR_IO) {
        if (!code && w->is_away) prediction_tell(&w->o, TELL_NOTE, "%s can be read again", w->folder.path);
        w->is_away = w->is_away && code;
        return code;
    }
    if (!w->is_away) prediction_tell(&w->o, TELL_WARNING, "%s; waiting until that is possible", e->text);
    w->is_away = true;
    return 0;
}

/* Sleeps a second, or longer where looking takes long: at most a fifth of the time is spent on it. */
static void rest(const Watch *w, double took)
{
    const double seconds = fmax(fmin(1, w->own->settle / 2), 4 * took), until = clock_seconds() + seconds;
    const struct timespec moment = {.tv_nsec = 50000000};
    while (!w->o.stops(w->o.context) && clock_seconds() < until) nanosleep(&moment, NULL);
}

static int watch_folder(Watch *w, Err *e)
{
    bool is_due;
    TRY(watched_folder_look(&w->folder, &is_due, e));
    prediction_tell(&w->o, TELL_NOTE, "watching %s: a file is finished after %g s without a change", w->folder.path,
                    w->own->settle);
    while (!w->o.stops(w->o.context)) {
        const double began = clock_seconds();
        TRY(look(w, &is_due, e));
        const double took = clock_seconds() - began;
        if (is_due) TRY(run_round(w, e));
        rest(w, took);
    }
    return 0;
}

static int expect_folders(const Watch *w, Err *e)
{
    bool there, is_folder, has_labels, has_pictures = false;
    const char *folder = w->own->folder, *overlay = w->o.overlay;
    TRY(file_is_there(folder, &there, e));
    TRY(folder_is_there(folder, &is_folder, e));
    TRY(file_is_same(folder, w->o.output, &has_labels, e));
    if (overlay) TRY(file_is_same(folder, overlay, &has_pictures, e));
    if (!there) {
        err_set(e, ERR_IO, "%s: there is no such folder", folder);
        return path_hint(e, folder);
    }
    if (!is_folder) return err_set(e, ERR_VALUE, "--watch %s: expected a folder", folder);
    if (has_labels || has_pictures)
        return err_set(
            e, ERR_VALUE,
            "%s is watched, and what is written there would be taken for images: give another folder with %s", folder,
            has_labels ? "-o" : "--overlay");
    return 0;
}

static int watch_locked(Watch *w, Err *e)
{
    int code = watched_folder_new(&w->folder, w->own->folder, w->own->settle, e);
    if (!code) code = watch_folder(w, e);
    watched_folder_free(&w->folder);
    return code;
}

int watch_run(const WatchOptions *own, const PredictionOptions *o, const Configuration *c, Err *e)
{
    Watch w = {.own = own, .o = *o};
    w.hooks = (PredictionWatch){
        .is_first = true, .begins = begins, .fails = fails, .done = done, .later = later, .context = &w};
    w.o.watch = &w.hooks;
    TRY(expect_folders(&w, e));
    TRY(prediction_open(&w.prediction, &w.o, c, e));
    int code = file_make_folders(o->output, e);
    if (!code) code = folder_lock_watch(&w.lock, o->output, e);
    if (!code) {
        code = watch_locked(&w, e);
        folder_unlock(&w.lock);
    }
    prediction_close(w.prediction);
    return code;
}
