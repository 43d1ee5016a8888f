#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
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

static const char *after_digits(const char *at)
{
    while (isdigit((unsigned char)*at)) at++;
    return at;
}

/* NAME.tmp-PID-SERIAL */
static bool is_temporary(const char *name)
{
    const char *mark = NULL;
    for (const char *at = name; (at = strstr(at, ".tmp-")); at++) mark = at;
    if (!mark || mark == name) return false;
    const char *number = mark + strlen(".tmp-"), *dash = after_digits(number);
    return dash > number && *dash == '-' && isdigit((unsigned char)dash[1]) && !*after_digits(dash + 1);
}

/* Removes a temporary that no process has locked. */
static void remove_if_dead(int folder, const char *name)
{
    struct stat opened, named;
    const int fd = sys_open_at(folder, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0) return;
    const bool dead = !sys_lock(fd, LOCK_EX | LOCK_NB) && !sys_open_stat(fd, &opened) && S_ISREG(opened.st_mode) &&
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
    for (const struct dirent *entry; dir && (entry = sys_next_entry(dir));)
        if (is_temporary(entry->d_name)) remove_if_dead(fd, entry->d_name);
    if (dir) closedir(dir);
    else if (fd >= 0) close(fd);
}
