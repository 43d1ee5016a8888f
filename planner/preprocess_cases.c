#include "planner/preprocess_cases.h"

#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "data/npy.h"
#include "planner/case_loop.h"
#include "planner/case_writer.h"
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

static int preprocess_one(void *context, int index, const Case *c, FaultList *faults, Err *e)
{
    const Pass *pass = context;
    PreprocessRun *run = pass->run;
    MadeFrom made_from;
    bool fresh = false;
    origins_of_case(&made_from, run->origins, index, &pass->settings);
    int code = run->overwrite ? 0 : up_to_date(run, c, &made_from, &fresh, e);
    if (fresh) {
#pragma omp atomic
        run->skipped++;
    }
    if (!code && !fresh) code = make_case(pass, c, &made_from, faults, e);
    made_from_free(&made_from);
    return code;
}

int preprocess_cases(PreprocessRun *run, int threads, Progress *progress, FaultList *faults, Err *e)
{
    Pass pass = {.run = run};
    Err unwritten = {0};
    run->skipped = 0;
    TRY(case_writer_new(&pass.writer, run->folder, e));
    case_settings_add(&pass.settings, run->plan, &run->dataset->info);
    int code = for_each_case(run->dataset, preprocess_one, &pass, threads, progress, faults, e);
    const int writing = case_writer_finish(pass.writer, &unwritten);
    if (writing) { /* the writer's error names the case that was not written; the loop's names a later one */
        *e = unwritten;
        code = writing;
    }
    made_from_free(&pass.settings);
    return code;
}
