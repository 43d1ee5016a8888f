#include "tests/support/golden_nnunet.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/half.h"
#include "base/memory.h"
#include "data/npy.h"

/* The parts: one line each. raw contains only inputs. */
static const struct {
    const char *name;
    void (*run)(Golden *g);
} parts[] = {
    {"plans", golden_plans},
    {"splits", golden_splits},
    {"resample", golden_resample},
    {"preprocessed", golden_preprocessed},
    {"augment", golden_augment},
    {"inference", golden_inference},
    {"postprocessing", golden_postprocessing},
    {"metrics", golden_metrics},
    {"raw", NULL},
};

void golden_nnunet(Golden *g)
{
    FileList list;
    golden_files(g, ".", &list);
    for (int i = 0; i < list.count; i++) {
        size_t p = 0;
        while (p < sizeof parts / sizeof *parts && strcmp(parts[p].name, list.names[i])) p++;
        const bool known = p < sizeof parts / sizeof *parts;
        char *path = golden_path(g, list.names[i], NULL);
        if (known && parts[p].run) parts[p].run(g);
        bool is_folder;
        if (!known && !file_is_folder(path, &is_folder, NULL) && is_folder && golden_begin(g, "%s", list.names[i]))
            golden_skip(g, "unknown part");
        mem_free(path);
    }
    file_list_free(&list);
}

int golden_set_open(GoldenSet *set, const Golden *g, const char *name, Err *e)
{
    FaultList faults = {0};
    char *plans = path_format(e, "%s/plans/%s_nnUNetPlans.json", g->folder, name), *raw = NULL;
    *set = (GoldenSet){0};
    int code = plans ? plan_read(&set->plan, plans, NULL, e) : ERR_NOMEM;
    if (!code) raw = path_format(e, "%s/raw/%s", g->folder, set->plan.dataset_name);
    if (!code) code = raw ? dataset_open(&set->dataset, raw, &faults, e) : ERR_NOMEM;
    if (!code && faults.errors) {
        code = err_set(e, ERR_VALUE, "%s: %s", raw, faults.faults[0].text);
        dataset_close(&set->dataset);
    }
    faults_free(&faults);
    mem_free(raw);
    mem_free(plans);
    return code;
}

void golden_set_close(GoldenSet *set) { dataset_close(&set->dataset); }

const DocNode *golden_document(Golden *g, Doc *doc, const char *part, const char *file)
{
    Err e = {0};
    char name[256];
    snprintf(name, sizeof name, "%s/%s", part, file);
    *doc = (Doc){0};
    if (!golden_wanted(g, name)) return NULL;
    char *path = golden_path(g, name, &e);
    const int code = path ? doc_read(doc, path, &e) : ERR_NOMEM;
    mem_free(path);
    if (!code) return doc->root;
    if (golden_begin(g, "%s", name)) {
        golden_fail(g, "%s", e.text);
        golden_end(g);
    }
    return NULL;
}

double golden_value(const Array *a, int64_t i)
{
    switch (a->dtype) {
    case DTYPE_F64: return ((double *)a->data)[i];
    case DTYPE_F32: return ((float *)a->data)[i];
    case DTYPE_F16: return half_to_double(((uint16_t *)a->data)[i]);
    case DTYPE_I64: return (double)((int64_t *)a->data)[i];
    case DTYPE_I32: return ((int32_t *)a->data)[i];
    case DTYPE_I16: return ((int16_t *)a->data)[i];
    case DTYPE_I8: return ((int8_t *)a->data)[i];
    case DTYPE_U16: return ((uint16_t *)a->data)[i];
    case DTYPE_BOOL:
    case DTYPE_U8: return ((uint8_t *)a->data)[i];
    default: return NAN;
    }
}

static int read_formed(Array *a, const Golden *g, const char *format, va_list args, Err *e)
{
    char file[256];
    vsnprintf(file, sizeof file, format, args);
    *a = (Array){0};
    char *path = golden_path(g, file, e);
    const int code = path ? npy_read(a, path, e) : ERR_NOMEM;
    mem_free(path);
    return code;
}

int golden_array(Array *a, const Golden *g, Err *e, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const int code = read_formed(a, g, format, args, e);
    va_end(args);
    return code;
}

int golden_labels(Array *a, const Golden *g, Err *e, const char *format, ...)
{
    Array stored;
    va_list args;
    va_start(args, format);
    int code = read_formed(&stored, g, format, args, e);
    va_end(args);
    *a = (Array){0};
    if (!code) code = array_new(a, DTYPE_I16, stored.rank, stored.shape, e);
    for (int64_t i = 0; !code && i < array_count(a); i++) ((int16_t *)a->data)[i] = (int16_t)golden_value(&stored, i);
    array_free(&stored);
    return code;
}

static double scalar(const DocNode *node)
{
    double value;
    bool flag;
    if (node->kind == DOC_SCALAR && doc_text_to_double(node->text, &value)) return value;
    if (node->kind == DOC_SCALAR && doc_text_to_bool(node->text, &flag)) return flag;
    return NAN;
}

/* Compares from `at` on; returns how many numbers the node has, and keeps the largest difference. */
static int compare(const DocNode *node, const double *found, int count, int at, double tolerance, double *worst)
{
    if (node->kind != DOC_SCALAR) {
        int numbers = 0;
        for (const DocNode *n = node->first; n; n = n->next)
            numbers += compare(n, found, count, at + numbers, tolerance, worst);
        return numbers;
    }
    if (at >= count) return 1;
    const double wanted = scalar(node), difference = fabs(found[at] - wanted);
    const double error = tolerance > 0 ? difference / fmax(fabs(wanted), 1e-300) : difference;
    if (!(error <= *worst) && difference != 0) *worst = error;
    return 1;
}

void golden_expect_numbers(Golden *g, const char *name, const DocNode *expected, const double *found, int count,
                           double tolerance)
{
    double worst = 0;
    if (!expected) {
        golden_fail(g, "%s: missing in the reference", name);
        return;
    }
    const int numbers = compare(expected, found, count, 0, tolerance, &worst);
    if (numbers != count) golden_fail(g, "%s: %d numbers, expected %d", name, count, numbers);
    golden_expect(g, name, worst, tolerance);
}

void golden_files(const Golden *g, const char *part, FileList *list)
{
    char *folder = golden_path(g, part, NULL);
    *list = (FileList){0};
    bool is_folder;
    if (!file_is_folder(folder, &is_folder, NULL) && is_folder) file_list(list, folder, NULL);
    mem_free(folder);
}
