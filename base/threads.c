#include "base/threads.h"

#include <limits.h>
#include <omp.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"

/* More threads than this per processor only wait for each other. */
enum { MOST_PER_PROCESSOR = 4, PATH_BYTES = 4096 };

typedef struct Hierarchy {
    int version;            /* of control groups, 1 or 2 */
    char group[PATH_BYTES]; /* of this process, as /proc/self/cgroup has it; "": none */
    char top[PATH_BYTES];   /* the group that is mounted */
    char mount[PATH_BYTES]; /* where; "": nowhere */
} Hierarchy;

/* Opens ROOT/NAME; NULL where it cannot be. */
static FILE *open_below(const char *root, const char *name)
{
    char *path = path_format(NULL, "%s%s", root, name);
    FILE *file = path ? fopen(path, "re") : NULL;
    mem_free(path);
    return file;
}

/* Whether a comma-separated list holds the word. */
static bool list_holds(const char *list, const char *word)
{
    const size_t length = strlen(word);
    for (const char *at = list; *at; at += strcspn(at, ","), at += *at == ',')
        if (strcspn(at, ",\n") == length && !strncmp(at, word, length)) return true;
    return false;
}

/* A line "ID:CONTROLLERS:GROUP"; version 2 is "0::GROUP". */
static void take_group(Hierarchy *h, char *line)
{
    char *controllers = strchr(line, ':'), *group = controllers ? strchr(controllers + 1, ':') : NULL;
    if (!group) return;
    *group++ = '\0';
    controllers++;
    group[strcspn(group, "\n")] = '\0';
    if (h->version == 2 ? !*controllers : list_holds(controllers, "cpu")) snprintf(h->group, PATH_BYTES, "%s", group);
}

/* A line "ID PARENT DEVICE TOP MOUNT OPTIONS… - TYPE SOURCE OPTIONS". */
static void take_mount(Hierarchy *h, char *line)
{
    char top[PATH_BYTES], mount[PATH_BYTES], type[32], options[PATH_BYTES];
    const char *rest = strstr(line, " - ");
    if (!rest || sscanf(line, "%*s %*s %*s %4095s %4095s", top, mount) != 2) return;
    if (sscanf(rest, " - %31s %*s %4095s", type, options) != 2) return;
    const bool ours =
        h->version == 2 ? !strcmp(type, "cgroup2") : !strcmp(type, "cgroup") && list_holds(options, "cpu");
    if (!ours) return;
    snprintf(h->top, PATH_BYTES, "%s", top);
    snprintf(h->mount, PATH_BYTES, "%s", mount);
}

static void each_line(const char *root, const char *name, void (*take)(Hierarchy *, char *), Hierarchy *h)
{
    FILE *file = open_below(root, name);
    char *line = NULL;
    size_t bytes = 0;
    while (file && getline(&line, &bytes, file) > 0) take(h, line);
    free(line);
    if (file) fclose(file);
}

/* "QUOTA PERIOD" in microseconds; false where there is none ("max", -1). */
static bool read_quota(const Hierarchy *h, const char *root, const char *folder, double *quota, double *period)
{
    int found = 0;
    char name[2 * PATH_BYTES + 32];
    if (h->version == 2) {
        snprintf(name, sizeof name, "%s/cpu.max", folder);
        FILE *file = open_below(root, name);
        found = file ? fscanf(file, "%lf %lf", quota, period) : 0;
        if (file) fclose(file);
    } else {
        double *const values[2] = {quota, period};
        for (int i = 0; i < 2; i++) {
            snprintf(name, sizeof name, "%s/cpu.cfs_%s_us", folder, i ? "period" : "quota");
            FILE *file = open_below(root, name);
            if (file && fscanf(file, "%lf", values[i]) == 1) found++;
            if (file) fclose(file);
        }
    }
    return found == 2 && *quota > 0 && *period > 0;
}

/* The strictest quota of the process's group and of those above it, as far as they are mounted. */
static int quota_of(Hierarchy *h, const char *root)
{
    char folder[2 * PATH_BYTES];
    each_line(root, "/proc/self/cgroup", take_group, h);
    each_line(root, "/proc/self/mountinfo", take_mount, h);
    if (!*h->group || !*h->mount) return INT_MAX;
    /* In a container the mounted group may be this process's own, or the process's group is not visible below it. */
    const size_t above = strcmp(h->top, "/") ? strlen(h->top) : 0;
    const bool inside = !strncmp(h->group, h->top, above) && (h->group[above] == '/' || !h->group[above]);
    snprintf(folder, sizeof folder, "%s%s", h->mount, inside ? h->group + above : "");
    int most = INT_MAX;
    for (const size_t shortest = strlen(h->mount); strlen(folder) >= shortest; *strrchr(folder, '/') = '\0') {
        double quota, period;
        if (read_quota(h, root, folder, &quota, &period)) {
            const double cpus = quota / period;
            const int up = cpus < INT_MAX / 2 ? (int)cpus + (cpus > (int)cpus) : INT_MAX;
            if (up < most) most = up;
        }
        if (!strchr(folder, '/')) break;
    }
    return most;
}

int threads_quota(const char *root)
{
    int most = INT_MAX;
    for (int version = 1; version <= 2; version++) {
        Hierarchy *h = mem_zalloc(1, sizeof *h, NULL);
        if (!h) return most;
        h->version = version;
        const int quota = quota_of(h, root);
        if (quota < most) most = quota;
        mem_free(h);
    }
    return most;
}

static int lesser(int a, int b) { return a < b ? a : b; }

int threads_choose(const ThreadSetting *s, int *bounded)
{
    const int sensible = s->processors < INT_MAX / MOST_PER_PROCESSOR ? MOST_PER_PROCESSOR * s->processors : INT_MAX;
    const int most = lesser(sensible, s->limit);
    const int wanted = s->asked ? s->asked : s->by_default;
    /* A default is computed from the limits, so it does not count as bounded. */
    *bounded = wanted > most && (s->asked || s->by_default != s->processors);
    const int chosen = lesser(s->asked ? wanted : lesser(wanted, s->quota), most);
    return chosen > 1 ? chosen : 1;
}

ThreadSetting threads_setting(int asked)
{
    return (ThreadSetting){.asked = asked,
                           .by_default = omp_get_max_threads(),
                           .processors = omp_get_num_procs(),
                           .quota = threads_quota(""),
                           .limit = omp_get_max_active_levels() > 0 ? omp_get_thread_limit() : 1};
}

/* ---- several processes on a machine ---- */

/* OpenMP may have bound the first thread to a place (OMP_PROC_BIND): then its places have the processors. */
static bool mark_places(int *users)
{
    int processors[THREADS_PROCESSORS];
    const int places = omp_get_num_places();
    for (int i = 0; i < places; i++) {
        const int count = omp_get_place_num_procs(i);
        if (count > THREADS_PROCESSORS) return false;
        omp_get_place_proc_ids(i, processors);
        for (int k = 0; k < count; k++)
            if (processors[k] < THREADS_PROCESSORS) users[processors[k]] = 1;
    }
    return places > 0;
}

enum { MASKS = THREADS_PROCESSORS / CPU_SETSIZE };

void threads_mark(int *users)
{
    cpu_set_t mask[MASKS];
    memset(users, 0, THREADS_PROCESSORS * sizeof *users);
    if (mark_places(users) || sched_getaffinity(0, sizeof mask, mask)) return;
    for (int i = 0; i < THREADS_PROCESSORS; i++) users[i] = CPU_ISSET_S(i, sizeof mask, mask) != 0;
}

int threads_part(const int *own, const int *users, int processes, int quota)
{
    double part = 1e-6; /* thirds that are added must not give less than 1 */
    for (int i = 0; i < THREADS_PROCESSORS; i++) part += own[i] ? 1.0 / users[i] : 0;
    const int chosen = lesser((int)part, quota / processes);
    return chosen > 1 ? chosen : 1;
}

int threads_processors_of(pid_t process)
{
    cpu_set_t mask[MASKS];
    return sched_getaffinity(process, sizeof mask, mask) ? 0 : CPU_COUNT_S(sizeof mask, mask);
}

void threads_use(int threads)
{
    omp_set_dynamic(0); /* smaller teams than requested would make kernels with barriers hang */
    omp_set_num_threads(threads);
}
