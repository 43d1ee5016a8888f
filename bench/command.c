#include "bench/command.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"

static void add_argument(Command *c, char *argument)
{
    if (!argument || c->count == COMMAND_MOST) {
        if (!c->failure.code) err_set(&c->failure, ERR_NOMEM, "a command of more than %d arguments", COMMAND_MOST);
        mem_free(argument);
        return;
    }
    text_add(&c->text, "%s", c->count ? " " : "");
    text_add_argument(&c->text, "%s", argument);
    c->arguments[c->count++] = argument;
}

void command_begin(Command *c, const char *program)
{
    char self[4096];
    const ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    self[length > 0 ? length : 0] = '\0';
    const int folder = (int)(path_base(self) - self);
    command_free(c);
    add_argument(c, path_format(&c->failure, "%.*s%s", folder, self, program));
}

void command_add(Command *c, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    add_argument(c, text_format(&c->failure, format, args));
    va_end(args);
}

void command_free(Command *c)
{
    for (int i = 0; i < c->count; i++) mem_free(c->arguments[i]);
    text_free(&c->text);
    *c = (Command){0};
}

/* In the new process: a process group of its own, so that Ctrl-C of a terminal reaches it only through this program. */
static void become(const Command *c)
{
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (dup2(STDERR_FILENO, STDOUT_FILENO) >= 0) execv(c->arguments[0], c->arguments);
    _exit(127);
}

static int wait_for(pid_t child, int (*interrupted)(void), int *state)
{
    const struct timespec pause = {0, 20000000};
    bool passed_on = false;
    for (;;) {
        const pid_t ended = waitpid(child, state, WNOHANG);
        if (ended < 0 && errno != EINTR) return -1;
        if (ended > 0) return 0;
        if (!passed_on && interrupted()) {
            kill(child, interrupted());
            passed_on = true;
        }
        nanosleep(&pause, NULL);
    }
}

int command_run(Command *c, int (*interrupted)(void), int *status, Err *e)
{
    int state = 0;
    if (c->failure.code) return err_set(e, c->failure.code, "%s", c->failure.text);
    TRY(text_check(&c->text, e));
    if (access(c->arguments[0], X_OK))
        return err_set(e, ERR_IO, "%s: %s; build all programs (make)", c->arguments[0], strerror(errno));
    const pid_t child = fork();
    if (!child) become(c);
    if (child < 0 || wait_for(child, interrupted, &state))
        return err_set(e, ERR_IO, "%s: cannot be run: %s", c->arguments[0], strerror(errno));
    *status = WIFSIGNALED(state) ? 128 + WTERMSIG(state) : WEXITSTATUS(state);
    return 0;
}
