#include "planner/preprocess_cases.h"

#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "planner/case_loop.h"
#include "planner/case_writer.h"
#include "planner/stamp.h"
#include "preprocess/case.h"

typedef struct Pass {
    PreprocessRun *run;
    CaseWriter *writer;
} Pass;

/* Whether the case's properties, which are written last, carry this stamp. */
static int up_to_date(const PreprocessRun *run, const Case *c, const char *stamp, bool *fresh, Err *e)
{
    CaseProperties properties;
    char found[CASE_STAMP_BYTES];
    Err unreadable = {0};
    char *path = path_format(e, "%s/%s.yaml", run->folder, c->id);
    if (!path) return ERR_NOMEM;
    *fresh = file_exists(path) &&
             !case_properties_read(&properties, path, found, sizeof found, &unreadable) &&
             !strcmp(found, stamp);
    mem_free(path);
    return 0;
}

static int preprocess_one(void *context, int index, const Case *c, FaultList *faults, Err *e)
{
    (void)index;
    const Pass *pass = context;
    PreprocessRun *run = pass->run;
    const DatasetInfo *info = &run->dataset->info;
    char stamp[CASE_STAMP_BYTES];
    bool fresh = false;
    CaseData data;
    PreprocessedCase out;
    TRY(stamp_of_case(stamp, c, info, run->plan, e));
    if (!run->overwrite) TRY(up_to_date(run, c, stamp, &fresh, e));
    if (fresh) {
#pragma omp atomic
        run->skipped++;
        return 0;
    }
    if (dataset_load_case(&data, info, c, faults)) return 0; /* its fault stands in the list */
    const Array *labels = data.labels.data ? &data.labels : NULL;
    int code = case_preprocess(&out, &data.image.voxels, data.image.geometry.spacing_zyx_mm, labels,
                               run->plan, info, e);
    case_data_free(&data);
    return code ? code : case_writer_give(pass->writer, &out, c->id, stamp, e);
}

int preprocess_cases(PreprocessRun *run, int threads, Progress *progress, FaultList *faults, Err *e)
{
    Pass pass = {.run = run};
    Err unwritten = {0};
    run->skipped = 0;
    TRY(case_writer_new(&pass.writer, run->folder, e));
    int code = for_each_case(run->dataset, preprocess_one, &pass, threads, progress, faults, e);
    const int writing = case_writer_finish(pass.writer, &unwritten);
    if (writing && !code) {
        *e = unwritten;
        code = writing;
    }
    return code;
}
