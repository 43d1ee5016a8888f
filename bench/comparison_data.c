#include "bench/comparison_data.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/memory.h"
#include "planner/origins.h"

static int add_training(MadeFrom *m, const char *dataset, int threads, bool quiet, Err *e)
{
    Dataset d;
    Origins origins;
    Progress progress;
    FaultList faults = {0};
    int code = dataset_open(&d, dataset, &faults, e);
    faults_free(&faults); /* plan_and_preprocess reports them */
    if (code) return code;
    progress_begin(&progress, "read the dataset", d.training.count, quiet);
    code = origins_read(&origins, &d, threads, &progress, e);
    progress_end(&progress);
    if (!code) origins_of_dataset(m, &origins, &d);
    origins_free(&origins);
    dataset_close(&d);
    return code;
}

static int add_names(Text *t, const char *folder, const FileList *list, Err *e)
{
    for (int i = 0; i < list->count; i++) {
        char hash[HASH_BYTES];
        char *path = path_format(e, "%s/%s", folder, list->names[i]);
        const int code = path ? hash_file(hash, path, e) : ERR_NOMEM;
        mem_free(path);
        if (code) return code;
        text_add(t, "%s %s\n", list->names[i], hash);
    }
    return text_check(t, e);
}

/* All files of a folder of the dataset, as the key of its name. */
static int add_folder(MadeFrom *m, const char *dataset, const char *name, Err *e)
{
    Text t = {0};
    FileList list = {0};
    char hash[HASH_BYTES];
    char *folder = path_format(e, "%s/%s", dataset, name);
    int code = folder ? file_list(&list, folder, e) : ERR_NOMEM;
    if (!code) code = add_names(&t, folder, &list, e);
    if (!code) {
        hash_bytes(hash, t.data ? t.data : "", t.length);
        made_from_add(m, name, "%d with names and content %s", list.count, hash);
    }
    file_list_free(&list);
    mem_free(folder);
    text_free(&t);
    return code;
}

int comparison_data_read(MadeFrom *m, const char *dataset, bool of_test, int threads, bool quiet, Err *e)
{
    *m = (MadeFrom){0};
    TRY(add_training(m, dataset, threads, quiet, e));
    if (of_test) {
        TRY(add_folder(m, dataset, "imagesTs", e));
        TRY(add_folder(m, dataset, "labelsTs", e));
    }
    return made_from_check(m, e);
}
