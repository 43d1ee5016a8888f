#include "planner/preprocess_cases.h"

#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "data/npy.h"
#include "planner/case_loop.h"
#include "planner/case_writer.h"
#include "planner/planning_share.h"
#include "preprocess/case.h"
#include "preprocess/case_settings.h"

typedef struct Pass {
    PreprocessRun *run;
    CaseWriter *writer;
    MadeFrom settings;
} Pass;

static bool holds(const CaseRecord *record, const char *folder, const char *id, const char *ending, const char *key)
{
    Array a = {0};
    char *path = path_format(NULL, "%s/%s%s.npy", folder, id, ending);
    const bool same = path && !npy_read(&a, path, NULL) && case_content_is(record, key, &a);
    array_free(&a);
    mem_free(path);
    return same;
}

/* Whether the arrays that were written with these properties exist. */
static bool is_whole(const CaseRecord *record, const char *folder, const Case *c)
{
    return holds(record, folder, c->id, "", "image") &&
           (!c->label || (holds(record, folder, c->id, "_seg", "labels") &&
                          holds(record, folder, c->id, "_locations", "locations")));
}

/* Whether the case was made from the same inputs, by the record in its properties, which are written last. */
static int up_to_date(const PreprocessRun *run, const Case *c, const MadeFrom *made_from, bool *fresh, Err *e)
{
    CaseProperties properties;
    CaseRecord record;
    char *path = path_format(e, "%s/%s.yaml", run->folder, c->id);
    if (!path) return ERR_NOMEM;
    const bool is_read = !made_from_check(made_from, NULL) && !case_properties_read(&properties, path, &record, NULL);
    *fresh = is_read && made_from_same(&record.made_from, made_from) && is_whole(&record, run->folder, c);
    if (is_read) case_record_free(&record);
    mem_free(path);
    return 0;
}

static int make_case(const Pass *pass, const Case *c, MadeFrom *made_from, FaultList *faults, Err *e)
{
    const PreprocessRun *run = pass->run;
    const DatasetInfo *info = &run->dataset->info;
    CaseData data;
    PreprocessedCase out;
    if (dataset_load_case(&data, info, c, faults)) return 0; /* its fault was added to the list */
    const Array *labels = data.labels.data ? &data.labels : NULL;
    const Geometry *g = &data.image.geometry;
    const GridAxes axes = grid_axes_read(g, plan_reader_axes(run->plan), run->plan->transpose_forward[0]);
    int code = case_preprocess(&out, &data.image.voxels, g->spacing_zyx_mm, &axes, labels, run->plan, info, e);
    case_data_free(&data);
    return code ? code : case_writer_give(pass->writer, &out, c->id, made_from, e);
}

static void list_origins(MadeFrom *m, const Pass *pass, int index, const Case *c)
{
    if (pass->run->origins) {
        origins_of_case(m, pass->run->origins, index, &pass->settings);
        return;
    }
    origins_of_files(m, c);
    made_from_add_all(m, &pass->settings);
}

static int preprocess_one(void *context, int index, const Case *c, FaultList *faults, Err *e)
{
    const Pass *pass = context;
    PreprocessRun *run = pass->run;
    MadeFrom made_from;
    bool fresh = false;
    list_origins(&made_from, pass, index, c);
    int code = run->overwrite ? 0 : up_to_date(run, c, &made_from, &fresh, e);
    if (fresh) {
#pragma omp atomic
        run->skipped++;
    }
    if (!code && !fresh) code = make_case(pass, c, &made_from, faults, e);
    made_from_free(&made_from);
    return code;
}

static int begin(Pass *pass, PreprocessRun *run, Err *e)
{
    *pass = (Pass){.run = run};
    run->skipped = 0;
    case_settings_add(&pass->settings, run->plan, &run->dataset->info);
    int code = made_from_check(&pass->settings, e);
    if (!code) code = case_writer_new(&pass->writer, run->folder, e);
    if (code) made_from_free(&pass->settings);
    return code;
}

/* A writer's error names the case that was not written; the loop's names a later one. */
static int finish(Pass *pass, int code, Err *e)
{
    Err unwritten = {0};
    const int writing = case_writer_finish(pass->writer, &unwritten);
    made_from_free(&pass->settings);
    if (!writing) return code;
    *e = unwritten;
    return writing;
}

/* At the end, how many of its cases were up to date. */
static int take_result(void *context, int index, const char *result, size_t bytes, Err *e)
{
    const Pass *pass = context;
    int skipped = 0;
    (void)e;
    if (index < 0) memcpy(&skipped, result, bytes);
#pragma omp atomic
    pass->run->skipped += skipped;
    return 0;
}

int preprocess_cases(PreprocessRun *run, int threads, const Process *world, Progress *progress, FaultList *faults,
                     Err *e)
{
    Pass pass;
    const CaseShare share = {world, SHARE_PREPROCESS, &run->overwrite, sizeof run->overwrite, take_result};
    TRY(begin(&pass, run, e));
    return finish(&pass, for_each_case(run->dataset, preprocess_one, &pass, threads, &share, progress, faults, e), e);
}

/* ---- the part of another process ---- */

struct PreprocessPart {
    Plan plan;
    char *folder;
    PreprocessRun run;
    Pass pass;
};

static int open_part(PreprocessPart *p, const char *preprocessed, Err *e)
{
    Text notes = {0}; /* rank 0 has told them */
    char *path = path_format(e, "%s/plans.yaml", preprocessed);
    int code = path ? plan_read(&p->plan, path, &notes, e) : ERR_NOMEM;
    text_free(&notes);
    mem_free(path);
    if (!code && !(p->folder = path_format(e, "%s/2d", preprocessed))) code = ERR_NOMEM;
    p->run.folder = p->folder;
    return code ? code : begin(&p->pass, &p->run, e);
}

static void free_part(PreprocessPart *p)
{
    mem_free(p->folder);
    mem_free(p);
}

int preprocess_part_new(PreprocessPart **part, const Dataset *d, const char *preprocessed, const char *parameters,
                        size_t bytes, Err *e)
{
    PreprocessPart *p = mem_zalloc(1, sizeof *p, e);
    if (!p) return ERR_NOMEM;
    p->run.dataset = d;
    p->run.plan = &p->plan;
    memcpy(&p->run.overwrite, parameters, bytes);
    const int code = open_part(p, preprocessed, e);
    if (code) free_part(p);
    else *part = p;
    return code;
}

int preprocess_part_case(PreprocessPart *p, int index, Text *result, Err *e)
{
    FaultList faults = {0};
    const Case *c = &p->run.dataset->training.cases[index];
    const int code = preprocess_one(&p->pass, index, c, &faults, e);
    if (code) err_context(e, "case %s", c->id);
    case_faults_pack(result, &faults);
    faults_free(&faults);
    return code;
}

int preprocess_part_end(PreprocessPart *p, Text *result, Err *e)
{
    text_add_bytes(result, (const char *)&p->run.skipped, sizeof p->run.skipped);
    const int code = finish(&p->pass, 0, e);
    free_part(p);
    return code;
}
