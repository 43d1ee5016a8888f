#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/faults.h"

enum { HUGE_PAGE = 2 << 20 };

void *mem_alloc(size_t bytes, Err *e)
{
    void *block = NULL;
    const size_t align = bytes < 2 * HUGE_PAGE ? MEM_ALIGN : HUGE_PAGE;
    const size_t rounded = (bytes + MEM_ALIGN - 1) / MEM_ALIGN * MEM_ALIGN;
    const bool possible = rounded >= bytes && rounded < PTRDIFF_MAX && !fault_is_due(__func__, ENOMEM);
    if (!possible || posix_memalign(&block, align, rounded ? rounded : MEM_ALIGN)) block = NULL;
    /* Large blocks on huge pages, where the system has them: a fraction of the page faults and TLB misses. */
    if (block && align == HUGE_PAGE) madvise(block, rounded, MADV_HUGEPAGE);
    if (!block) err_set(e, ERR_NOMEM, "out of memory: %zu bytes could not be allocated", bytes);
    return block;
}

void *mem_zalloc(size_t count, size_t size, Err *e)
{
    const size_t bytes = mem_product(count, size);
    void *block = mem_alloc(bytes, e);
    if (block) memset(block, 0, bytes);
    return block;
}

int mem_grow(void **block, size_t used, size_t bytes, Err *e)
{
    void *larger = mem_alloc(bytes, e);
    if (!larger) return ERR_NOMEM;
    if (used) memcpy(larger, *block, used);
    mem_free(*block);
    *block = larger;
    return 0;
}

int mem_grow_list(void *list, int64_t count, size_t size, Err *e)
{
    void *entries;
    if (count & (count - 1)) return 0;
    memcpy(&entries, list, sizeof entries);
    TRY(mem_grow(&entries, (size_t)count * size, mem_product(count ? 2 * (size_t)count : 1, size), e));
    memcpy(list, &entries, sizeof entries);
    return 0;
}

char *mem_strdup(const char *text, Err *e)
{
    const size_t bytes = strlen(text) + 1;
    char *copy = mem_alloc(bytes, e);
    if (copy) memcpy(copy, text, bytes);
    return copy;
}

void mem_free(void *block) { free(block); }

int64_t mem_resident(void)
{
    char text[128];
    long long pages = 0;
    const int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    const ssize_t count = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0) close(fd);
    if (count < 1) return 0;
    text[count] = '\0';
    return sscanf(text, "%*d %lld", &pages) == 1 ? pages * sysconf(_SC_PAGESIZE) : 0;
}

int64_t mem_resident_most(void)
{
    char line[128];
    long long kib = 0;
    /* getrusage's ru_maxrss would also count the program that started this one. */
    FILE *f = fopen("/proc/self/status", "re");
    while (f && !kib && fgets(line, sizeof line, f)) sscanf(line, "VmHWM: %lld kB", &kib);
    if (f) fclose(f);
    return kib * 1024;
}

size_t mem_product(size_t a, size_t b)
{
    size_t product;
    return __builtin_mul_overflow(a, b, &product) ? SIZE_MAX : product;
}
