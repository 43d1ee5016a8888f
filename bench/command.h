/* Command: another program of this build, run and waited for.
 *
 *   Command c = {0};
 *   command_begin(&c, "train");
 *   command_add(&c, "%s/results", folder);
 *   TRY(command_run(&c, program_interrupted, &status, e));
 *   … c.text …
 *   command_free(&c); */
#ifndef BENCH_COMMAND_H
#define BENCH_COMMAND_H

#include <stdbool.h>

#include "base/error.h"
#include "base/text.h"

enum { COMMAND_MOST = 40 }; /* arguments */

typedef struct Command {
    char *arguments[COMMAND_MOST + 1]; /* owned; NULL behind the last */
    int count;
    Text text;   /* the command for a shell, quoted where needed */
    Err failure; /* the first, for lack of memory; later additions do nothing */
} Command;

/* program: the name of one that is in the folder of the running one. */
void command_begin(Command *c, const char *program);
void command_add(Command *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
void command_free(Command *c);

/* Runs the program; *status is its exit status, 128+n after a signal n. What it prints on standard output goes to
 * standard error. `interrupted` returns the number of a signal that this program was sent, or 0: the signal is passed
 * on once, and the program's own end is waited for. If this program is killed, the other one gets SIGTERM.
 * Fails: ERR_NOMEM; ERR_IO if it cannot be started. */
int command_run(Command *c, int (*interrupted)(void), int *status, Err *e);

#endif
