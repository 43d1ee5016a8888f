#include "base/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/sys.h"

enum { ASK_MILLISECONDS = 200, MESSAGES_MOST = 1 << 16, ARGUMENTS = 256 };
enum { STATUS_OF_USAGE = 2, STATUS_OF_CODES = 64 };

extern char **environ;

/* ---- the program ---- */

/* name --quiet --parent PID, and the tool's own. */
static int list_arguments(const char *list[ARGUMENTS], char parent[16], const Tool *tool, Err *e)
{
    int count = 0;
    const char *const own[] = {tool->name, "--quiet", "--parent", parent};
    snprintf(parent, 16, "%ld", (long)getpid());
    for (int i = 0; i < 4; i++) list[count++] = own[i];
    for (int i = 0; tool->arguments[i]; i++) {
        if (count == ARGUMENTS - 1) return err_set(e, ERR_VALUE, "%s: more than %d arguments", tool->name, ARGUMENTS);
        list[count++] = tool->arguments[i];
    }
    list[count] = NULL;
    return 0;
}

/* Returns 0, or errno's number as all of posix_spawn. */
static int add_files(posix_spawn_file_actions_t *actions, const Tool *tool, int messages)
{
    TRY(posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0));
    TRY(posix_spawn_file_actions_addopen(actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0));
    TRY(posix_spawn_file_actions_adddup2(actions, messages, STDERR_FILENO));
    for (int i = 0; i < tool->file_count; i++) /* to itself: it stays open in the new program */
        TRY(posix_spawn_file_actions_adddup2(actions, tool->files[i], tool->files[i]));
    return 0;
}

/* The program does not get the signals that ask a process to stop: they may be sent to all processes of a group, and
 * this one finishes its work. The program has them blocked from its start. */
static int block_signals(posix_spawnattr_t *attributes)
{
    sigset_t blocked;
    TRY(pthread_sigmask(SIG_BLOCK, NULL, &blocked));
    sigaddset(&blocked, SIGINT);
    sigaddset(&blocked, SIGTERM);
    sigaddset(&blocked, SIGHUP);
    TRY(posix_spawnattr_setsigmask(attributes, &blocked));
    return posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGMASK);
}

static int spawn(pid_t *process, const char *path, const char *const *arguments, const Tool *tool, int messages)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    TRY(posix_spawn_file_actions_init(&actions));
    int failed = posix_spawnattr_init(&attributes);
    if (!failed) {
        failed = add_files(&actions, tool, messages);
        if (!failed) failed = block_signals(&attributes);
        /* The strings are not changed; the type is that of exec's interface. */
        if (!failed) failed = posix_spawn(process, path, &actions, &attributes, (char **)(uintptr_t)arguments, environ);
        posix_spawnattr_destroy(&attributes);
    }
    posix_spawn_file_actions_destroy(&actions);
    return failed;
}

static int start(pid_t *process, const char *path, const Tool *tool, int messages, Err *e)
{
    const char *arguments[ARGUMENTS];
    char parent[16];
    TRY(list_arguments(arguments, parent, tool, e));
    const int failed = spawn(process, path, arguments, tool, messages);
    return failed ? err_errno(e, failed, "%s", path) : 0;
}

/* ---- its messages ---- */

/* Of very many messages the last are kept: an error comes at the end. */
static void keep_end(Text *messages)
{
    if (messages->length < 2 * MESSAGES_MOST) return;
    const char *past = messages->data + messages->length, *from = memchr(past - MESSAGES_MOST, '\n', MESSAGES_MOST);
    from = from ? from + 1 : past - MESSAGES_MOST;
    messages->length = (size_t)(past - from);
    memmove(messages->data, from, messages->length + 1);
}

/* Reads until the program closes its end. Returns whether it was stopped. */
static bool collect(Text *messages, int fd, const Tool *tool, pid_t process)
{
    char bytes[4096];
    bool stopped = false;
    for (;;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        const int ready = poll(&p, 1, ASK_MILLISECONDS);
        if (!stopped && tool->stop && tool->stop(tool->context)) {
            kill(process, SIGKILL);
            stopped = true;
        }
        if (ready <= 0) continue;
        const ssize_t count = sys_read(fd, bytes, sizeof bytes);
        if (count <= 0) return stopped;
        text_add_bytes(messages, bytes, (size_t)count);
        keep_end(messages);
    }
}

/* What follows the prefix, or NULL. */
static const char *after(const char *line, const char *prefix)
{
    const size_t length = strlen(prefix);
    return strncmp(line, prefix, length) ? NULL : line + length;
}

/* Lines are "convert_dicom: warning: …" and "convert_dicom: error: …"; the last error counts. For a program that ends
 * without one another line is kept: the last, but of wrong usage the first, since a hint follows it. */
static void sort_messages(Text *warnings, Err *e, const Text *messages, const char *name, bool is_usage)
{
    int length;
    char prefix[64];
    bool has_error = false;
    snprintf(prefix, sizeof prefix, "%s: ", name);
    for (const char *line = messages->data, *next; line && *line; line = next) {
        next = text_next_line(line, &length);
        const char *own = after(line, prefix), *said = own ? own : line;
        const char *warning = own ? after(own, "warning: ") : NULL, *error = own ? after(own, "error: ") : NULL;
        if (warning) text_add(warnings, "%.*s\n", (int)(line + length - warning), warning);
        else if (error || !(has_error || (is_usage && e->code)))
            err_set(e, ERR_IO, "%.*s", (int)(line + length - (error ? error : said)), error ? error : said);
        has_error = has_error || error;
    }
}

/* A failed program tells its ErrCode by its exit status (tool_status). */
static ErrCode code_of(int status)
{
    const int code = WIFEXITED(status) ? STATUS_OF_CODES - WEXITSTATUS(status) : 0;
    if (code < 0 && code >= ERR_LIMIT) return (ErrCode)code;
    return WIFEXITED(status) && WEXITSTATUS(status) == STATUS_OF_USAGE ? ERR_VALUE : ERR_IO;
}

static int outcome(int status, bool stopped, const Err *said, const char *name, Err *e)
{
    if (stopped) return err_set(e, ERR_INTERRUPTED, "%s was stopped", name);
    if (WIFEXITED(status) && !WEXITSTATUS(status)) return 0;
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGXCPU)
        return err_set(e, ERR_VALUE, "%s needs more time of a processor than it may use", name);
    if (said->code) return err_set(e, code_of(status), "%s", said->text);
    if (WIFSIGNALED(status)) return err_set(e, ERR_IO, "%s was ended by signal %d", name, WTERMSIG(status));
    return err_set(e, code_of(status), "%s ended with status %d", name, WEXITSTATUS(status));
}

static int run(const Tool *tool, const char *path, const int ends[2], Text *warnings, Err *e)
{
    pid_t process;
    int status = 0;
    Err said = {0};
    Text messages = {0};
    const int code = start(&process, path, tool, ends[1], e);
    close(ends[1]);
    if (code) return code;
    const bool stopped = collect(&messages, ends[0], tool, process);
    while (waitpid(process, &status, 0) < 0 && errno == EINTR) continue;
    const bool is_usage = WIFEXITED(status) && WEXITSTATUS(status) == STATUS_OF_USAGE;
    sort_messages(warnings, &said, &messages, tool->name, is_usage);
    text_free(&messages);
    return outcome(status, stopped, &said, tool->name, e);
}

int tool_run(const Tool *tool, Text *warnings, Err *e)
{
    int ends[2];
    char *path = tool_path(tool->name, e);
    if (!path) return e->code;
    if (sys_pipe(ends)) {
        mem_free(path);
        return err_errno(e, errno, "no pipe to %s", tool->name);
    }
    const int code = run(tool, path, ends, warnings, e);
    close(ends[0]);
    mem_free(path);
    return code;
}

/* ---- in the program ---- */

int tool_follow(long parent, Err *e)
{
    if (prctl(PR_SET_PDEATHSIG, SIGKILL))
        return err_errno(e, errno, "the end of process %ld cannot be followed", parent);
    return getppid() == parent ? 0 : err_set(e, ERR_INTERRUPTED, "the program that runs this one has ended");
}

int tool_status(int code) { return STATUS_OF_CODES - code; }
