#include "evaluation/outputs.h"

#include "base/file.h"
#include "base/memory.h"
#include "evaluation/summary_files.h"

/* summary.json comes first: where it is, all others are of its evaluation. */
static const char *const names[] = {"summary.json", "summary.yaml",  "per_case.csv",
                                    "paper.csv",    "instances.csv", "report.html"};
enum { NAMES = sizeof names / sizeof *names };

static int expect_no_folder(const char *folder, const char *name, Err *e)
{
    bool is_folder;
    char *path = path_format(e, "%s/%s", folder, name);
    int code = file_is_folder(path, &is_folder, e);
    if (!code && is_folder) code = err_set(e, ERR_IO, "%s: there is a folder of this file's name", path);
    mem_free(path);
    return code;
}

int outputs_check(const char *folder, Err *e)
{
    OutFile probe;
    TRY(file_make_folders(folder, e));
    for (int i = 0; i < NAMES; i++) TRY(expect_no_folder(folder, names[i], e));
    char *path = path_format(e, "%s/summary.json", folder);
    const int code = path ? file_create(&probe, path, e) : ERR_NOMEM;
    if (!code) file_abort(&probe);
    mem_free(path);
    return code;
}

int outputs_remove(const char *folder, Err *e)
{
    for (int i = 0; i < NAMES; i++) {
        char *path = path_format(e, "%s/%s", folder, names[i]);
        const int code = path ? file_remove(path, e) : ERR_NOMEM;
        mem_free(path);
        TRY(code);
    }
    return 0;
}

typedef struct Output {
    const char *name;
    void (*add)(const Summary *, Text *); /* NULL: this evaluation has no such file */
    OutFile file;
} Output;

static int write_file(Output *o, const char *folder, const Text *text, Err *e)
{
    char *path = path_format(e, "%s/%s", folder, o->name);
    int code = path ? file_create(&o->file, path, e) : ERR_NOMEM;
    if (!code) code = file_write(&o->file, text->data, text->length, e);
    if (!code) code = file_flush(&o->file, e);
    mem_free(path);
    return code;
}

static int write_output(Output *o, const Summary *s, const char *folder, Err *e)
{
    Text text = {0};
    if (!o->add) return 0;
    o->add(s, &text);
    int code = text_check(&text, e);
    if (!code) code = write_file(o, folder, &text, e);
    text_free(&text);
    return code;
}

int outputs_write(const Summary *s, const char *folder, Err *e)
{
    Output outputs[] = {
        {"instances.csv", s->has_instances ? summary_add_instance_csv : NULL, {FILE_CLOSED}},
        {"paper.csv", s->paper != PAPER_NONE ? summary_add_paper_csv : NULL, {FILE_CLOSED}},
        {"per_case.csv", summary_add_csv, {FILE_CLOSED}},
        {"summary.yaml", summary_add_yaml, {FILE_CLOSED}},
        {"summary.json", summary_add_json, {FILE_CLOSED}},
    };
    const size_t count = sizeof outputs / sizeof *outputs;
    int code = 0;
    for (size_t i = 0; i < count && !code; i++) code = write_output(&outputs[i], s, folder, e);
    if (!code) code = outputs_remove(folder, e);
    for (size_t i = 0; i < count && !code; i++)
        if (outputs[i].add) code = file_commit(&outputs[i].file, e);
    for (size_t i = 0; i < count; i++) file_abort(&outputs[i].file);
    return code;
}
