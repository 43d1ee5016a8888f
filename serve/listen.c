#include "serve/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/memory.h"

enum { BACKLOG = 128 };

/* ---- a unix socket ---- */

/* Removes the socket of a server that was killed. Fails if one answers, or if it is another kind of file. */
static int remove_stale(const struct sockaddr_un *address, Err *e)
{
    struct stat info;
    if (lstat(address->sun_path, &info)) return 0;
    if (!S_ISSOCK(info.st_mode))
        return err_set(e, ERR_VALUE, "unix:%s: there is a file of this name: give another one", address->sun_path);
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const int failed = fd < 0 || connect(fd, (const struct sockaddr *)address, sizeof *address) ? errno : 0;
    if (fd >= 0) close(fd);
    if (!failed) return err_set(e, ERR_VALUE, "unix:%s: another server listens there", address->sun_path);
    if (failed == ENOENT) return 0;
    if (failed != ECONNREFUSED)
        return err_errno(e, failed,
                         "unix:%s: another program may use this socket: give another one; it does not answer",
                         address->sun_path);
    return unlink(address->sun_path) ? err_errno(e, errno, "unix:%s: cannot be removed", address->sun_path) : 0;
}

/* Locks the socket's folder: of two servers that start together, the second then finds the first one's socket, and does not
 * remove it as one of a server that was killed. Returns -1 where the folder cannot be opened or locked: then there is no lock. */
static int lock_folder_of(const char *path)
{
    enum { TRIES = 250, TRY_MS = 20 };
    char folder[sizeof((struct sockaddr_un *)0)->sun_path + 2];
    const char *slash = strrchr(path, '/');
    snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - path) + 1 : 1, slash ? path : ".");
    const int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (int tries = 0; fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK && tries < TRIES; tries++)
        nanosleep(&(struct timespec){0, TRY_MS * 1000000}, NULL);
    return fd;
}

static int bind_path(int fd, const struct sockaddr_un *address)
{
    const mode_t before = umask(0177);
    const int failed = bind(fd, (const struct sockaddr *)address, sizeof *address) ? errno : 0;
    umask(before);
    return failed ? failed : listen(fd, BACKLOG) ? errno : 0;
}

static int listen_locked(Listening *l, const struct sockaddr_un *address, Err *e)
{
    struct stat info;
    TRY(remove_stale(address, e));
    l->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int failed = l->fd < 0 ? errno : bind_path(l->fd, address);
    if (failed) return err_errno(e, failed, "unix:%s: cannot listen", address->sun_path);
    if (!lstat(address->sun_path, &info)) l->inode = info.st_ino;
    return 0;
}

static int listen_unix(Listening *l, const char *path, Err *e)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (!*path || strlen(path) >= sizeof address.sun_path)
        return err_set(e, ERR_VALUE, "unix:%s: expected a path of 1 to %zu bytes", path, sizeof address.sun_path - 1);
    strcpy(address.sun_path, path);
    l->path = mem_strdup(path, e);
    if (!l->path) return ERR_NOMEM;
    const int lock = lock_folder_of(path), code = listen_locked(l, &address, e);
    if (lock >= 0) close(lock);
    if (code) return code;
    l->is_local = true;
    text_add(&l->shown, "unix:%s", path);
    return 0;
}

/* ---- a port ---- */

static bool is_loopback(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET)
        return ntohl(((const struct sockaddr_in *)(const void *)address)->sin_addr.s_addr) >> 24 == 127;
    return address->sa_family == AF_INET6 &&
           IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)(const void *)address)->sin6_addr);
}

/* "[::1]:80" and "127.0.0.1:80" to host and port. */
static int split(char host[LISTEN_NAME_BYTES], const char **port, const char *address, Err *e)
{
    const char *colon = strrchr(address, ':'), *first = address;
    size_t length = colon ? (size_t)(colon - address) : 0;
    if (length >= 2 && address[0] == '[' && colon[-1] == ']') first++, length -= 2;
    if (!colon || !length || !colon[1] || length >= LISTEN_NAME_BYTES)
        return err_set(e, ERR_VALUE, "%s: expected HOST:PORT, [IPV6]:PORT or unix:PATH", address);
    snprintf(host, LISTEN_NAME_BYTES, "%.*s", (int)length, first);
    *port = colon + 1;
    return 0;
}

static int bind_port(int fd, const struct addrinfo *info)
{
    const int yes = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    return bind(fd, info->ai_addr, info->ai_addrlen) || listen(fd, BACKLOG) ? errno : 0;
}

static void show_port(Listening *l)
{
    struct sockaddr_storage address;
    socklen_t length = sizeof address;
    char host[LISTEN_NAME_BYTES], port[16];
    if (getsockname(l->fd, (struct sockaddr *)&address, &length) ||
        getnameinfo((struct sockaddr *)&address, length, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV))
        return;
    text_add(&l->shown, strchr(host, ':') ? "http://[%s]:%s" : "http://%s:%s", host, port);
}

/* Listens on the first of the addresses that this machine has. Returns an errno, or 0. A port that is in use is not looked for
 * at the next address. */
static int listen_first(Listening *l, const struct addrinfo *found)
{
    int failed = 0;
    for (const struct addrinfo *at = found; at; at = at->ai_next) {
        l->fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        failed = l->fd < 0 ? errno : bind_port(l->fd, at);
        l->is_local = is_loopback(at->ai_addr);
        if (failed != EADDRNOTAVAIL && failed != EAFNOSUPPORT) return failed;
        if (l->fd >= 0) close(l->fd);
        l->fd = -1;
    }
    return failed;
}

static int listen_port(Listening *l, const char *address, Err *e)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *found;
    const char *port = NULL;
    TRY(split(l->name, &port, address, e));
    const int unknown = getaddrinfo(l->name, port, &hints, &found);
    if (unknown) return err_set(e, ERR_VALUE, "%s: %s", address, gai_strerror(unknown));
    const int failed = listen_first(l, found);
    freeaddrinfo(found);
    if (failed) return err_errno(e, failed, "%s: cannot listen", address);
    show_port(l);
    return 0;
}

int listen_on(Listening *l, const char *address, Err *e)
{
    *l = (Listening){.fd = -1};
    const int code = strncmp(address, "unix:", 5) ? listen_port(l, address, e) : listen_unix(l, address + 5, e);
    if (!code) return 0;
    if (l->fd >= 0) close(l->fd);
    mem_free(l->path);
    text_free(&l->shown);
    return code;
}

void listen_end(Listening *l)
{
    struct stat info;
    if (l->path && !lstat(l->path, &info) && info.st_ino == l->inode) unlink(l->path); /* not that of a later server */
    mem_free(l->path);
    text_free(&l->shown);
}
