#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/sys.h"

/* Process-wide state: the folders that this process has searched. Folders beyond the table's size are not searched. */
enum { MAX_FOLDERS = 256 };
static struct {
    dev_t device;
    ino_t inode;
} seen[MAX_FOLDERS];
static int seen_count;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* The dash before the digits that end at `end`; NULL where there is none behind `begin`. */
static const char *before_number(const char *begin, const char *end)
{
    const char *at = end;
    while (at > begin && isdigit((unsigned char)at[-1])) at--;
    return at < end && at > begin && at[-1] == '-' ? at - 1 : NULL;
}

/* The HOST of NAME.tmp-HOST-PID-SERIAL, and its length; NULL where it is no such name. A HOST may have dashes. */
static const char *host_of(const char *name, size_t *length)
{
    const char *mark = NULL;
    for (const char *at = name; (at = strstr(at, ".tmp-")); at++) mark = at;
    if (!mark || mark == name) return NULL;
    const char *host = mark + strlen(".tmp-"), *serial = before_number(host, host + strlen(host)),
               *process = serial ? before_number(host, serial) : NULL;
    *length = process ? (size_t)(process - host) : 0;
    return *length ? host : NULL;
}

/* Some file systems have locks for each machine only: what another one has written lately may be in use. */
static bool may_be_dead(const char *host, size_t length, time_t changed)
{
    enum { DAY = 24 * 60 * 60 };
    struct utsname here;
    if (uname(&here)) return false;
    return (strlen(here.nodename) == length && !strncmp(here.nodename, host, length)) || time(NULL) - changed > DAY;
}

/* Removes a temporary that no process has locked. */
static void remove_if_dead(int folder, const char *name)
{
    size_t length;
    const char *host = host_of(name, &length);
    if (!host) return;
    struct stat opened, named;
    const int fd = sys_open_at(folder, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0) return;
    const bool dead = !sys_lock(fd, LOCK_EX | LOCK_NB) && !sys_open_stat(fd, &opened) && S_ISREG(opened.st_mode) &&
                      may_be_dead(host, length, opened.st_mtime) &&
                      !fstatat(folder, name, &named, AT_SYMLINK_NOFOLLOW) && opened.st_dev == named.st_dev &&
                      opened.st_ino == named.st_ino;
    if (dead) unlinkat(folder, name, 0);
    close(fd);
}

static bool is_first_look(int folder)
{
    struct stat info;
    if (sys_open_stat(folder, &info)) return false;
    pthread_mutex_lock(&lock);
    bool known = seen_count == MAX_FOLDERS;
    for (int i = 0; i < seen_count && !known; i++)
        known = seen[i].device == info.st_dev && seen[i].inode == info.st_ino;
    if (!known) {
        seen[seen_count].device = info.st_dev;
        seen[seen_count++].inode = info.st_ino;
    }
    pthread_mutex_unlock(&lock);
    return !known;
}

void file_remove_leftovers(const char *folder)
{
    const int fd = sys_open(folder, O_RDONLY | O_DIRECTORY);
    DIR *dir = fd >= 0 && is_first_look(fd) ? fdopendir(fd) : NULL;
    for (const struct dirent *entry; dir && (entry = sys_next_entry(dir));) remove_if_dead(fd, entry->d_name);
    if (dir) closedir(dir);
    else if (fd >= 0) close(fd);
}
