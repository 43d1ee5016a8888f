#include "serve/series.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/memory_file.h"
#include "base/sys.h"
#include "base/tool.h"

/* Images of the series, one for each channel, and the labels. */
typedef struct Work {
    int count;
    int files[UPLOAD_FILES];
    char paths[UPLOAD_FILES][MEMORY_FILE_PATH_BYTES];
    int labels;
    char labels_path[MEMORY_FILE_PATH_BYTES];
} Work;

/* ---- what is sent ---- */

static bool is_dicom(int fd)
{
    enum { PREAMBLE = 128 };
    char head[PREAMBLE + 4] = {0};
    const ssize_t count = sys_read_at(fd, head, sizeof head, 0);
    return (count >= 4 && !memcmp(head, "PK\3\4", 4)) || (count == sizeof head && !memcmp(head + PREAMBLE, "DICM", 4));
}

bool series_is_sent(const Upload *u)
{
    int count = 0;
    for (int i = 0; i < u->count; i++) count += is_dicom(u->fds[i]);
    return count && count == u->count;
}

/* ---- the program ---- */

/* A series of 2000 slices needs some seconds. */
static const char cpu_seconds[] = "600";

static int run(const SeriesRequest *r, const char *const *arguments, const int *files, int file_count, Text *warnings,
               Err *e)
{
    const char *all[UPLOAD_FILES + 16];
    char memory[32];
    int count = 0;
    snprintf(memory, sizeof memory, "%lldK", (long long)(r->memory >> 10));
    while (arguments[count]) all[count] = arguments[count], count++;
    all[count++] = "--memory";
    all[count++] = memory;
    all[count++] = "--cpu-time";
    all[count++] = cpu_seconds;
    all[count] = NULL;
    const Tool tool = {.name = "convert_dicom",
                       .arguments = all,
                       .files = files,
                       .file_count = file_count,
                       .stop = r->stop,
                       .context = r->context};
    const int code = tool_run(&tool, warnings, e);
    if (code == ERR_NOMEM) e->code = ERR_LIMIT; /* that of --memory */
    return code ? (int)e->code : 0;
}

/* Adds the paths first … past - 1 of the upload, and their files. */
static int add_uploads(const char **arguments, int *files, const Upload *u, int first, int past)
{
    int count = 0;
    for (int i = first; i < past; i++, count++) {
        arguments[count] = u->paths[i];
        files[count] = u->fds[i];
    }
    return count;
}

/* Makes the image of a channel from the files first … past - 1. */
static int read_channel(Work *w, const SeriesRequest *r, int first, int past, Text *warnings, Err *e)
{
    const char *arguments[UPLOAD_FILES + 8], *orientation = swin_model_info(r->model)->orientation;
    int files[UPLOAD_FILES + 1], count = add_uploads(arguments, files, r->upload, first, past);
    const int fd = memory_file_new("series.nii", w->paths[w->count], e);
    if (fd < 0) return e->code;
    w->files[w->count++] = files[count] = fd;
    upload_add_other(r->upload, w->paths[w->count - 1], r->upload->names[first]);
    const int file_count = count + 1;
    arguments[count++] = "-o";
    arguments[count++] = w->paths[w->count - 1];
    if (orientation) {
        arguments[count++] = "--orientation";
        arguments[count++] = orientation;
    }
    arguments[count] = NULL;
    return run(r, arguments, files, file_count, warnings, e);
}

/* The objects of a model with one channel are slices of one series; else each file is a channel. */
static int read_all(Work *w, const SeriesRequest *r, Text *warnings, Err *e)
{
    const int count = r->upload->count, channels = swin_model_info(r->model)->channel_count;
    if (channels == 1) return read_channel(w, r, 0, count, warnings, e);
    int code = 0;
    for (int i = 0; i < count && !code; i++) code = read_channel(w, r, i, i + 1, warnings, e);
    return code;
}

static int write_labels(const Work *w, const SeriesRequest *r, Err *e)
{
    const char *arguments[UPLOAD_FILES + 8];
    int files[UPLOAD_FILES + 2];
    const int past = w->count == 1 ? r->upload->count : 1; /* the first channel's series */
    int count = add_uploads(arguments, files, r->upload, 0, past);
    files[count] = w->labels;
    files[count + 1] = r->file;
    const int file_count = count + 2;
    const char *const more[] = {"--labels", w->labels_path, "-d", swin_model_info(r->model)->dataset_json,
                                "-o",       r->output,      NULL};
    for (int i = 0; i < 7; i++) arguments[count++] = more[i];
    Text again = {0}; /* the warnings of the first reading */
    const int code = run(r, arguments, files, file_count, &again, e);
    text_free(&again);
    return code;
}

/* ---- the prediction ---- */

static int predict(Work *w, const SeriesRequest *r, swin_error *error)
{
    const char *images[UPLOAD_FILES];
    for (int i = 0; i < w->count; i++) images[i] = w->paths[i];
    const char *output = r->writes_dicom ? w->labels_path : r->output;
    return swin_predict_file(r->model, images, w->count, output, r->listener, error);
}

static int work(Work *w, const SeriesRequest *r, Text *warnings, swin_error *error, Err *e)
{
    w->labels = memory_file_new("labels.nii", w->labels_path, e);
    if (w->labels < 0) return e->code;
    upload_add_other(r->upload, w->labels_path, "the labels");
    TRY(read_all(w, r, warnings, e));
    const int code = predict(w, r, error);
    if (code) return err_set(e, (ErrCode)code, "%s", error->text);
    return r->writes_dicom ? write_labels(w, r, e) : 0;
}

int series_predict(const SeriesRequest *r, Text *warnings, swin_error *error)
{
    Err e = {0};
    Work w = {.labels = -1};
    const int code = work(&w, r, warnings, error, &e);
    for (int i = 0; i < w.count; i++) close(w.files[i]);
    if (w.labels >= 0) close(w.labels);
    if (code) {
        error->code = code;
        snprintf(error->text, sizeof error->text, "%s", e.text);
    }
    return code;
}
