#include "base/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"

enum { ASK_MILLISECONDS = 200, MESSAGES_MOST = 1 << 16, ARGUMENTS = 256 };

extern char **environ;

/* ---- the program ---- */

/* "/usr/bin/swin-umamba-convert-dicom" for "convert_dicom"; NULL with e filled if there is none. */
static char *find(const char *name, Err *e)
{
    static const char *const prefixes[] = {"", "swin-umamba-"};
    char own[4096];
    const ssize_t length = readlink("/proc/self/exe", own, sizeof own - 1);
    if (length <= 0) {
        err_errno(e, errno, "/proc/self/exe");
        return NULL;
    }
    own[length] = '\0';
    *strrchr(own, '/') = '\0';
    for (int i = 0; i < 2; i++) {
        char *path = path_format(e, "%s/%s%s", own, prefixes[i], name);
        if (!path) return NULL;
        for (char *at = path + strlen(path) - strlen(name); i && *at; at++)
            if (*at == '_') *at = '-';
        if (!access(path, X_OK)) return path;
        mem_free(path);
    }
    err_set(e, ERR_UNSUPPORTED,
            "the program %s is not in %s: install it there with the other programs; in the sources `make deps all` "
            "builds it",
            name, own);
    return NULL;
}

bool tool_is_there(const char *name)
{
    Err e;
    char *path = find(name, &e);
    mem_free(path);
    return path != NULL;
}

static int start(pid_t *process, const char *path, const Tool *tool, int messages, Err *e)
{
    posix_spawn_file_actions_t actions;
    const char *arguments[ARGUMENTS] = {tool->name, "--quiet"};
    int count = 2;
    for (int i = 0; tool->arguments[i] && count < ARGUMENTS - 1; i++) arguments[count++] = tool->arguments[i];
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, messages, STDERR_FILENO);
    for (int i = 0; i < tool->file_count; i++) /* to itself: it stays open in the new program */
        posix_spawn_file_actions_adddup2(&actions, tool->files[i], tool->files[i]);
    /* The strings are not changed; the type is that of exec's interface. */
    const int failed = posix_spawn(process, path, &actions, NULL, (char **)(uintptr_t)arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    return failed ? err_errno(e, failed, "%s", path) : 0;
}

/* ---- its messages ---- */

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
        const ssize_t count = read(fd, bytes, sizeof bytes);
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) return stopped;
        if (messages->length < MESSAGES_MOST) text_add_bytes(messages, bytes, (size_t)count);
    }
}

/* What follows the prefix, or NULL. */
static const char *after(const char *line, const char *prefix)
{
    const size_t length = strlen(prefix);
    return strncmp(line, prefix, length) ? NULL : line + length;
}

/* Lines are "convert_dicom: warning: …" and "convert_dicom: error: …". The last other line is kept for a program that
 * dies without an error of its own. */
static void sort_messages(Text *warnings, Err *e, const Text *messages, const char *name)
{
    int length;
    char prefix[64];
    snprintf(prefix, sizeof prefix, "%s: ", name);
    for (const char *line = messages->data, *next; line && *line; line = next) {
        next = text_next_line(line, &length);
        const char *own = after(line, prefix), *said = own ? own : line;
        const char *warning = own ? after(own, "warning: ") : NULL, *error = own ? after(own, "error: ") : NULL;
        if (warning) text_add(warnings, "%.*s\n", (int)(line + length - warning), warning);
        else if (error || e->code != ERR_VALUE)
            err_set(e, error ? ERR_VALUE : ERR_IO, "%.*s", (int)(line + length - (error ? error : said)),
                    error ? error : said);
    }
}

static int outcome(int status, bool stopped, const Err *said, const char *name, Err *e)
{
    if (stopped) return err_set(e, ERR_INTERRUPTED, "%s was stopped", name);
    if (WIFEXITED(status) && !WEXITSTATUS(status)) return 0;
    if (said->code) return err_set(e, said->code, "%s", said->text);
    if (WIFSIGNALED(status)) return err_set(e, ERR_IO, "%s was ended by signal %d", name, WTERMSIG(status));
    return err_set(e, ERR_IO, "%s ended with status %d", name, WEXITSTATUS(status));
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
    sort_messages(warnings, &said, &messages, tool->name);
    text_free(&messages);
    return outcome(status, stopped, &said, tool->name, e);
}

int tool_run(const Tool *tool, Text *warnings, Err *e)
{
    int ends[2];
    char *path = find(tool->name, e);
    if (!path) return e->code;
    if (pipe2(ends, O_CLOEXEC)) {
        mem_free(path);
        return err_errno(e, errno, "no pipe to %s", tool->name);
    }
    const int code = run(tool, path, ends, warnings, e);
    close(ends[0]);
    mem_free(path);
    return code;
}
