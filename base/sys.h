/* System calls that can fail, so that tests can let each of them fail (base/faults.h). All files, folders, locks, mappings
 * and threads of the project are made by these.
 *
 * They are the calls of the same names: the same results, and errno. Differences: a call that a signal interrupts is
 * made again, descriptors are closed on exec, and new files have the mode 0666. */
#ifndef BASE_SYS_H
#define BASE_SYS_H

#include <dirent.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

int sys_open(const char *path, int flags);
int sys_open_at(int folder, const char *name, int flags);
int sys_memory_file(const char *name); /* memfd_create */
int sys_duplicate(int fd);
int sys_pipe(int ends[2]);
ssize_t sys_read(int fd, void *bytes, size_t size);
ssize_t sys_read_at(int fd, void *bytes, size_t size, off_t offset);
ssize_t sys_write(int fd, const void *bytes, size_t size);
int sys_sync(int fd);
int sys_close(int fd); /* fd is closed in any case */
int sys_lock(int fd, int operation);
void *sys_map(size_t size, int protection, int flags, int fd); /* MAP_FAILED if it fails */

int sys_stat(const char *path, struct stat *info);
int sys_link_stat(const char *path, struct stat *info);
int sys_open_stat(int fd, struct stat *info);

int sys_rename(const char *from, const char *to);
int sys_exchange(const char *one, const char *other); /* renameat2 with RENAME_EXCHANGE */
int sys_unlink(const char *path);
int sys_make_folder(const char *path);
int sys_remove_folder(const char *path);
DIR *sys_open_folder(const char *path);
const struct dirent *sys_next_entry(DIR *folder); /* NULL: errno is 0 at the end */

int sys_thread(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *),
               void *context); /* errno's number */

#endif
