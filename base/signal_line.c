#include "base/signal_line.h"

#include <stddef.h>
#include <unistd.h>

void signal_line(const char *const *parts)
{
    char line[1024];
    size_t used = 0;
    for (; *parts; parts++)
        for (const char *c = *parts; *c && used < sizeof line - 1; c++) line[used++] = *c;
    line[used++] = '\n';
    if (write(STDERR_FILENO, line, used) < 0) return; /* stderr is closed */
}
