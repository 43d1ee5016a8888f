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
    code = origins_read(&origins, &d, threads, NULL, &progress, e);
    progress_end(&progress);
    if (!code) origins_of_dataset(m, &origins, &d);
    origins_free(&origins);
    dataset_close(&d);
    return code;
}

static int add_file(Text *t, const char *path, Err *e)
{
    char hash[HASH_BYTES];
    TRY(hash_file(hash, path, e));
    text_add(t, "%s %s\n", path_base(path), hash);
    return text_check(t, e);
}

/* *files: number of files. Folders are left out: predict and evaluate do not read them. */
static int add_files(Text *t, int *files, const char *folder, Err *e)
{
    FileList list;
    int code = file_list(&list, folder, e);
    *files = 0;
    for (int i = 0; i < list.count && !code; i++) {
        char *path = path_format(e, "%s/%s", folder, list.names[i]);
        bool is_folder;
        code = file_is_folder(path, &is_folder, e);
        if (!code && !is_folder) {
            code = add_file(t, path, e);
            ++*files;
        }
        mem_free(path);
    }
    file_list_free(&list);
    return code;
}

/* All files of a folder of the dataset, as the key of its name. */
static int add_folder(MadeFrom *m, const char *dataset, const char *name, Err *e)
{
    Text t = {0};
    int files;
    char hash[HASH_BYTES];
    char *folder = path_format(e, "%s/%s", dataset, name);
    const int code = folder ? add_files(&t, &files, folder, e) : ERR_NOMEM;
    if (!code) {
        hash_bytes(hash, t.data ? t.data : "", t.length);
        made_from_add(m, name, "%d with names and content %s", files, hash);
    }
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
