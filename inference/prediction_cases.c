#include "inference/prediction_cases.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "base/crew.h"
#include "base/memory.h"
#include "base/sys.h"
#include "data/image_files.h"
#include "inference/prediction_record.h"

int prediction_cases_new(PredictionCases *c, InputList *inputs, RecordTexts *orientations, Err *e)
{
    *c = (PredictionCases){.inputs = *inputs, .orientations = orientations};
    *inputs = (InputList){0};
    const size_t cases = (size_t)c->inputs.count;
    c->fates = mem_zalloc(cases, sizeof *c->fates, e);
    c->renewed = mem_zalloc(cases, sizeof *c->renewed, e);
    c->hashes = mem_zalloc(cases, sizeof *c->hashes, e);
    if (c->fates && c->renewed && c->hashes) return 0;
    prediction_cases_free(c);
    return ERR_NOMEM;
}

void prediction_cases_free(PredictionCases *c)
{
    for (int i = 0; i < c->inputs.count && c->hashes; i++) recorded_files_free(&c->hashes[i]);
    mem_free(c->hashes);
    mem_free(c->renewed);
    mem_free(c->fates);
    inputs_free(&c->inputs);
    *c = (PredictionCases){0};
}

static const char *name_of(const void *context, int64_t index)
{
    return ((const PredictionCases *)context)->inputs.cases[index].files.id;
}

void prediction_cases_hash(char hash[HASH_BYTES], const PredictionCases *c)
{
    crew_hash(hash, c->inputs.count, name_of, c);
}

int prediction_cases_count(const PredictionCases *c, CaseFate fate)
{
    int count = 0;
    for (int i = 0; i < c->inputs.count; i++) count += c->fates[i] == fate;
    return count;
}

int prediction_cases_inputs(MadeFrom *inputs, PredictionCases *c, int index, Err *e)
{
    const Case *files = &c->inputs.cases[index].files;
    RecordedFiles *hashes = &c->hashes[index];
    *inputs = (MadeFrom){0};
    if (!hashes->count) {
        MadeFrom made = {0};
        for (int i = 0; i < files->image_count; i++) prediction_inputs_add(&made, files->images[i]);
        const int code = recorded_files_take(hashes, &made, e);
        made_from_free(&made);
        if (code) return code;
    }
    const MadeFrom view = recorded_files_view(hashes);
    made_from_add_all(inputs, &view);
    const int code = made_from_check(inputs, e);
    if (code) made_from_free(inputs);
    return code;
}

/* ---- outputs that are inputs ---- */

struct InputPlace {
    uint64_t device, inode;
};

static int by_place(const void *a, const void *b)
{
    const struct InputPlace *x = a, *y = b;
    if (x->device != y->device) return x->device < y->device ? -1 : 1;
    return (x->inode > y->inode) - (x->inode < y->inode);
}

static bool find_place(struct InputPlace *place, const char *path)
{
    struct stat info;
    if (sys_stat(path, &info)) return false;
    *place = (struct InputPlace){(uint64_t)info.st_dev, (uint64_t)info.st_ino};
    return true;
}

static int add_place(InputPlaces *p, const char *path, Err *e)
{
    struct InputPlace place;
    if (!find_place(&place, path)) return 0;
    TRY(mem_grow_list(&p->places, p->count, sizeof place, e));
    p->places[p->count++] = place;
    return 0;
}

/* Adds all files that the images of a case consist of. */
static int add_places(InputPlaces *p, const Case *c, Err *e)
{
    for (int k = 0; k < c->image_count; k++) {
        FileList files;
        Err unreadable; /* an unreadable image is reported when its case is read */
        int code = image_files(&files, c->images[k], &unreadable);
        if (code == ERR_NOMEM) return err_set(e, code, "%s", unreadable.text);
        if (code) code = add_place(p, c->images[k], e);
        for (int i = 0; i < files.count && !code; i++) code = add_place(p, files.names[i], e);
        file_list_free(&files);
        TRY(code);
    }
    return 0;
}

int input_places_new(InputPlaces *p, const PredictionCases *c, Err *e)
{
    int code = 0;
    *p = (InputPlaces){0};
    for (int i = 0; i < c->inputs.count && !code; i++) code = add_places(p, &c->inputs.cases[i].files, e);
    if (code) input_places_free(p);
    else if (p->count) qsort(p->places, (size_t)p->count, sizeof *p->places, by_place);
    return code;
}

bool input_places_have(const InputPlaces *p, const char *path)
{
    struct InputPlace place;
    return p->count && find_place(&place, path) && bsearch(&place, p->places, (size_t)p->count, sizeof place, by_place);
}

void input_places_free(InputPlaces *p)
{
    mem_free(p->places);
    *p = (InputPlaces){0};
}
