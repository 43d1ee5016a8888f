#include "convert/conversion.h"

#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/program.h"
#include "base/staging.h"

static const char *const parts[] = {"Tr", "Val", "Ts"};
enum { PARTS = sizeof parts / sizeof parts[0] };

/* ---- OUT ---- */

/* Whether `path` is `folder`, or in it. Both exist. */
static int is_inside(bool *inside, const char *path, const char *folder, Err *e)
{
    char *a = path_absolute(path, e), *b = a ? path_absolute(folder, e) : NULL;
    const size_t length = b ? strlen(b) : 0;
    *inside = b && !strncmp(a, b, length) && (!a[length] || a[length] == '/');
    const int code = b ? 0 : e->code;
    mem_free(a);
    mem_free(b);
    return code;
}

/* Whether a dataset.json is of an earlier conversion, by its description. One that cannot be read is not. */
static bool is_converted(const char *json)
{
    DatasetInfo info;
    if (dataset_info_read(&info, json, NULL)) return false;
    const bool converted = info.description && strstr(info.description, CONVERSION_MARK);
    dataset_info_free(&info);
    return converted;
}

/* Only a converted dataset is replaced: it can be made again. */
static int check_out(const Conversion *c, Err *e)
{
    bool there, inside;
    TRY(file_is_there(c->out, &there, e));
    if (!there) return 0;
    TRY(is_inside(&inside, c->in, c->out, e));
    if (inside) return err_set(e, ERR_VALUE, "%s: is the input folder, or contains it: give OUT another name", c->out);
    char *json = path_format(e, "%s/dataset.json", c->out);
    const bool converted = json && is_converted(json);
    mem_free(json);
    if (!json) return ERR_NOMEM;
    if (!converted)
        return err_set(e, ERR_VALUE,
                       "%s: exists, is not of convert_dataset, and is not replaced: give OUT another name", c->out);
    if (c->overwrite) return 0;
    return err_set(e, ERR_VALUE, "%s: exists already; --overwrite replaces it", c->out);
}

/* ---- the items ---- */

/* All items, on all threads. Each item's failure becomes a fault, in the order of the items. */
static int write_items(Conversion *c, Progress *progress, Err *e)
{
    FaultList *found = mem_zalloc((size_t)c->count, sizeof *found, e);
    if (!found) return ERR_NOMEM;
#pragma omp parallel for schedule(dynamic)
    for (int i = 0; i < c->count; i++) {
        Err own = {0};
        if (program_interrupted()) continue;
        if (!c->source->write(c, &c->items[i], &own)) {
            progress_step(progress, 1, c->items[i].id);
            continue;
        }
        fault_add_failure(&found[i], NULL, &own);
        progress_fail(progress, c->items[i].id);
    }
    for (int i = 0; i < c->count; i++) faults_move(&c->faults, &found[i]);
    mem_free(found);
    return program_interrupted() ? err_set(e, ERR_INTERRUPTED, "interrupted; nothing was written") : 0;
}

/* ---- dataset.json and the splits ---- */

static int write_description(Conversion *c, Err *e)
{
    char *json = path_format(e, "%s/dataset.json", c->fresh);
    char *splits = json ? path_format(e, "%s/splits_final.json", c->fresh) : NULL;
    DatasetInfo check = {0};
    int code = splits ? dataset_info_write(&c->info, json, e) : ERR_NOMEM;
    if (!code && c->splits.count) code = splits_write(&c->splits, splits, e);
    if (!code && dataset_info_read(&check, json, e))
        code = err_context(e, "what the source's labels and channels give");
    if (check.doc) dataset_info_free(&check);
    mem_free(splits);
    mem_free(json);
    return code;
}

/* numTraining is the number of labels: a case of several channels has several items. */
static void count_items(Conversion *c)
{
    for (int k = 0; k < PARTS; k++) {
        int images = 0, labels = 0;
        for (int i = 0; i < c->count; i++) {
            if (strcmp(c->items[i].part, parts[k])) continue;
            images += c->items[i].image != NULL;
            labels += c->items[i].label != NULL;
        }
        if (!k) c->info.num_training = labels;
        if (images || labels)
            text_add(&c->told, "images%s: %d image%s, %d label%s\n", parts[k], images, images == 1 ? "" : "s", labels,
                     labels == 1 ? "" : "s");
    }
}

static int refuse_faults(const Conversion *c, Err *e)
{
    if (!c->faults.errors) return 0;
    if (faults_expect_memory(&c->faults, e)) return err_context(e, "%s is not written", c->out);
    return err_set(e, ERR_VALUE, "%d error%s: %s is not written", c->faults.errors, c->faults.errors == 1 ? "" : "s",
                   c->out);
}

static int fill(Conversion *c, Progress *progress, Err *e)
{
    TRY(write_items(c, progress, e));
    TRY(refuse_faults(c, e));
    return write_description(c, e);
}

int conversion_find(Conversion *c, Err *e)
{
    TRY(check_out(c, e));
    TRY(c->source->find(c, e));
    TRY(refuse_faults(c, e));
    count_items(c);
    return text_check(&c->told, e);
}

int conversion_write(Conversion *c, Progress *progress, Err *e)
{
    Staging staging;
    TRY(staging_begin(&staging, c->out, "convert", e));
    c->fresh = staging.fresh;
    int code = check_out(c, e); /* again: another run may have made it before this one began to */
    if (!code) code = fill(c, progress, e);
    if (!code) code = staging_settle(&staging, e);
    return staging_end(&staging, code, e);
}

void conversion_free(Conversion *c)
{
    for (int i = 0; i < c->count; i++) {
        mem_free(c->items[i].id);
        mem_free(c->items[i].image);
        mem_free(c->items[i].label);
    }
    mem_free(c->items);
    splits_free(&c->splits);
    faults_free(&c->faults);
    text_free(&c->told);
    doc_free(&c->doc);
    mem_free(c->description);
}
