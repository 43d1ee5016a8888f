#include "evaluation/outputs.h"

#include "base/file.h"
#include "base/memory.h"
#include "evaluation/summary_files.h"

int outputs_check(const char *folder, Err *e)
{
    OutFile probe;
    bool is_folder;
    TRY(file_make_folders(folder, e));
    char *path = path_format(e, "%s/summary.json", folder);
    int code = file_is_folder(path, &is_folder, e);
    if (!code && is_folder) code = err_set(e, ERR_IO, "%s: there is a folder of this file's name", path);
    if (!code) code = file_create(&probe, path, e);
    if (!code) file_abort(&probe);
    mem_free(path);
    return code;
}

static int remove_old(const char *folder, const char *name, Err *e)
{
    char *path = path_format(e, "%s/%s", folder, name);
    const int code = path ? file_remove(path, e) : ERR_NOMEM;
    mem_free(path);
    return code;
}

int outputs_remove(const char *folder, Err *e)
{
    static const char *const names[] = {"summary.json", "summary.yaml",  "per_case.csv",
                                        "paper.csv",    "instances.csv", "report.html"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) TRY(remove_old(folder, names[i], e));
    return 0;
}

int outputs_write(const Summary *s, const char *folder, Err *e)
{
    const struct {
        const char *name;
        int (*write)(const Summary *, const char *, Err *); /* NULL: written later, or not at all */
    } files[] = {
        {"report.html", NULL},
        {"instances.csv", s->has_instances ? summary_write_instance_csv : NULL},
        {"paper.csv", s->paper != PAPER_NONE ? summary_write_paper_csv : NULL},
        {"per_case.csv", summary_write_csv},
        {"summary.yaml", summary_write_yaml},
        {"summary.json", summary_write_json},
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        if (!files[i].write) {
            TRY(remove_old(folder, files[i].name, e));
            continue;
        }
        char *path = path_format(e, "%s/%s", folder, files[i].name);
        const int code = path ? files[i].write(s, path, e) : ERR_NOMEM;
        mem_free(path);
        TRY(code);
    }
    return 0;
}
