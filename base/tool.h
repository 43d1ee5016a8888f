/* Tool: another program of this project, run as a process of its own: so that a library which only that program needs
 * is neither linked here nor able to end this process.
 *
 * It is looked for beside the running program, as build/NAME or as installed, swin-umamba-NAME. Its messages are
 * collected. SIGINT, SIGTERM and SIGHUP do not reach it, also where they are sent to all processes of a group; it ends
 * with this process. */
#ifndef BASE_TOOL_H
#define BASE_TOOL_H

#include <stdbool.h>

#include "base/error.h"
#include "base/text.h"

typedef struct Tool {
    const char *name;             /* "convert_dicom" */
    const char *const *arguments; /* NULL at the end; --quiet and --parent PID are added */
    const int *files; /* file_count open files that the program gets under the same numbers: /proc/self/fd/N */
    int file_count;
    bool (*stop)(void *context); /* asked several times a second: true ends the program; may be NULL */
    void *context;
} Tool;

/* Runs it and waits. warnings: its warnings are appended, a line each. May be called by several threads. Fails with its
 * error, and its code where it tells one (tool_status); ERR_UNSUPPORTED if the program is not there; ERR_VALUE for wrong
 * usage, and if its time of a processor is used up; ERR_IO if it was killed; ERR_INTERRUPTED if it was stopped. */
int tool_run(const Tool *tool, Text *warnings, Err *e);

/* "/usr/bin/swin-umamba-convert-dicom" for "convert_dicom" (base/tool_path.c); owned. NULL with e filled if there is none. */
char *tool_path(const char *name, Err *e);

/* For the program, called with --parent: it ends when process `parent` does, or rather the thread that runs it. Fails:
 * ERR_INTERRUPTED if that has ended already. */
int tool_follow(long parent, Err *e);

/* The exit status by which it tells the code of its failure (not 0). */
int tool_status(int code);

#endif
