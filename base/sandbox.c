#include "base/sandbox.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"
#include "base/folder.h"
#include "base/lock.h"
#include "base/memory.h"
#include "base/sys.h"
#include "base/tool.h"

/* ---- Landlock: its numbers are the same on all architectures. Older headers do not have all of them ---- */

enum { CREATE_RULESET = 444, ADD_RULE = 445, RESTRICT_SELF = 446, VERSION = 1, BENEATH_PATH = 1 };
enum { WITH_MOVES = 2, WITH_TRUNCATION = 3, WITH_NETWORK = 4, WITH_SCOPES = 6 }; /* versions */
enum {
    EXECUTE = 1 << 0,
    WRITE_FILE = 1 << 1,
    REMOVE_FOLDER = 1 << 4,
    REMOVE_FILE = 1 << 5,
    MAKE_FOLDER = 1 << 7,
    MAKE_FILE = 1 << 8,
    MAKE_SOCKET = 1 << 9,
    MAKE_OTHERS = 1 << 6 | 1 << 10 | 1 << 11 | 1 << 12, /* devices, pipes, links */
    MOVE = 1 << 13,                                     /* to another folder */
    TRUNCATE = 1 << 14,
    OF_FILES = EXECUTE | WRITE_FILE | TRUNCATE,
    WRITE = WRITE_FILE | TRUNCATE | REMOVE_FOLDER | REMOVE_FILE | MAKE_FOLDER | MAKE_FILE | MOVE,
    FORBIDDEN = WRITE | EXECUTE | MAKE_SOCKET | MAKE_OTHERS
};
enum { LISTEN = 1, CONNECT = 2, ABSTRACT_SOCKETS = 1, SIGNALS = 2 };

typedef struct Rules {
    uint64_t files, network, scopes; /* what is forbidden; the kernel's struct begins here */
    int fd;
    bool failed;
} Rules;

static void begin(Rules *r, bool listens)
{
    const long version = syscall(CREATE_RULESET, NULL, 0, VERSION);
    *r = (Rules){.files = FORBIDDEN, .fd = -1};
    if (version < WITH_MOVES) return;
    if (version < WITH_TRUNCATION) r->files &= ~(uint64_t)TRUNCATE;
    if (version >= WITH_NETWORK) r->network = CONNECT | (listens ? 0 : LISTEN);
    if (version >= WITH_SCOPES) r->scopes = ABSTRACT_SOCKETS | SIGNALS;
    r->fd = (int)syscall(CREATE_RULESET, r, offsetof(Rules, fd), 0);
}

/* A path that does not exist gets no rule. If another cannot have one, there will be no sandbox. */
static void allow(Rules *r, const char *path, uint64_t what)
{
    struct stat info;
    const int fd = sys_open(path, O_PATH);
    if (fd < 0) {
        r->failed |= errno != ENOENT && errno != ENOTDIR;
        return;
    }
    if (sys_open_stat(fd, &info)) r->failed = true;
    else if (!S_ISDIR(info.st_mode)) what &= OF_FILES;
    const struct __attribute__((packed)) {
        uint64_t what;
        int32_t fd;
    } rule = {what & r->files, fd};
    if (syscall(ADD_RULE, r->fd, BENEATH_PATH, &rule, 0)) r->failed = true;
    sys_close(fd);
}

/* Threads that exist already are not restricted. */
static void end(const Rules *r)
{
    if (!r->failed && !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) syscall(RESTRICT_SELF, r->fd, 0);
    sys_close(r->fd);
}

/* ---- folders ---- */

/* Process-wide state: the folders that the end of the process removes if they are empty. */
typedef struct Made {
    char *path;   /* NULL: none */
    size_t above; /* length of the path of the folder that was there */
} Made;
static Made made[SANDBOX_FOLDERS];

/* The folder may hold a lock that nobody holds any more. */
static void remove_made(char *path, size_t above)
{
    bool is_locked;
    if (!folder_is_locked(path, &is_locked, NULL) && !is_locked) folder_remove_empty(path);
    for (char *slash; (slash = strrchr(path, '/')) && (size_t)(slash - path) > above;) {
        *slash = '\0';
        if (sys_remove_folder(path)) break;
    }
}

static void remove_all_made(void)
{
    for (int i = 0; i < SANDBOX_FOLDERS; i++) {
        if (made[i].path) remove_made(made[i].path, made[i].above);
        mem_free(made[i].path);
    }
}

/* Shortens path to the folder above that exists; *above: its length, 0 for ".". */
static int find_above(char *path, size_t *above, Err *e)
{
    bool found;
    do {
        char *slash = strrchr(path, '/');
        *above = slash ? (size_t)(slash - path) : 0;
        path[slash == path ? 1 : *above] = '\0';
        if (!slash) strcpy(path, ".");
        TRY(file_is_folder(path, &found, e));
    } while (!found && strcmp(path, ".") && strcmp(path, "/"));
    return 0;
}

/* A user may have moved folders of results to another disk, and left links. */
static void allow_links(Rules *r, const char *folder)
{
    DIR *dir = sys_open_folder(folder);
    for (const struct dirent *entry; dir && (entry = sys_next_entry(dir));) {
        if (entry->d_type != DT_LNK || *entry->d_name == '.') continue;
        char *path = path_format(NULL, "%s/%s", folder, entry->d_name);
        bool is_folder;
        file_is_folder(path, &is_folder, NULL);
        if (is_folder) allow(r, path, WRITE);
        mem_free(path);
    }
    if (dir) closedir(dir);
}

/* The folder must exist before it can be named in a rule. */
static int make(Rules *r, const char *folder, Made *m, Err *e)
{
    bool there;
    TRY(file_is_folder(folder, &there, e));
    if (there) return 0;
    char *above = mem_strdup(folder, e);
    int code = above ? find_above(above, &m->above, e) : ERR_NOMEM;
    if (!code && !(m->path = mem_strdup(folder, e))) code = ERR_NOMEM;
    if (!code) code = file_make_folders(folder, e);
    if (!code) allow(r, above, REMOVE_FOLDER);
    mem_free(above);
    return code;
}

static int allow_folder(Rules *r, const char *folder, Made *m, Err *e)
{
    if (!folder || !*folder) return 0;
    TRY(make(r, folder, m, e));
    allow(r, folder, WRITE);
    allow_links(r, folder);
    return 0;
}

/* An open file has a path, too (base/file.h). */
static int allow_beside(Rules *r, const char *file, uint64_t what, Err *e)
{
    size_t above;
    if (!file || !*file) return 0;
    char *path = mem_strdup(file, e);
    if (!path) return ERR_NOMEM;
    const int code = path_is_open_file(path) ? 0 : find_above(path, &above, e);
    if (!code) allow(r, path, what);
    mem_free(path);
    return code;
}

static int allow_lock(Rules *r, const char *folder, Err *e)
{
    if (!folder) return 0;
    char *lock = path_format(e, "%s/.lock", folder);
    if (!lock) return ERR_NOMEM;
    allow(r, lock, WRITE_FILE);
    allow(r, folder, MAKE_FILE);
    mem_free(lock);
    return 0;
}

/* ---- programs ---- */

/* The program that loads shared libraries; the kernel executes it, too. */
static int find_loader(struct dl_phdr_info *info, size_t size, void *loader)
{
    (void)size;
    for (int i = 0; i < info->dlpi_phnum; i++)
        if (info->dlpi_phdr[i].p_type == PT_INTERP)
            *(const char **)loader = (const char *)(uintptr_t)(info->dlpi_addr + info->dlpi_phdr[i].p_vaddr);
    return 1; /* only the program itself is looked at */
}

static void allow_tool(Rules *r, const char *name)
{
    const char *loader = NULL;
    char *path = name ? tool_path(name, NULL) : NULL;
    if (path) {
        dl_iterate_phdr(find_loader, &loader);
        allow(r, path, EXECUTE);
        if (loader) allow(r, loader, EXECUTE);
    }
    mem_free(path);
}

/* ---- the whole ---- */

static int read_switch(bool *wanted, Err *e)
{
    const char *text = getenv("SWIN_UMAMBA_SANDBOX");
    *wanted = !text || strcmp(text, "off");
    if (!text || !*wanted || !strcmp(text, "on")) return 0;
    return err_set(e, ERR_VALUE, "SWIN_UMAMBA_SANDBOX=%s: expected on or off", text);
}

static int allow_all(Rules *r, const Sandbox *s, Err *e)
{
    atexit(remove_all_made);
    for (int i = 0; i < SANDBOX_FOLDERS; i++) TRY(allow_folder(r, s->folders[i], &made[i], e));
    TRY(allow_beside(r, s->file, WRITE, e));
    TRY(allow_beside(r, s->socket, MAKE_SOCKET | REMOVE_FILE, e));
    TRY(allow_lock(r, s->locked, e));
    allow_tool(r, s->tool);
    allow(r, "/dev/null", WRITE_FILE);
    return 0;
}

int sandbox_enter(const Sandbox *s, const CommonOptions *common, const Process *world, Err *e)
{
    Rules r;
    bool wanted;
    TRY(read_switch(&wanted, e));
    if (!wanted || world || (common->device && strcmp(common->device, "cpu"))) return 0;
    begin(&r, s->listens);
    if (r.fd < 0) return 0;
    const int code = allow_all(&r, s, e);
    r.failed |= code;
    end(&r);
    return code;
}
