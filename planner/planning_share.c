#include "planner/planning_share.h"

#include "base/crew.h"
#include "base/memory.h"
#include "planner/case_loop.h"
#include "planner/fingerprint_extract.h"
#include "planner/origins.h"
#include "planner/preprocess_cases.h"

typedef struct Server {
    const char *preprocessed;
    Dataset dataset;
    Err closed; /* why the dataset could not be opened: rank 0 tells the same */
    FingerprintPart *fingerprint;
    PreprocessPart *preprocess;
} Server;

static int begin(void *context, int kind, const char *parameters, size_t bytes, Err *e)
{
    Server *s = context;
    if (s->closed.code) {
        *e = s->closed;
        return e->code;
    }
    switch ((ShareKind)kind) {
    case SHARE_ORIGINS: return 0;
    case SHARE_FINGERPRINT: return fingerprint_part_new(&s->fingerprint, &s->dataset, parameters, bytes, e);
    case SHARE_PREPROCESS:
        return preprocess_part_new(&s->preprocess, &s->dataset, s->preprocessed, parameters, bytes, e);
    }
    return 0;
}

static int hash_files(const Case *c, Text *result)
{
    MadeFrom m;
    origins_of_files(&m, c);
    case_faults_pack(result, &(FaultList){0});
    made_from_pack(result, &m);
    made_from_free(&m);
    return 0;
}

static int serve(void *context, int kind, int64_t index, Text *result, Err *e)
{
    Server *s = context;
    switch ((ShareKind)kind) {
    case SHARE_ORIGINS: return hash_files(&s->dataset.training.cases[index], result);
    case SHARE_FINGERPRINT: return fingerprint_part_case(s->fingerprint, (int)index, result, e);
    case SHARE_PREPROCESS: return preprocess_part_case(s->preprocess, (int)index, result, e);
    }
    return 0;
}

static int end(void *context, int kind, Text *result, Err *e)
{
    Server *s = context;
    int code = 0;
    if (kind == SHARE_FINGERPRINT) {
        code = fingerprint_part_end(s->fingerprint, result, e);
        fingerprint_part_free(s->fingerprint);
        s->fingerprint = NULL;
    } else if (kind == SHARE_PREPROCESS) {
        code = preprocess_part_end(s->preprocess, result, e);
        s->preprocess = NULL;
    }
    return code;
}

int planning_share_serve(const Process *world, const char *dataset, const char *preprocessed, int threads, Err *e)
{
    Server s = {.preprocessed = preprocessed};
    FaultList known = {0}; /* by rank 0 */
    if (dataset_open(&s.dataset, dataset, &known, &s.closed)) s.dataset = (Dataset){0};
    CrewWork work = {begin, serve, end, &s, threads, ""};
    case_names_hash(work.names, &s.dataset);
    const int code = crew_serve(world, &work, e);
    faults_free(&known);
    dataset_close(&s.dataset);
    return code;
}
