#include "planner/origins.h"

#include <stdio.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/memory.h"
#include "data/image_files.h"
#include "planner/case_loop.h"
#include "planner/planning_share.h"

enum { FINGERPRINT_VERSION = 3 }; /* to be raised when the fingerprint itself changes */

/* Adds the hash of an image, with all files that belong to it. */
static void add_image(MadeFrom *m, const char *key, const char *path)
{
    char hash[HASH_BYTES];
    if (!m->failure.code && !image_hash(hash, path, &m->failure)) made_from_add(m, key, "%s", hash);
}

void origins_of_files(MadeFrom *m, const Case *c)
{
    char key[32];
    *m = (MadeFrom){0};
    for (int i = 0; i < c->image_count; i++) {
        snprintf(key, sizeof key, "image %d", i);
        add_image(m, key, c->images[i]);
    }
    if (c->label) add_image(m, "label", c->label);
}

static int read_case(void *context, int index, const Case *c, FaultList *faults, Err *e)
{
    (void)faults, (void)e;
    origins_of_files(&((Origins *)context)->cases[index], c);
    return 0;
}

static int take_case(void *context, int index, const char *result, size_t bytes, Err *e)
{
    return index < 0 ? 0 : made_from_unpack(&((Origins *)context)->cases[index], result, bytes, e);
}

int origins_read(Origins *o, const Dataset *d, int threads, const Process *world, Progress *progress, Err *e)
{
    const CaseShare share = {.world = world, .kind = SHARE_ORIGINS, .take = take_case};
    FaultList none = {0};
    *o = (Origins){.cases = mem_zalloc((size_t)d->training.count + 1, sizeof *o->cases, e)};
    if (!o->cases) return ERR_NOMEM;
    o->count = d->training.count;
    return for_each_case(d, read_case, o, threads, &share, progress, &none, e);
}

void origins_free(Origins *o)
{
    for (int i = 0; i < o->count; i++) made_from_free(&o->cases[i]);
    mem_free(o->cases);
    *o = (Origins){0};
}

static int add_case(Text *t, const MadeFrom *origin, const char *id, Err *e)
{
    TRY(made_from_check(origin, e));
    text_add(t, "%s\n", id);
    for (int i = 0; i < origin->count; i++) text_add(t, "%s %s\n", origin->items[i].key, origin->items[i].value);
    return 0;
}

void origins_of_dataset(MadeFrom *m, const Origins *o, const Dataset *d)
{
    Text t = {0};
    char hash[HASH_BYTES] = "";
    int code = made_from_check(m, NULL);
    for (int i = 0; i < o->count && !code; i++) code = add_case(&t, &o->cases[i], d->training.cases[i].id, &m->failure);
    if (!code) code = text_check(&t, &m->failure);
    if (!code) hash_bytes(hash, t.data ? t.data : "", t.length);
    text_free(&t);
    char *description = path_format(&m->failure, "%s/dataset.json", d->folder);
    if (description) made_from_add_file(m, "dataset.json", description);
    made_from_add(m, "cases", "%d with names and content %s", o->count, hash);
    mem_free(description);
}

void origins_of_fingerprint(MadeFrom *m, const Origins *o, const Dataset *d, ReaderAxes axes)
{
    *m = (MadeFrom){0};
    made_from_add(m, "version", "%d", FINGERPRINT_VERSION);
    made_from_add(m, "axes", "%d", (int)axes);
    origins_of_dataset(m, o, d);
}

void origins_of_case(MadeFrom *m, const Origins *o, int index, const MadeFrom *settings)
{
    *m = (MadeFrom){0};
    made_from_add_all(m, &o->cases[index]);
    made_from_add_all(m, settings);
}
