#include "data/faults.h"

#include <stdarg.h>

#include "base/memory.h"
#include "base/text.h"

/* A list without faults has no block; with n faults the block has room up to the next power of two. */
static bool make_room(FaultList *list)
{
    const int count = list->count;
    if (count & (count - 1)) return true;
    const size_t size = sizeof *list->faults, used = (size_t)count * size;
    return !mem_grow((void **)&list->faults, used, count ? 2 * used : size, NULL);
}

static void append(FaultList *list, FaultSeverity severity, char *text)
{
    if (text && make_room(list)) {
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
