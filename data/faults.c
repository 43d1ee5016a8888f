#include "data/faults.h"

#include <stdarg.h>

#include "base/memory.h"
#include "base/text.h"

static void append(FaultList *list, FaultSeverity severity, char *text)
{
    if (text && !mem_grow_list(&list->faults, list->count, sizeof *list->faults, NULL)) {
        list->faults[list->count++] = (Fault){severity, text};
        list->errors += severity == FAULT_ERROR;
        return;
    }
    mem_free(text);
    list->errors += !list->lost;
    list->lost = true;
}

void fault_add(FaultList *list, FaultSeverity severity, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = text_format(NULL, format, args);
    va_end(args);
    append(list, severity, text);
}

void faults_move(FaultList *to, FaultList *from)
{
    for (int i = 0; i < from->count; i++) {
        append(to, from->faults[i].severity, from->faults[i].text);
        from->faults[i].text = NULL;
    }
    if (from->lost && !to->lost) to->errors++;
    to->lost |= from->lost;
    faults_free(from);
}

void faults_free(FaultList *list)
{
    for (int i = 0; i < list->count; i++) mem_free(list->faults[i].text);
    mem_free(list->faults);
    *list = (FaultList){0};
}

int faults_check(const FaultList *list, Err *e)
{
    if (list->lost) return err_set(e, ERR_NOMEM, "out of memory: the faults of cases could not be listed");
    for (int i = 0; i < list->count; i++)
        if (list->faults[i].severity == FAULT_ERROR) return err_set(e, ERR_VALUE, "%s", list->faults[i].text);
    return 0;
}
