#include "data/faults.h"

#include <stdarg.h>

#include "base/memory.h"
#include "base/text.h"

void faults_ran_out(FaultList *list)
{
    list->errors += !list->no_memory;
    list->no_memory = true;
}

static void append(FaultList *list, FaultSeverity severity, char *text)
{
    if (text && !mem_grow_list(&list->faults, list->count, sizeof *list->faults, NULL)) {
        list->faults[list->count++] = (Fault){severity, text};
        list->errors += severity == FAULT_ERROR;
        return;
    }
    mem_free(text);
    faults_ran_out(list);
}

void fault_add(FaultList *list, FaultSeverity severity, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = text_format(NULL, format, args);
    va_end(args);
    append(list, severity, text);
}

void fault_add_failure(FaultList *list, const char *id, const Err *failed)
{
    fault_add(list, FAULT_ERROR, "%s%s%s%s", id ? "case " : "", id ? id : "", id ? ": " : "", failed->text);
    if (failed->code == ERR_NOMEM) faults_ran_out(list);
}

void faults_move(FaultList *to, FaultList *from)
{
    for (int i = 0; i < from->count; i++) {
        append(to, from->faults[i].severity, from->faults[i].text);
        from->faults[i].text = NULL;
    }
    if (from->no_memory) faults_ran_out(to);
    faults_free(from);
}

void faults_free(FaultList *list)
{
    for (int i = 0; i < list->count; i++) mem_free(list->faults[i].text);
    mem_free(list->faults);
    *list = (FaultList){0};
}

int faults_expect_memory(const FaultList *list, Err *e)
{
    if (!list->no_memory) return 0;
    return err_set(e, ERR_NOMEM,
                   "out of memory: not all cases could be read; use fewer threads, or a machine with more memory");
}

int faults_check(const FaultList *list, Err *e)
{
    TRY(faults_expect_memory(list, e));
    for (int i = 0; i < list->count; i++)
        if (list->faults[i].severity == FAULT_ERROR) return err_set(e, ERR_VALUE, "%s", list->faults[i].text);
    return 0;
}
