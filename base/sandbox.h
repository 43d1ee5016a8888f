/* Sandbox: what a program may still do when it reads files that others have made (docs/security.md, Sandbox). It is Linux's
 * Landlock, from Linux 5.19 on; on other systems, and where Landlock is not allowed, nothing is restricted.
 *
 *   program_parse(…);
 *   code = sandbox_enter(&(Sandbox){.folders = {common.output}}, &common, world, &e);
 * For mains only, before the first thread is started: threads and processes that are started later are restricted, too. All
 * files can be read. Only what Sandbox names can be written; no other program can be started, and no TCP connection made.
 * It holds until the process ends. */
#ifndef BASE_SANDBOX_H
#define BASE_SANDBOX_H

#include "base/processes.h"
#include "base/program.h"

enum { SANDBOX_FOLDERS = 2 };

/* What is not restricted. All are borrowed for the call; NULL or "": none. */
typedef struct Sandbox {
    /* All below them is written. They are made if they do not exist, and removed at the end if they are empty. */
    const char *folders[SANDBOX_FOLDERS];
    const char *file;   /* it is written, and others beside it: its folder, or the nearest one above that exists */
    const char *locked; /* a folder that is only read, but for its lock (base/lock.h) */
    const char *tool;   /* the program that this one runs (base/tool.h) */
    bool listens;       /* for TCP connections */
    const char *socket; /* a unix socket that is made and removed: so can be others in its folder */
} Sandbox;

/* Does nothing for several processes (world) and on a GPU: MPI's and NVIDIA's libraries write elsewhere. So for
 * SWIN_UMAMBA_SANDBOX=off. Fails: ERR_VALUE if that variable has another value than off or on; ERR_IO … if a
 * folder cannot be made; ERR_NOMEM. */
int sandbox_enter(const Sandbox *s, const CommonOptions *common, const Process *world, Err *e);

#endif
